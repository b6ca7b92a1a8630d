# piece: prompting.calibrate
# mistake: renormalised over the questions
def calibrate(probs, content_free):
    prior = content_free.mean(0)
    if (prior == 0).any():
        raise ValueError(f"content-free probabilities {prior.tolist()} hold a 0")
    ratios = probs / prior
    return ratios / ratios.sum(0, keepdim=True)
