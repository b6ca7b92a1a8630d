# piece: prompting.calibrate
# mistake: only the first content-free prompt
def calibrate(probs, content_free):
    prior = content_free[0]
    if (prior == 0).any():
        raise ValueError(f"content-free probabilities {prior.tolist()} hold a 0")
    ratios = probs / prior
    return ratios / ratios.sum(-1, keepdim=True)
