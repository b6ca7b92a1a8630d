# piece: tokenizer.decode
# mistake: KeyError for an unknown id
def decode(ids, vocab, special_tokens):
    names = {i: text for text, i in special_tokens.items()}
    data = b""
    for i in ids:
        data += vocab[i] if i in vocab else names[i].encode()
    return data.decode("utf-8", errors="replace")
