# piece: decoder.embed
# mistake: clipped beyond n_positions
import torch


def embed(input_ids, wte, wpe, past_length=0):
    T, limit = input_ids.shape[1], wpe.shape[0]
    positions = torch.arange(past_length, past_length + T)
    return wte[input_ids] + wpe[positions.clamp(max=limit - 1)]
