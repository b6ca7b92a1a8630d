# piece: decoder.next_token_loss
# mistake: sign turned round
import torch


def next_token_loss(logits, input_ids):
    log_p = torch.log_softmax(logits, -1)[:, :-1]
    return log_p.gather(-1, input_ids[:, 1:, None]).mean()
