# piece: sampling.beam_step
# mistake: a finished beam takes a place
import torch


def beam_step(scores, log_probs, num_beams, eos_token_id=None):
    V = log_probs.shape[1]
    totals = (scores[:, None] + log_probs).flatten()
    values, places = totals.topk(num_beams)
    going, finished = [], []
    for rank, (value, place) in enumerate(zip(values.tolist(), places.tolist())):
        if place % V == eos_token_id:
            if rank < num_beams:
                finished.append((value, place // V))
        elif len(going) < num_beams:
            going.append((value, place // V, place % V))
    scores, beams, tokens = zip(*going)
    return torch.tensor(scores), torch.tensor(beams), torch.tensor(tokens), finished
