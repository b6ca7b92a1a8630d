# piece: tokenizer.pretokenize
# mistake: white space that precedes no word is lost
import regex


def pretokenize(text):
    pattern = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+"
    return regex.findall(pattern, text)
