"""Controllers from data: imitation of experts by networks."""
