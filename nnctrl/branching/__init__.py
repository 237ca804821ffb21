"""Branch and bound over boxes and directions."""
