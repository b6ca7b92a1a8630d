# piece: attention.merge_heads
# mistake: heads interleaved
def merge_heads(x):
    B, H, T, d = x.shape
    return x.permute(0, 2, 3, 1).reshape(B, T, H * d)
