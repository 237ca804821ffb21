"""Plants, controllers, and the closed loop that the step composer makes of them."""
