# piece: weights.check_state
# mistake: shapes not compared
def check_state(stored, wanted):
    missing = [name for name in wanted if name not in stored]
    left_over = [name for name in stored if name not in wanted]
    wrong = [name for name in wanted if name in stored and not stored]
    return {"missing": sorted(missing), "left over": sorted(left_over), "wrong shape": sorted(wrong)}
