# piece: tokenizer.pretokenize
# mistake: ASCII-only pattern
import re


def pretokenize(text):
    pattern = r"'s|'t|'re|'ve|'m|'ll|'d| ?[a-zA-Z]+| ?[0-9]+| ?[^\sa-zA-Z0-9]+|\s+(?!\S)|\s+"
    return re.findall(pattern, text)
