"""Funnels: chains of ellipsoids from an initial set into a goal, with an affine controller for every step, proved."""
