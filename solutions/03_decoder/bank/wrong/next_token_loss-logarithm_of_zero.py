# piece: decoder.next_token_loss
# mistake: logarithm of zero
def next_token_loss(logits, input_ids):
    p = logits.softmax(-1)[:, :-1]
    p = p.gather(-1, input_ids[:, 1:, None])
    return -p.log().mean()
