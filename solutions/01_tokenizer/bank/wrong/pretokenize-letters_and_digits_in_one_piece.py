# piece: tokenizer.pretokenize
# mistake: letters and digits in one piece
import regex


def pretokenize(text):
    pattern = r"'(?:[sdmt]|ll|ve|re)| ?[\p{L}\p{N}]+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    return regex.findall(pattern, text)
