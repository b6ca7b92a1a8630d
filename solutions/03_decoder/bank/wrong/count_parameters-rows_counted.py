# piece: decoder.count_parameters
# mistake: rows counted
def count_parameters(model):
    return sum(len(p) for p in model.parameters())
