# piece: decoder.count_parameters
# mistake: tensors counted, not their numbers
def count_parameters(model):
    return len([*model.parameters()])
