# piece: attention.merge_heads
# mistake: view of a transposed tensor
def merge_heads(x):
    B, H, T, d = x.shape
    return x.transpose(1, 2).view(B, T, H * d)
