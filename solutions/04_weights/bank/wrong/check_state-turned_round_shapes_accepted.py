# piece: weights.check_state
# mistake: turned round shapes accepted
def check_state(stored, wanted):
    missing = [name for name in wanted if name not in stored]
    left_over = [name for name in stored if name not in wanted]
    wrong = [name for name in wanted if name in stored and sorted(stored[name]) != sorted(wanted[name])]
    return {"missing": sorted(missing), "left over": sorted(left_over), "wrong shape": sorted(wrong)}
