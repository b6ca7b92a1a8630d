# piece: attention.split_heads
# mistake: left-over channels dropped
def split_heads(x, n_head):
    B, T, C = x.shape
    d = C // n_head
    return x[:, :, : n_head * d].reshape(B, T, n_head, d).transpose(1, 2)
