# piece: prompting.icl_accuracy
# mistake: the accuracy alone
def icl_accuracy(predictions, answers, z=1.96):
    if len(predictions) != len(answers):
        raise ValueError(f"{len(predictions)} predictions, {len(answers)} answers")
    if not predictions:
        raise ValueError("no predictions")
    n = len(answers)
    p = sum(a == b for a, b in zip(predictions, answers)) / n
    return p
