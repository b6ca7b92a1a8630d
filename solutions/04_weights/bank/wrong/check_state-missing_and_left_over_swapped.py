# piece: weights.check_state
# mistake: missing and left over swapped
def check_state(stored, wanted):
    missing = [name for name in wanted if name not in stored]
    left_over = [name for name in stored if name not in wanted]
    wrong = [name for name in wanted if name in stored and stored[name] != wanted[name]]
    return {"missing": sorted(left_over), "left over": sorted(missing), "wrong shape": sorted(wrong)}
