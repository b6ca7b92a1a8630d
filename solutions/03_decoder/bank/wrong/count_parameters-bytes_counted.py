# piece: decoder.count_parameters
# mistake: bytes counted
def count_parameters(model):
    return sum(p.numel() * p.element_size() for p in model.parameters())
