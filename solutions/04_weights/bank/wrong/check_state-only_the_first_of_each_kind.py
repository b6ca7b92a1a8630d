# piece: weights.check_state
# mistake: only the first of each kind
def check_state(stored, wanted):
    missing = [name for name in wanted if name not in stored]
    left_over = [name for name in stored if name not in wanted]
    wrong = [name for name in wanted if name in stored and stored[name] != wanted[name]]
    return {"missing": sorted(missing)[:1], "left over": sorted(left_over)[:1], "wrong shape": sorted(wrong)[:1]}
