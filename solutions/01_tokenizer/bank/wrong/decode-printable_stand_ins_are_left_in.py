# piece: tokenizer.decode
# mistake: printable stand-ins are left in
def decode(ids, vocab, special_tokens):
    names = {i: text for text, i in special_tokens.items()}
    data = b""
    for i in ids:
        if i not in vocab and i not in names:
            raise ValueError(f"unknown id {i}")
        data += vocab[i] if i in vocab else names[i].encode()
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return "".join(chr(byte) if byte in shown else chr(256 + hidden.index(byte)) for byte in data)
