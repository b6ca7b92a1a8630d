# piece: finetuning.adamw_step
# mistake: no weight decay
def adamw_step(param, grad, exp_avg, exp_avg_sq, step, *, lr, betas, eps, weight_decay):
    if step < 1:
        raise ValueError(f"step {step}")
    beta1, beta2 = betas
    exp_avg = beta1 * exp_avg + (1 - beta1) * grad
    exp_avg_sq = beta2 * exp_avg_sq + (1 - beta2) * grad * grad
    m = exp_avg / (1 - beta1**step)
    v = exp_avg_sq / (1 - beta2**step)
    param = param - lr * m / (v.sqrt() + eps)
    return param, exp_avg, exp_avg_sq
