# piece: attention.split_heads
# mistake: heads split by view without transpose
def split_heads(x, n_head):
    B, T, C = x.shape
    if C % n_head:
        raise ValueError(f"{C} channels, {n_head} heads")
    return x.view(B, n_head, T, C // n_head)
