# piece: prompting.icl_accuracy
# mistake: the spread of single answers
import math


def icl_accuracy(predictions, answers, z=1.96):
    if len(predictions) != len(answers):
        raise ValueError(f"{len(predictions)} predictions, {len(answers)} answers")
    if not predictions:
        raise ValueError("no predictions")
    n = len(answers)
    p = sum(a == b for a, b in zip(predictions, answers)) / n
    half = z * math.sqrt(p * (1 - p))
    return p, p - half, p + half
