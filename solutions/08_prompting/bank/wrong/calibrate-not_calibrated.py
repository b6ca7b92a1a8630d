# piece: prompting.calibrate
# mistake: not calibrated
def calibrate(probs, content_free):
    prior = content_free.mean(0)
    if (prior == 0).any():
        raise ValueError(f"content-free probabilities {prior.tolist()} hold a 0")
    ratios = probs
    return ratios / ratios.sum(-1, keepdim=True)
