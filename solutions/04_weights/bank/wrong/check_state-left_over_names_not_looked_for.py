# piece: weights.check_state
# mistake: left over names not looked for
def check_state(stored, wanted):
    missing = [name for name in wanted if name not in stored]
    left_over = []
    wrong = [name for name in wanted if name in stored and stored[name] != wanted[name]]
    return {"missing": sorted(missing), "left over": sorted(left_over), "wrong shape": sorted(wrong)}
