# piece: prompting.calibrate
# mistake: averaged over the choices
def calibrate(probs, content_free):
    prior = content_free.mean()
    if (prior == 0).any():
        raise ValueError(f"content-free probabilities {prior.tolist()} hold a 0")
    ratios = probs / prior
    return ratios / ratios.sum(-1, keepdim=True)
