# piece: attention.merge_heads
# mistake: heads merged into time
def merge_heads(x):
    B, H, T, d = x.shape
    return x.reshape(B, H * T, d)
