# piece: decoder.embed
# mistake: all new tokens at one position
import torch


def embed(input_ids, wte, wpe, past_length=0):
    T, limit = input_ids.shape[1], wpe.shape[0]
    if past_length + T > limit:
        raise ValueError(f"{past_length + T} tokens, {limit} positions")
    positions = torch.tensor([past_length] * T)
    return wte[input_ids] + wpe[positions]
