# piece: attention.merge_heads
# mistake: heads merged by view without transpose
def merge_heads(x):
    B, H, T, d = x.shape
    return x.reshape(B, T, H * d)
