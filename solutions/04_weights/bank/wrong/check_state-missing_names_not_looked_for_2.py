# piece: weights.check_state
# mistake: missing names not looked for
def check_state(stored, wanted):
    found = {"missing": [], "left over": [], "wrong shape": []}
    for name in sorted(stored):
        if name not in wanted:
            found["left over"].append(name)
        elif stored[name] != wanted[name]:
            found["wrong shape"].append(name)
    return found
