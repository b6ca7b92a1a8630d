# piece: tokenizer.bytes_to_unicode
# mistake: every byte moved
def bytes_to_unicode():
    return dict(enumerate(map(chr, range(256, 512))))
