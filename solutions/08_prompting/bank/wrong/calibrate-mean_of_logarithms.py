# piece: prompting.calibrate
# mistake: mean of logarithms
def calibrate(probs, content_free):
    prior = content_free.log().mean(0).exp()
    if (prior == 0).any():
        raise ValueError(f"content-free probabilities {prior.tolist()} hold a 0")
    ratios = probs / prior
    return ratios / ratios.sum(-1, keepdim=True)
