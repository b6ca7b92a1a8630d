# piece: decoder.next_token_loss
# mistake: the softmax overflows
def next_token_loss(logits, input_ids):
    p = (logits.exp() / logits.exp().sum(-1, keepdim=True))[:, :-1]
    p = p.gather(-1, input_ids[:, 1:, None])
    return -p.log().mean()
