# piece: tokenizer.bytes_to_unicode
# mistake: keys and values swapped
def bytes_to_unicode():
    table, free = {}, 256
    for byte in range(256):
        if 33 <= byte <= 126 or 161 <= byte <= 172 or 174 <= byte:
            table[byte] = chr(byte)
        else:
            table[byte] = chr(free)
            free += 1
    return {char: byte for byte, char in table.items()}
