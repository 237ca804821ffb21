"""Balls of the 1-, 2- and infinity-norm as input sets of bounds."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nnctrl.bounds.norms import NORMS, dual_exponent, vector_norm_up
from nnctrl.errors import InputError
from nnctrl.sets.rounding import dot_up, widen_up


@dataclass(frozen=True, eq=False)
class InputBall:
    """`{x : |x - centre|_p <= radius}` in the coordinates of a view; `centre` [n].

    A search covers it by boxes; a bound that knows the ball bounds the intersection of a box with it.
    """

    centre: Tensor
    radius: float
    p: float

    def __post_init__(self) -> None:
        if self.p not in NORMS:
            raise InputError(f"input balls have p = 1, 2 or infinity, not p = {self.p:g}")
        if not 0.0 <= self.radius < float("inf"):
            raise InputError(f"the radius of an input ball is {self.radius:g}; give a finite number from 0 on")

    def linear_up(self, slope: Tensor, slope_error: Tensor, point: Tensor) -> Tensor:
        """Upper bound [batch] of g'(x - point) over the ball, for all g within `slope_error` of `slope`."""
        away = self.centre - point
        distance = widen_up(away.abs() + 2.0**-53 * (self.centre.abs() + point.abs()))
        at_centre = dot_up(slope, away) + dot_up(slope_error, distance)
        rounding = dot_up(slope.abs(), widen_up(2.0**-52 * away.abs()))
        around = vector_norm_up(widen_up(slope.abs() + slope_error), dual_exponent(self.p)) * self.radius
        return widen_up(at_centre + rounding + widen_up(around), 4.0)

    def distance_up(self, point: Tensor, p: float) -> Tensor:
        """Upper bound [batch] of |x - point|_p over the ball; the norms of the ball and of the distance may differ."""
        size = self.centre.shape[-1]
        # |v|_q <= n^(1/q - 1/p) |v|_p for q < p, and |v|_q <= |v|_p for q >= p
        factor = size ** max(0.0, 1.0 / p - 1.0 / self.p)
        away = widen_up(torch.abs(self.centre - point))
        return widen_up(vector_norm_up(away, p) + self.radius * factor * (1.0 + 1e-15), 4.0)

    def pulled(self, points: Tensor) -> Tensor:
        """Points [..., n] moved towards the centre until they are inside (up to rounding); those inside stay."""
        away = points - self.centre
        length = torch.linalg.vector_norm(away, self.p, dim=-1, keepdim=True)
        share = self.radius * (1.0 - 1e-12) / length.clamp(min=1e-300)
        return torch.where(share < 1.0, self.centre + away * share, points)

    def misses(self, lower: Tensor, upper: Tensor) -> Tensor:
        """Which boxes [batch, n] certainly do not meet the ball."""
        nearest = torch.maximum(lower - self.centre, self.centre - upper).clamp(min=0.0)
        # sound from below: every entry and the norm lose more than their rounding; in units of the radius no square
        # overflows that would not exceed it by itself
        unit = max(self.radius, 1e-290)
        shares = (nearest / unit * (1.0 - 1e-12)).clamp(max=2.0)
        norms = {1.0: shares.sum(-1), 2.0: (shares * shares).sum(-1)}
        return norms.get(self.p, shares.amax(-1)) * (1.0 - 1e-12) > 1.0
