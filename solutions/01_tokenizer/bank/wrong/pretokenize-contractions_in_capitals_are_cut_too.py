# piece: tokenizer.pretokenize
# mistake: contractions in capitals are cut too
import regex


def pretokenize(text):
    pattern = r"'(?i:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    return regex.findall(pattern, text)
