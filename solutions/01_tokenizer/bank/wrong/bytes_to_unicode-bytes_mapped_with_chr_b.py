# piece: tokenizer.bytes_to_unicode
# mistake: bytes mapped with chr(b)
def bytes_to_unicode():
    return {b: chr(b) for b in range(256)}
