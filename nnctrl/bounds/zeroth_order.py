"""Zeroth-order bounds: the value at the centre and a Lipschitz constant (the Hessian paper, section III-A)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Self

import torch
from torch import Tensor

from nnctrl.bounds.ball import InputBall
from nnctrl.bounds.base import AbstractLocalBound, UpperBound
from nnctrl.bounds.expansion import expand_at
from nnctrl.bounds.interval import midpoint_radius
from nnctrl.bounds.layered import LayeredView
from nnctrl.bounds.lipschitz import AbstractLipschitz, LipLT
from nnctrl.bounds.memory import bytes_of_layers
from nnctrl.bounds.norms import NORMS, vector_norm_up
from nnctrl.bounds.view import NetworkView
from nnctrl.errors import InputError
from nnctrl.sets.rounding import widen_up


@dataclass(frozen=True)
class ZerothOrderBound(AbstractLocalBound):
    """`f(c) + L |r|_p` with a local p-Lipschitz constant L (eq. 9); all activations, gap of first order.

    `scaled`: L is taken in the coordinates in which the box that the facts belong to is the unit cube, which is better
    for boxes with very different edges. `ball`: the input set is the intersection of the boxes with it.
    """

    lipschitz: AbstractLipschitz = field(default_factory=LipLT)
    norm: float = 2.0
    scaled: bool = False
    ball: InputBall | None = None

    def __post_init__(self) -> None:
        if self.norm not in NORMS:
            raise InputError(f"the zeroth-order bound takes the norms 1, 2 and inf, not {self.norm:g}")

    def within(self, ball: InputBall) -> Self:
        """The same bound for the intersection of boxes with `ball`."""
        return replace(self, ball=ball)

    def fact_count(self, view: NetworkView) -> int:
        """The constant and a scale per input."""
        return 1 + view.in_size

    def local_facts(self, view: NetworkView, lower: Tensor, upper: Tensor, directions: Tensor) -> Tensor:
        """The constant, then the scale of every input, [batch, 1 + n]; cost: that of the Lipschitz constants."""
        net = LayeredView.of(view)
        _, radius = midpoint_radius(lower, upper)
        # a flat coordinate contributes nothing whatever its scale
        scale = torch.where(radius > 0.0, radius, 1.0) if self.scaled else torch.ones_like(radius)
        ranges = net.ranges(lower, upper)
        constants = self.lipschitz.constants(net, ranges, directions, self.norm, scale if self.scaled else None)
        return torch.cat([constants.output.unsqueeze(-1), scale], -1)

    def upper_from(
        self, view: NetworkView, lower: Tensor, upper: Tensor, directions: Tensor, facts: Tensor
    ) -> UpperBound:
        """See `AbstractLocalBound.upper_from`; cost: the expansion at the centre (its gradient serves the search)."""
        constant, scale = facts[:, 0], facts[:, 1:]
        centre, radius = midpoint_radius(lower, upper)
        found = expand_at(LayeredView.of(view), centre, directions)
        reach = vector_norm_up(widen_up(radius / scale), self.norm)
        if self.ball is not None and not self.scaled:
            reach = torch.minimum(reach, self.ball.distance_up(centre, self.norm))
        # a point has no reach, whatever the constant
        change = torch.where(reach > 0.0, widen_up(constant * reach), 0.0)
        value = widen_up(found.value_high + change)
        return UpperBound(
            torch.where(torch.isfinite(constant) | (reach == 0.0), value, math.inf),
            (found.gradient * radius).detach(),
            radius.detach(),
        )

    def bytes_per_pair(self, view: NetworkView) -> int:
        """Vectors of the layers for the expansion, and matrices for the constants."""
        return bytes_of_layers(view)
