"""Requirements over time and their margins."""
