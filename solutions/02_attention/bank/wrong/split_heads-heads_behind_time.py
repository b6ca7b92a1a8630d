# piece: attention.split_heads
# mistake: heads behind time
def split_heads(x, n_head):
    B, T, C = x.shape
    if C % n_head:
        raise ValueError(f"{C} channels, {n_head} heads")
    return x.view(B, T, n_head, C // n_head)
