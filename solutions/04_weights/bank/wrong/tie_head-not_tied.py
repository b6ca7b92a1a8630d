# piece: weights.tie_head
# mistake: not tied
def tie_head(model):
    model.head = model.wte
