"""The engine `switched`: controllers that switch among networks."""
