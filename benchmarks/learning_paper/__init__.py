"""The experiments of "Learning neural networks under input-output specifications"."""
