"""First-order bounds: value and gradient at a point and the norm of the Hessian (the Hessian paper, III-B and VI-A)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal, Self

import torch
from torch import Tensor

from nnctrl.bounds.ball import InputBall
from nnctrl.bounds.base import AbstractLocalBound, UpperBound
from nnctrl.bounds.expansion import Expansion, expand_at
from nnctrl.bounds.hessian import Tail, hessian_norm
from nnctrl.bounds.interval import midpoint_radius
from nnctrl.bounds.layered import LayeredView, curvature_objection
from nnctrl.bounds.lipschitz import AbstractLipschitz, LipLT
from nnctrl.bounds.memory import bytes_of_layers
from nnctrl.bounds.norms import vector_norm_up
from nnctrl.bounds.view import NetworkView
from nnctrl.sets.rounding import UNIT_ROUNDOFF, sum_up, widen_up


@dataclass(frozen=True)
class FirstOrderBound(AbstractLocalBound):
    """`f(y) + max over the box of grad f(y)'(x - y) + lam/2 |x - y|^2`, lam a bound of the Hessian's norm (eq. 13b).

    On a box the maximum is taken coordinate by coordinate at the ends, exactly. `expansion`: y is the centre, or the
    better of the centre and the point of Proposition 5. The gap is of second order; activations need a second
    derivative. `ball`: the input set is the intersection of the boxes with it.
    """

    lipschitz: AbstractLipschitz = field(default_factory=LipLT)
    tail: Tail = "least"
    expansion: Literal["centre", "optimised"] = "centre"
    ball: InputBall | None = None

    def within(self, ball: InputBall) -> Self:
        """The same bound for the intersection of boxes with `ball`."""
        return replace(self, ball=ball)

    def fact_count(self, view: NetworkView) -> int:
        """The norm of the Hessian."""
        return 1

    def local_facts(self, view: NetworkView, lower: Tensor, upper: Tensor, directions: Tensor) -> Tensor:
        """The norm of the Hessian, [batch, 1]; cost: that of the Lipschitz constants and tails."""
        self.require(view)
        net = LayeredView.of(view)
        return hessian_norm(net, net.ranges(lower, upper), directions, self.lipschitz, self.tail).unsqueeze(-1)

    def upper_from(
        self, view: NetworkView, lower: Tensor, upper: Tensor, directions: Tensor, facts: Tensor
    ) -> UpperBound:
        """See `AbstractLocalBound.upper_from`; cost: one expansion, with `expansion` optimised two."""
        net, curvature = LayeredView.of(view), facts[:, 0]
        centre, radius = midpoint_radius(lower, upper)
        found = expand_at(net, centre, directions)
        value = self._about(found, centre, lower, upper, curvature)
        if self.expansion == "optimised":
            point = improved_point(found.gradient, curvature, centre, radius, self.ball)
            point = torch.minimum(torch.maximum(point, lower), upper)
            value = torch.fmin(value, self._about(expand_at(net, point, directions), point, lower, upper, curvature))
        return UpperBound(
            torch.where(torch.isfinite(value), value, math.inf),
            (found.gradient * radius).detach(),
            (radius * radius).detach(),
        )

    def _about(self, found: Expansion, point: Tensor, lower: Tensor, upper: Tensor, curvature: Tensor) -> Tensor:
        """The bound by the expansion at `point` [batch, n]."""
        half = 0.5 * curvature.unsqueeze(-1)
        ends = []
        for end in (lower, upper):
            away = end - point
            reach = widen_up(away.abs())
            linear, error = found.gradient * away, found.gradient_error * reach
            square = torch.where(reach > 1e-300, half * reach * reach, 0.0)
            # the difference, the products and the sums each round
            slack = (8.0 * UNIT_ROUNDOFF) * (linear.abs() + error + square)
            ends.append(linear + error + square + slack)
        growth = sum_up(torch.maximum(*ends))
        if self.ball is not None:
            linear = self.ball.linear_up(found.gradient, found.gradient_error, point)
            box_reach = vector_norm_up(widen_up(torch.maximum(upper - point, point - lower)), 2.0)
            distance = torch.minimum(box_reach, self.ball.distance_up(point, 2.0))
            square = widen_up(0.5 * curvature * distance * distance, 6.0)
            growth = torch.minimum(growth, widen_up(linear + torch.where(distance > 1e-300, square, 0.0)))
        return widen_up(found.value_high + growth)

    def objection(self, view: NetworkView) -> str | None:
        """Activations with kinks."""
        return curvature_objection(view, "first-order")

    def bytes_per_pair(self, view: NetworkView) -> int:
        """Vectors of the layers for the expansion, and matrices for the norms."""
        return bytes_of_layers(view)


def improved_point(
    gradient: Tensor, curvature: Tensor, centre: Tensor, radius: Tensor, ball: InputBall | None
) -> Tensor:
    """A point to expand about, nearer to where f is large (Proposition 5); floating point, any point is sound.

    For a box `c + t (r_i sign g_i)` with the largest t that leaves the maximiser at its corner, which makes the bound
    no worse in exact arithmetic; for a 2-ball `c + t g/|g|`. lam = mu is `curvature` [batch].
    """
    lam = curvature.unsqueeze(-1)
    length = radius.norm(dim=-1, keepdim=True)
    if ball is not None and ball.p == 2.0:
        size = gradient.norm(dim=-1, keepdim=True)
        step = 2.0 * ball.radius * size / (6.0 * ball.radius * lam + 2.0 * size + 1e-300)
        return centre + step * gradient / (size + 1e-300)
    needed = torch.minimum(lam * (radius + length), 2.0 * lam * length)
    shares = gradient.abs() / (needed + 1e-300)
    # a flat coordinate does not move and asks for nothing
    share = torch.where(radius > 0.0, shares, math.inf).amin(-1, keepdim=True).clamp(max=1.0)
    return centre + torch.nan_to_num(share, nan=0.0) * radius * torch.sign(gradient)
