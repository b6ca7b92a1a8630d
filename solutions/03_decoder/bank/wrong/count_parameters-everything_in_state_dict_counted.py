# piece: decoder.count_parameters
# mistake: everything in state_dict counted
def count_parameters(model):
    return sum(tensor.numel() for tensor in model.state_dict().values())
