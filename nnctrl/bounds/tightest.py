"""The least of several bounds (the Hessian paper, eq. 26)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor

from nnctrl.bounds.ball import InputBall
from nnctrl.bounds.base import AbstractBound, AbstractLocalBound, UpperBound
from nnctrl.bounds.first_order import FirstOrderBound
from nnctrl.bounds.view import NetworkView
from nnctrl.bounds.zeroth_order import ZerothOrderBound
from nnctrl.errors import InputError


def _zeroth_and_first() -> tuple[AbstractBound, ...]:
    return ZerothOrderBound(), FirstOrderBound()


@dataclass(frozen=True)
class TightestOf(AbstractLocalBound):
    """Box by box the least of `bounds`, by default of the zeroth- and the first-order one with their constants.

    The slope and the blame are those of the bound that was least.
    """

    bounds: tuple[AbstractBound, ...] = field(default_factory=_zeroth_and_first)

    def __post_init__(self) -> None:
        if not self.bounds:
            raise InputError("the tightest of no bounds was asked for; give at least one")

    @property
    def name(self) -> str:
        """As it is registered."""
        return "tightest"

    def within(self, ball: InputBall) -> Self:
        """The least of the parts within `ball`."""
        return type(self)(tuple(bound.within(ball) for bound in self.bounds))

    def fact_count(self, view: NetworkView) -> int:
        """Those of all bounds."""
        return sum(self._counts(view))

    def _counts(self, view: NetworkView) -> list[int]:
        return [b.fact_count(view) if isinstance(b, AbstractLocalBound) else 0 for b in self.bounds]

    def local_facts(self, view: NetworkView, lower: Tensor, upper: Tensor, directions: Tensor) -> Tensor:
        """The facts of all bounds side by side."""
        local = [bound for bound in self.bounds if isinstance(bound, AbstractLocalBound)]
        parts = [bound.local_facts(view, lower, upper, directions) for bound in local]
        return torch.cat(parts, -1) if parts else lower.new_zeros(len(lower), 0)

    def upper_from(
        self, view: NetworkView, lower: Tensor, upper: Tensor, directions: Tensor, facts: Tensor
    ) -> UpperBound:
        """See `AbstractLocalBound.upper_from`; cost: the sum of all."""
        best: UpperBound | None = None
        for bound, own in zip(self.bounds, facts.split(self._counts(view), -1), strict=True):
            found = (
                bound.upper_from(view, lower, upper, directions, own)
                if isinstance(bound, AbstractLocalBound)
                else bound.upper(view, lower, upper, directions)
            )
            value = torch.nan_to_num(found.upper, nan=math.inf, posinf=math.inf)
            found = found._replace(upper=value)
            if best is None:
                best = found
                continue
            less = value < best.upper
            best = UpperBound(
                torch.minimum(value, best.upper),
                torch.where(less.unsqueeze(-1), found.slope, best.slope),
                torch.where(less.unsqueeze(-1), found.blame, best.blame),
            )
        if best is None:
            raise ValueError("no bound was evaluated")
        return best

    def objection(self, view: NetworkView) -> str | None:
        """The first of any part."""
        return next((why for why in (bound.objection(view) for bound in self.bounds) if why is not None), None)

    def bytes_per_pair(self, view: NetworkView) -> int:
        """That of the largest."""
        return max(bound.bytes_per_pair(view) for bound in self.bounds)
