"""Networks trained on a differentiable bound of their violations along the closed loop."""
