"""Networks: layers, activations, feedthrough, and the files they come from."""
