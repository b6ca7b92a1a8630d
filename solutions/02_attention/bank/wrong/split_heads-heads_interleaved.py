# piece: attention.split_heads
# mistake: heads interleaved
def split_heads(x, n_head):
    B, T, C = x.shape
    if C % n_head:
        raise ValueError(f"{C} channels, {n_head} heads")
    return x.view(B, T, C // n_head, n_head).permute(0, 3, 1, 2)
