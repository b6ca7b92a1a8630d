# piece: weights.tie_head
# mistake: lm_head copied, not tied
def tie_head(model):
    model.lm_head.load_state_dict(model.wte.state_dict())
