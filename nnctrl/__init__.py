"""nnctrl: verification and synthesis of neural-network controllers in closed loop."""
