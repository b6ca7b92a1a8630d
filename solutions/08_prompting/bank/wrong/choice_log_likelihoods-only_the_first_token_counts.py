# piece: prompting.choice_log_likelihoods
# mistake: only the first token counts
def choice_log_likelihoods(logits, input_ids, prompt_length, choice_lengths):
    if prompt_length < 1:
        raise ValueError(f"prompt_length={prompt_length}")
    next_token = logits[:, prompt_length - 1].log_softmax(-1)
    return next_token.gather(-1, input_ids[:, prompt_length, None])[:, 0]
