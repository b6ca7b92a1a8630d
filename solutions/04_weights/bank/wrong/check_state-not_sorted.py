# piece: weights.check_state
# mistake: not sorted
def check_state(stored, wanted):
    missing = [name for name in wanted if name not in stored]
    left_over = [name for name in stored if name not in wanted]
    wrong = [name for name in wanted if name in stored and stored[name] != wanted[name]]
    return {"missing": missing, "left over": left_over, "wrong shape": wrong}
