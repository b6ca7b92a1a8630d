# piece: finetuning.adamw_step
# mistake: step taken with the old averages
def adamw_step(param, grad, exp_avg, exp_avg_sq, step, *, lr, betas, eps, weight_decay):
    if step < 1:
        raise ValueError(f"step {step}")
    m = exp_avg / (1 - betas[0] ** step)
    v = exp_avg_sq / (1 - betas[1] ** step)
    param = param * (1 - lr * weight_decay) - lr * m / (v.sqrt() + eps)
    return param, exp_avg.lerp(grad, 1 - betas[0]), betas[1] * exp_avg_sq + (1 - betas[1]) * grad**2
