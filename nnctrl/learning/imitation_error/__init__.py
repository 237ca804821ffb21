"""How far an imitating network is from its expert at most, certified."""
