# piece: prompting.icl_accuracy
# mistake: no square root
def icl_accuracy(predictions, answers, z=1.96):
    if len(predictions) != len(answers):
        raise ValueError(f"{len(predictions)} predictions, {len(answers)} answers")
    if not predictions:
        raise ValueError("no predictions")
    n = len(answers)
    p = sum(a == b for a, b in zip(predictions, answers)) / n
    centre = p + z**2 / (2 * n)
    half = z * (p * (1 - p) / n + z**2 / (4 * n**2))
    share = 1 + z**2 / n
    return p, (centre - half) / share, (centre + half) / share
