# piece: tokenizer.pretokenize
# mistake: .split(' ') loses every space
def pretokenize(text):
    return text.split(' ')
