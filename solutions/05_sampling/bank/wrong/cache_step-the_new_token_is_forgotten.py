# piece: sampling.cache_step
# mistake: the new token is forgotten
import torch


def cache_step(past, keys, values, beams=None):
    if past is None:
        return keys, values
    old_keys, old_values = past
    if beams is not None:
        old_keys, old_values = old_keys[beams], old_values[beams]
    return old_keys, old_values
