# piece: decoder.count_parameters
# mistake: tied tensor counted twice
def count_parameters(model):
    return sum(p.numel() for _, p in model.named_parameters(remove_duplicate=False))
