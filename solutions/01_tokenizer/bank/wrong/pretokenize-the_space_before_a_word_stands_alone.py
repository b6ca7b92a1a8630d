# piece: tokenizer.pretokenize
# mistake: the space before a word stands alone
import regex


def pretokenize(text):
    return regex.findall(r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}+|[^\s\p{L}\p{N}]+|\s+", text)
