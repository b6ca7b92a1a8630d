# piece: tokenizer.decode
# mistake: tokens joined with spaces
def decode(ids, vocab, special_tokens):
    names = {i: text for text, i in special_tokens.items()}
    tokens = []
    for i in ids:
        if i not in vocab and i not in names:
            raise ValueError(f"unknown id {i}")
        tokens.append(vocab[i] if i in vocab else names[i].encode())
    return b" ".join(tokens).decode("utf-8", errors="replace")
