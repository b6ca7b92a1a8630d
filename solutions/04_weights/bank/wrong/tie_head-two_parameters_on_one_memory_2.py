# piece: weights.tie_head
# mistake: two parameters on one memory
def tie_head(model):
    model.lm_head.weight.data = model.wte.weight.data
