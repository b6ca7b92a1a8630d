# piece: weights.check_state
# mistake: missing names not looked for
def check_state(stored, wanted):
    missing = []
    left_over = [name for name in stored if name not in wanted]
    wrong = [name for name in wanted if name in stored and stored[name] != wanted[name]]
    return {"missing": sorted(missing), "left over": sorted(left_over), "wrong shape": sorted(wrong)}
