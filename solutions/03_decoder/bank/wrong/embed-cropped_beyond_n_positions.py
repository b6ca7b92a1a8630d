# piece: decoder.embed
# mistake: cropped beyond n_positions
import torch


def embed(input_ids, wte, wpe, past_length=0):
    T, limit = input_ids.shape[1], wpe.shape[0]
    if past_length + T > limit:
        input_ids = input_ids[:, -limit:]
        T = input_ids.shape[1]
        past_length = limit - T
    positions = torch.arange(past_length, past_length + T)
    return wte[input_ids] + wpe[positions]
