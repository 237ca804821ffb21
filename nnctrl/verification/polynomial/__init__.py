"""The engine `polynomial`: continuous and discrete plants, polynomial zonotopes, NumPy and numba."""
