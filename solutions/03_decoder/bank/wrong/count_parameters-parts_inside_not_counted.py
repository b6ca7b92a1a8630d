# piece: decoder.count_parameters
# mistake: parts inside not counted
def count_parameters(model):
    return sum(p.numel() for p in model.parameters(recurse=False))
