# piece: tokenizer.pretokenize
# mistake: .split() loses leading spaces
def pretokenize(text):
    return text.split()
