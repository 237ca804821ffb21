"""Certified value and gradient of a network in a direction at single points: what Taylor expansions begin with.

One forward pass of midpoints and radii gives the value and the range of every slope, one backward pass the gradient;
radii are those of rounding (and of composed matrices) only.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from nnctrl.bounds.interval import enclose_affine, midpoint_radius
from nnctrl.bounds.layered import LayeredView, row_times
from nnctrl.sets.rounding import TINY, UNIT_ROUNDOFF, dot_up, grow_up, widen_down, widen_up


class Expansion(NamedTuple):
    """At points [batch, n]: `value_low`, `value_high` [batch] around the value d'f, and the `gradient` [batch, n]
    within `gradient_error`, entrywise.
    """

    value_low: Tensor
    value_high: Tensor
    gradient: Tensor
    gradient_error: Tensor


def expand_at(net: LayeredView, points: Tensor, directions: Tensor) -> Expansion:
    """Value and gradient of `directions[i]' f` at `points[i]`, rounded outward; differentiable.

    The gradient needs activations without kinks near the pre-activations to be one number; at a kink its radius covers
    every element of the generalised gradient. Cost: four products with every weight.
    """
    lower = upper = points
    slopes = []
    for affine, layer in zip(net.affines, net.activations, strict=False):
        low, high = enclose_affine(affine, lower, upper)
        pieces = []
        for activation, lanes in layer.slices():
            a, b = low[..., lanes], high[..., lanes]
            pieces.append((*activation.enclose(a, b), *activation.slope_range(a, b)))
        lower, upper, alpha, beta = (torch.cat(parts, -1) for parts in zip(*pieces, strict=True))
        slopes.append(midpoint_radius(alpha, beta))
    out_low, out_high = enclose_affine(net.affines[-1], lower, upper)
    high = dot_up(torch.where(directions >= 0.0, out_high, out_low), directions)
    low = -dot_up(torch.where(directions >= 0.0, -out_low, -out_high), directions)
    row, error = row_times(directions, torch.zeros_like(directions), net.affines[-1])
    for affine, (slope, radius) in zip(reversed(net.affines[:-1]), reversed(slopes), strict=True):
        # |row| slope error, its own error, their product, and the rounding of the product
        spread = row.abs() * radius + error * (slope + radius) + (2.0 * UNIT_ROUNDOFF) * (row * slope).abs() + TINY
        row, error = row_times(row * slope, grow_up(spread, 8), affine)
    if net.feedthrough is not None:
        skip_low, skip_high = enclose_affine(net.feedthrough, points, points)
        high = widen_up(high + dot_up(torch.where(directions >= 0.0, skip_high, skip_low), directions))
        low = widen_down(low - dot_up(torch.where(directions >= 0.0, -skip_low, -skip_high), directions))
        skip, skip_error = row_times(directions, torch.zeros_like(directions), net.feedthrough)
        row = row + skip
        error = grow_up(error + skip_error + (2.0 * UNIT_ROUNDOFF) * row.abs(), 4)
    return Expansion(low, high, row, error)
