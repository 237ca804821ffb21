"""Proofs that no controller at all does what a task wants."""
