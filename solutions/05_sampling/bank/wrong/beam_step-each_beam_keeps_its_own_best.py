# piece: sampling.beam_step
# mistake: each beam keeps its own best
import torch


def beam_step(scores, log_probs, num_beams, eos_token_id=None):
    each = max(1, num_beams // len(scores))
    found = []
    for beam, row in enumerate(log_probs):
        values, tokens = row.topk(each)
        found += [((scores[beam] + v).item(), beam, t.item()) for v, t in zip(values, tokens)]
    scores, beams, tokens = zip(*sorted(found, reverse=True)[:num_beams])
    return torch.tensor(scores), torch.tensor(beams), torch.tensor(tokens), []
