"""Certified polynomial fits of activations of which nothing is known but what they declare.

The error of a stored polynomial is enclosed piece by piece: with `e(t) = phi(centre + radius t) - p(t)` and m the
middle of a piece of half-width h,

    e(t) in e(m) + e'(m) [-h, h] + 1/2 e''(piece) [0, h^2],

or, where phi has a kink in the piece, `e(m) + e'(piece) [-h, h]`; pieces end next to the kinks, so that is a matter of
rounding.
"""

from __future__ import annotations

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import UnsupportedError
from nnctrl.networks.activation import Activation
from nnctrl.networks.piecewise_linear import AbstractPiecewiseLinear
from nnctrl.sets.rounding import TINY, UNIT_ROUNDOFF, gamma, widen_up

PIECES = 64
NEAR_KINK = 2.0**-40
"""Half-width of the pieces around kinks, in units of t."""


def error_range(
    activation: Activation, centre: FloatArray, radius: FloatArray, coefficients: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Outer bounds [m] of phi - p for |t| <= 1."""
    faces = _faces(activation, centre, radius)
    left, right = faces[:-1], faces[1:]
    middle = 0.5 * left + 0.5 * right
    half = widen_up(np.maximum(right - middle, middle - left))
    scale = radius
    doubt = widen_up(8.0 * UNIT_ROUNDOFF * (np.abs(centre) + scale))
    at = centre + scale * middle
    at_low, at_high = at - doubt, at + doubt
    piece_low, piece_high = centre + scale * left - doubt, centre + scale * right + doubt
    value, slope, bend, sizes = _polynomial(coefficients, middle)
    image_low, image_high = activation.enclose(at_low, at_high)
    rounding = gamma(2 * coefficients.shape[1] + 8) * sizes[0] + 4.0 * UNIT_ROUNDOFF * (
        np.abs(image_low) + np.abs(image_high) + np.abs(value)
    )
    base_low, base_high = image_low - value - rounding, image_high - value + rounding
    slope_low, slope_high = activation.slope_range(at_low, at_high)
    steepness = np.maximum(np.abs(scale * slope_low - slope), np.abs(scale * slope_high - slope))
    doubts = gamma(2 * coefficients.shape[1] + 8) * (sizes[1] + scale)
    first = (steepness + doubts) * half
    bent_low, bent_high, kinked = _curvature(activation, piece_low, piece_high)
    change = half * sizes[3]
    square = scale * scale
    second = 0.5 * half * half
    doubts = gamma(2 * coefficients.shape[1] + 8) * (sizes[2] + square)
    fall = second * (np.maximum(0.0, -(square * bent_low - bend)) + change + doubts)
    rise = second * (np.maximum(0.0, square * bent_high - bend) + change + doubts)
    # where phi has a kink: the slope anywhere in the piece instead of that at its middle
    any_low, any_high = activation.slope_range(piece_low, piece_high)
    steepest = np.maximum(np.abs(scale * any_low - slope), np.abs(scale * any_high - slope)) + half * sizes[2]
    whole = (steepest + gamma(2 * coefficients.shape[1] + 8) * (sizes[1] + scale)) * half
    down = np.where(kinked, whole, first + fall)
    up = np.where(kinked, whole, first + rise)
    grown = 1.0 + 64.0 * UNIT_ROUNDOFF
    low = (base_low - down * grown - 4.0 * UNIT_ROUNDOFF * np.abs(base_low) - TINY).min(axis=0)
    high = (base_high + up * grown + 4.0 * UNIT_ROUNDOFF * np.abs(base_high) + TINY).max(axis=0)
    return low, high


def _faces(activation: Activation, centre: FloatArray, radius: FloatArray) -> FloatArray:
    """Ends [k + 1, m] of the pieces of [-1, 1] in increasing order."""
    uniform = np.broadcast_to(np.linspace(-1.0, 1.0, PIECES + 1)[:, None], (PIECES + 1, len(centre)))
    extra = []
    if isinstance(activation, AbstractPiecewiseLinear):
        for kink in activation.kinks(centre):
            place = np.nan_to_num((kink - centre) / radius, nan=1.0, posinf=1.0, neginf=-1.0)
            extra += [place - NEAR_KINK, place + NEAR_KINK]
    rows = [np.clip(place, -1.0, 1.0)[None] for place in extra]
    return np.sort(np.concatenate([uniform, *rows]), axis=0)


def _curvature(
    activation: Activation, lower: FloatArray, upper: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Range of phi'' on each piece, and where there is none because of a kink."""
    try:
        low, high = activation.curvature_range(lower, upper)
        return low, high, np.zeros_like(low, dtype=bool)
    except UnsupportedError:
        slope_low, slope_high = activation.slope_range(lower, upper)
        flat = 0.0 * slope_low
        return flat, flat, ~(slope_low == slope_high)


def _polynomial(coefficients: FloatArray, t: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, list[FloatArray]]:
    """p, p', p'' at t [k, m], and for each derivative up to the third the sum of absolute coefficients [m]."""
    values, sizes, row = [], [], coefficients
    for _ in range(4):
        total = np.zeros_like(t)
        for j in range(row.shape[1] - 1, -1, -1):
            total = total * t + row[:, j]
        values.append(total)
        sizes.append(np.abs(row).sum(axis=1))
        row = row[:, 1:] * np.arange(1, row.shape[1]) if row.shape[1] > 1 else np.zeros((len(row), 1))
    return values[0], values[1], values[2], sizes
