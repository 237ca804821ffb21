"""Certified bounds of networks over boxes."""
