# piece: weights.check_state
# mistake: sets instead of sorted lists
def check_state(stored, wanted):
    common = set(stored) & set(wanted)
    return {
        "missing": set(wanted) - common,
        "left over": set(stored) - common,
        "wrong shape": {name for name in common if stored[name] != wanted[name]},
    }
