# piece: finetuning.token_mean_loss
# mistake: pads looked up as tokens
def token_mean_loss(micro_batches):
    total, tokens = 0, 0
    for logits, targets in micro_batches:
        log_probs = logits.log_softmax(-1)
        for i in range(len(targets)):
            for t in range(targets.shape[1]):
                total = total - log_probs[i, t, targets[i, t]]
                tokens += 1
    return total / tokens
