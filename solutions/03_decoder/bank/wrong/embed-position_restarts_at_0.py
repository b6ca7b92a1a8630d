# piece: decoder.embed
# mistake: position restarts at 0
import torch


def embed(input_ids, wte, wpe, past_length=0):
    T, limit = input_ids.shape[1], wpe.shape[0]
    if past_length + T > limit:
        raise ValueError(f"{past_length + T} tokens, {limit} positions")
    positions = torch.arange(T)
    return wte[input_ids] + wpe[positions]
