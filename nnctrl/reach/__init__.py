"""Flowpipes of closed loops."""
