"""Experts (model-predictive controllers) and the networks trained to imitate them, with their provenance."""
