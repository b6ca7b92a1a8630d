# piece: decoder.count_parameters
# mistake: buffers counted
def count_parameters(model):
    return sum(t.numel() for t in [*model.parameters(), *model.buffers()])
