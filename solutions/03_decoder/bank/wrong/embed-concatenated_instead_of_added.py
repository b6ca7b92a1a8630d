# piece: decoder.embed
# mistake: concatenated instead of added
import torch


def embed(input_ids, wte, wpe, past_length=0):
    T, limit = input_ids.shape[1], wpe.shape[0]
    if past_length + T > limit:
        raise ValueError(f"{past_length + T} tokens, {limit} positions")
    positions = torch.arange(past_length, past_length + T)
    return torch.cat([wte[input_ids], wpe[positions].expand(len(input_ids), -1, -1)], dim=-1)
