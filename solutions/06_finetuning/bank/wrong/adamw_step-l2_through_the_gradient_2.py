# piece: finetuning.adamw_step
# mistake: L2 through the gradient
import torch


def adamw_step(param, grad, exp_avg, exp_avg_sq, step, *, lr, betas, eps, weight_decay):
    """PyTorch's Adam takes weight_decay too, and means another thing by it."""
    if step < 1:
        raise ValueError(f"step {step}")
    weight = torch.nn.Parameter(param.clone())
    weight.grad = grad
    adam = torch.optim.Adam([weight], lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
    adam.state[weight] = {"step": torch.tensor(step - 1.0), "exp_avg": exp_avg.clone(), "exp_avg_sq": exp_avg_sq.clone()}
    adam.step()
    return weight, adam.state[weight]["exp_avg"], adam.state[weight]["exp_avg_sq"]
