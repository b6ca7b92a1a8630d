# piece: weights.check_state
# mistake: numbers counted instead of shapes
import math


def check_state(stored, wanted):
    missing = [name for name in wanted if name not in stored]
    left_over = [name for name in stored if name not in wanted]
    wrong = [name for name in wanted if name in stored and math.prod(stored[name]) != math.prod(wanted[name])]
    return {"missing": sorted(missing), "left over": sorted(left_over), "wrong shape": sorted(wrong)}
