# piece: prompting.calibrate
# mistake: logarithms returned
def calibrate(probs, content_free):
    prior = content_free.mean(0)
    if (prior == 0).any():
        raise ValueError(f"content-free probabilities {prior.tolist()} hold a 0")
    ratios = probs.log() - prior.log()
    return ratios
