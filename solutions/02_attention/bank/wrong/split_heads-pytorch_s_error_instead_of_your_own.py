# piece: attention.split_heads
# mistake: PyTorch's error instead of your own
def split_heads(x, n_head):
    B, T, C = x.shape
    return x.view(B, T, n_head, C // n_head).transpose(1, 2)
