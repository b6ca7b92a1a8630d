# piece: tokenizer.pretokenize
# mistake: contractions are not cut
import regex


def pretokenize(text):
    pattern = r" ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    return regex.findall(pattern, text)
