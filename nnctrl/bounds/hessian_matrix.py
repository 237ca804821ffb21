"""First-order bound with matrices around the Hessian, for two-layer networks (the Hessian paper, V-A and X-B)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, Self

import torch
from torch import Tensor

from nnctrl.bounds.ball import InputBall
from nnctrl.bounds.base import AbstractLocalBound, UpperBound
from nnctrl.bounds.expansion import Expansion, expand_at
from nnctrl.bounds.hessian import curvature_weights
from nnctrl.bounds.interval import midpoint_radius
from nnctrl.bounds.layered import LayeredView, curvature_objection
from nnctrl.bounds.memory import bytes_of_layers
from nnctrl.bounds.norms import frobenius_up
from nnctrl.bounds.quadratic import (
    MAX_VERTEX_DIMENSION,
    Dual,
    congruence_enclosure,
    cross_vertices,
    cube_vertices,
    over_ball_up,
    over_cube_up,
    over_vertices_up,
)
from nnctrl.bounds.view import NetworkView
from nnctrl.sets.rounding import TINY, UNIT_ROUNDOFF, dot_up, widen_up


@dataclass(frozen=True)
class HessianMatrixBound(AbstractLocalBound):
    """`f(c) + max g'v + v'Mv/2` with M above the Hessian on the box, known entry by entry; two layers only.

    `maximum`: "dual", by Lagrange duality over the ball around the box in its own scale, its variable by bisection;
    "sdp", the same with the variable of the appendix's semidefinite program; "vertices", at the corners of
    the box with a positive semidefinite M (Proposition 6; at most 10 inputs); "least" of both. A `ball` of the 2-norm
    is treated exactly by duality, one of the 1-norm at its vertices.
    """

    maximum: Literal["dual", "sdp", "vertices", "least"] = "dual"
    ball: InputBall | None = None

    def within(self, ball: InputBall) -> Self:
        """The same bound for the intersection of boxes with `ball`."""
        return replace(self, ball=ball)

    def fact_count(self, view: NetworkView) -> int:
        """One for every hidden neuron."""
        return LayeredView.of(view).activations[0].size

    def local_facts(self, view: NetworkView, lower: Tensor, upper: Tensor, directions: Tensor) -> Tensor:
        """Upper ends of `(d' W^1)_i phi''(z_i)` per neuron, [batch, width]; cost: one layer of interval propagation."""
        net = self._net(view)
        return curvature_weights(net, net.ranges(lower, upper), directions)[1]

    def upper_from(
        self, view: NetworkView, lower: Tensor, upper: Tensor, directions: Tensor, facts: Tensor
    ) -> UpperBound:
        """See `AbstractLocalBound.upper_from`; cost: one expansion, one eigendecomposition of size n."""
        net = self._net(view)
        centre, radius = midpoint_radius(lower, upper)
        found = expand_at(net, centre, directions)
        growth = self._maximum(net, found, radius, facts, math.inf)
        value = widen_up(found.value_high + growth)
        if self.ball is not None:
            # seen from the point of the box nearest to its centre the ball is one of a larger radius
            point = torch.minimum(torch.maximum(self.ball.centre.expand_as(centre), lower), upper)
            reach = self.ball.distance_up(point, self.ball.p).unsqueeze(-1).expand_as(radius)
            about = expand_at(net, point, directions)
            around = self._maximum(net, about, reach, facts, self.ball.p)
            value = torch.fmin(value, widen_up(about.value_high + around))
        return UpperBound(
            torch.where(torch.isfinite(value), value, math.inf),
            (found.gradient * radius).detach(),
            (radius * radius).detach(),
        )

    def _maximum(self, net: LayeredView, found: Expansion, scale: Tensor, facts: Tensor, p: float) -> Tensor:
        """Upper bound of `g'v + v'Mv/2` over |v / scale|_p <= 1."""
        matrix, error = _scaled_hessian(net, scale, facts)
        gradient = found.gradient * scale
        size = gradient.shape[-1]
        dual: Dual = "sdp" if self.maximum == "sdp" else "bisection"
        if p == 2.0:
            growth = over_ball_up(gradient, matrix, error, 1.0, dual)
        elif p == 1.0:
            growth = over_vertices_up(gradient, matrix, error, cross_vertices(size))
        elif self.maximum in ("dual", "sdp"):
            growth = over_cube_up(gradient, matrix, error, dual)
        else:
            growth = over_vertices_up(gradient, matrix, error, cube_vertices(size))
            if self.maximum == "least":
                growth = torch.fmin(growth, over_cube_up(gradient, matrix, error))
        # what the scaled gradient is not: its own error and the rounding of the product
        loss = dot_up(found.gradient_error + 2.0 * UNIT_ROUNDOFF * found.gradient.abs(), scale) + TINY
        return widen_up(growth + loss)

    def _net(self, view: NetworkView) -> LayeredView:
        self.require(view)
        return LayeredView.of(view)

    def objection(self, view: NetworkView) -> str | None:
        """Activations with kinks, other depths than one hidden layer, too many inputs for vertices."""
        depth = LayeredView.of(view).depth
        if depth != 1:
            return f"the bound 'hessian-matrix' is for networks with one hidden layer, not {depth}; use first-order"
        if self.maximum in ("vertices", "least") and view.in_size > MAX_VERTEX_DIMENSION:
            return (
                f"the bound 'hessian-matrix' enumerates vertices of at most {MAX_VERTEX_DIMENSION} inputs, not of "
                f"{view.in_size}; use maximum=dual"
            )
        return curvature_objection(view, "hessian-matrix")

    def bytes_per_pair(self, view: NetworkView) -> int:
        """Vectors of the layers, and some matrices of the size of the input."""
        return bytes_of_layers(view) + 8 * 12 * view.in_size**2


def _scaled_hessian(net: LayeredView, scale: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """`diag(scale) W^0' diag(weights) W^0 diag(scale)` [batch, n, n] and a bound of its distance from the real one."""
    first = net.affines[0]
    rows = first.weight * scale.unsqueeze(-2)
    matrix, error = congruence_enclosure(rows, weights)
    with torch.no_grad():
        # the rows are rounded and W^0 may have radii: (B + D)'H(B + D) differs by at most |h| (2 |B| |D| + |D|^2)
        spread = (2.0 * UNIT_ROUNDOFF) * rows.abs() + TINY
        if first.weight_radius is not None:
            spread = spread + first.weight_radius * scale.unsqueeze(-2)
        size, off = frobenius_up(rows), frobenius_up(spread)
        error = widen_up(error + weights.abs().amax(-1) * off * (2.0 * size + off), 16.0)
    return matrix, error
