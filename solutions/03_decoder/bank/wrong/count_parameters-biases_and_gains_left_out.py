# piece: decoder.count_parameters
# mistake: biases and gains left out
def count_parameters(model):
    return sum(p.numel() for name, p in model.named_parameters() if 'bias' not in name and 'ln' not in name)
