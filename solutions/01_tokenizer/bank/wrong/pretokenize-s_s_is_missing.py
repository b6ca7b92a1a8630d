# piece: tokenizer.pretokenize
# mistake: \s+(?!\S) is missing
import regex


def pretokenize(text):
    pattern = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+"
    return regex.findall(pattern, text)
