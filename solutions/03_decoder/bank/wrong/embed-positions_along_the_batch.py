# piece: decoder.embed
# mistake: positions along the batch
import torch


def embed(input_ids, wte, wpe, past_length=0):
    T, limit = input_ids.shape[1], wpe.shape[0]
    if past_length + T > limit:
        raise ValueError(f"{past_length + T} tokens, {limit} positions")
    positions = torch.arange(len(input_ids))[:, None]
    return wte[input_ids] + wpe[positions]
