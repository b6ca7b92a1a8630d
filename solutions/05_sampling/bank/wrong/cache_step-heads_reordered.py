# piece: sampling.cache_step
# mistake: heads reordered
import torch


def cache_step(past, keys, values, beams=None):
    if past is None:
        return keys, values
    old_keys, old_values = past
    if beams is not None:
        old_keys, old_values = old_keys[:, beams], old_values[:, beams]
    return torch.cat([old_keys, keys], dim=-2), torch.cat([old_values, values], dim=-2)
