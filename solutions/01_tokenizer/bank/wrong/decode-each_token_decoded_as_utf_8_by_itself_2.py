# piece: tokenizer.decode
# mistake: each token decoded as UTF-8 by itself
def decode(ids, vocab, special_tokens):
    names = {i: text for text, i in special_tokens.items()}
    text = ""
    for i in ids:
        if i not in vocab and i not in names:
            raise ValueError(f"unknown id {i}")
        text += vocab[i].decode() if i in vocab else names[i]
    return text
