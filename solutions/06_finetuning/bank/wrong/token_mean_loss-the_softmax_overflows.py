# piece: finetuning.token_mean_loss
# mistake: the softmax overflows
def token_mean_loss(micro_batches):
    total, tokens = 0, 0
    for logits, targets in micro_batches:
        probs = logits.exp() / logits.exp().sum(-1, keepdim=True)
        real = targets != -100
        picked = probs.gather(-1, targets.clamp(min=0).unsqueeze(-1)).squeeze(-1)
        total = total - (picked.log() * real).sum()
        tokens += real.sum()
    if tokens == 0:
        raise ValueError("no targets")
    return total / tokens
