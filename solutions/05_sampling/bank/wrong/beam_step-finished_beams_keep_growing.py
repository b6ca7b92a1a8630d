# piece: sampling.beam_step
# mistake: finished beams keep growing
import torch


def beam_step(scores, log_probs, num_beams, eos_token_id=None):
    V = log_probs.shape[1]
    scores, places = (scores[:, None] + log_probs).flatten().topk(num_beams)
    return scores, places // V, places % V, []
