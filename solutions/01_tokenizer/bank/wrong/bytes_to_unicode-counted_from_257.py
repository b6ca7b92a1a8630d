# piece: tokenizer.bytes_to_unicode
# mistake: counted from 257
def bytes_to_unicode():
    table, free = {}, 256
    for byte in range(256):
        if 33 <= byte <= 126 or 161 <= byte <= 172 or 174 <= byte:
            table[byte] = chr(byte)
        else:
            free += 1
            table[byte] = chr(free)
    return table
