"""Where to cut a box: splitting rules as types.

A rule scores the coordinates of every box; the one with the highest score is cut. Neighbouring parts share a face, so
they cover the box exactly in floating point.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from nnctrl.bounds.base import UpperBound
from nnctrl.errors import InputError

NOTICEABLE = 0.02
"""Share of the best part's gain that the worst part must have for a look-ahead to count."""

LookAhead = Callable[[Tensor, Tensor], Tensor]
"""Upper bounds of parts [pieces * batch, n] of the boxes at hand, in the order of `cut`."""


class AbstractSplitting(ABC):
    """Scores the coordinates of boxes for splitting."""

    @abstractmethod
    def scores(self, lower: Tensor, upper: Tensor, bound: UpperBound, pieces: int, look_ahead: LookAhead) -> Tensor:
        """Nonnegative scores [batch, n] for boxes [lower, upper] with their `bound`; the largest is split into
        `pieces`. `look_ahead` bounds parts: it costs as much as splitting does.
        """

    def axis(self, lower: Tensor, upper: Tensor, bound: UpperBound, pieces: int, look_ahead: LookAhead) -> Tensor:
        """The coordinate to cut, [batch]; never one that has no float inside, unless there is none."""
        raw = self.scores(lower, upper, bound, pieces, look_ahead)
        scores = torch.nan_to_num(raw, nan=0.0, posinf=1e300)
        # where every score is zero the widest edge decides
        tie = torch.where(scores.amax(-1, keepdim=True) > 0.0, scores, upper - lower)
        return torch.where(splittable(lower, upper), tie, -torch.ones_like(tie)).argmax(-1)


@dataclass(frozen=True)
class LongestEdge(AbstractSplitting):
    """The widest coordinate (the paper's 'Max Length')."""

    def scores(self, lower: Tensor, upper: Tensor, bound: UpperBound, pieces: int, look_ahead: LookAhead) -> Tensor:
        """Edge lengths."""
        return upper - lower


@dataclass(frozen=True)
class SensitivitySplit(AbstractSplitting):
    """The coordinate along which the output changes most: edge length weighted by the gradient at the centre."""

    def scores(self, lower: Tensor, upper: Tensor, bound: UpperBound, pieces: int, look_ahead: LookAhead) -> Tensor:
        """Linear variation of the output over the edge."""
        return bound.slope.abs()


@dataclass(frozen=True)
class BlameSplit(AbstractSplitting):
    """The coordinate that causes most of the bound's gap, as the bound itself attributes it."""

    def scores(self, lower: Tensor, upper: Tensor, bound: UpperBound, pieces: int, look_ahead: LookAhead) -> Tensor:
        """The bound's attribution."""
        return bound.blame


@dataclass(frozen=True)
class BestBoundSplit(AbstractSplitting):
    """The coordinate whose parts have the least largest bound (the paper's 'Best UB', eq. 29).

    Every coordinate is tried, so a split costs n times as many bounds as with the other rules.
    """

    def scores(self, lower: Tensor, upper: Tensor, bound: UpperBound, pieces: int, look_ahead: LookAhead) -> Tensor:
        """How much the largest bound of the parts is below the box's; the edges decide where no cut gains noticeably.

        A bound that has not begun to improve (saturated neurons) would otherwise cut one coordinate for ever, by gains
        that are rounding.
        """
        gains, spreads = [], []
        for axis in range(lower.shape[-1]):
            parts = cut(lower, upper, torch.full((len(lower),), axis), pieces)
            found = torch.fmin(look_ahead(*parts).view(pieces, -1), bound.upper)
            gains.append(bound.upper - found.amax(0))
            spreads.append(bound.upper - found.amin(0))
        gain, spread = (torch.nan_to_num(torch.stack(part, -1), nan=0.0) for part in (gains, spreads))
        return torch.where(gain.amax(-1, keepdim=True) > NOTICEABLE * spread.amax(-1, keepdim=True), gain, 0.0)


SPLITTING: dict[str, AbstractSplitting] = {
    "blame": BlameSplit(),
    "longest-edge": LongestEdge(),
    "sensitivity": SensitivitySplit(),
    "best-bound": BestBoundSplit(),
}
"""The rules by the names that settings use."""


@dataclass(frozen=True)
class Branching:
    """How a search refines: which coordinate is cut, into how many equal parts, and how often local facts are renewed.

    `refresh`: facts of an `AbstractLocalBound` are computed anew every that many levels below the root, 1 for every
    box; 0: only at the root.
    """

    splitting: AbstractSplitting = field(default_factory=BlameSplit)
    pieces: int = 2
    refresh: int = 1

    def __post_init__(self) -> None:
        if self.pieces < 2 or self.refresh < 0:
            raise InputError(
                f"boxes were to be cut into {self.pieces} parts with facts renewed every {self.refresh} levels; give "
                "at least 2 parts and 0 (root only) or more levels"
            )


def midpoints(lower: Tensor, upper: Tensor) -> Tensor:
    """Floats in [lower, upper], near the middle, without overflow."""
    return torch.minimum(torch.maximum(0.5 * lower + 0.5 * upper, lower), upper)


def splittable(lower: Tensor, upper: Tensor) -> Tensor:
    """Which coordinates of boxes have a float strictly inside, [batch, n]."""
    middle = midpoints(lower, upper)
    return (lower < middle) & (middle < upper)


def halve(lower: Tensor, upper: Tensor, axis: Tensor) -> tuple[Tensor, Tensor]:
    """Both halves of every box along `axis` [batch]: lower and upper corners [2 batch, n], first halves first."""
    return cut(lower, upper, axis, 2)


def cut(lower: Tensor, upper: Tensor, axis: Tensor, pieces: int) -> tuple[Tensor, Tensor]:
    """`pieces` nearly equal parts of every box along `axis` [batch]: corners [pieces batch, n], first parts first.

    Neighbours share their face exactly, so the parts cover the box in floating point.
    """
    index = axis.unsqueeze(-1)
    low, high = lower.gather(-1, index), upper.gather(-1, index)
    faces = [low]
    for k in range(1, pieces):
        face = midpoints(low, high) if 2 * k == pieces else (1.0 - k / pieces) * low + (k / pieces) * high
        faces.append(torch.minimum(torch.maximum(face, faces[-1]), high))
    faces.append(high)
    return (
        torch.cat([lower.scatter(-1, index, face) for face in faces[:-1]]),
        torch.cat([upper.scatter(-1, index, face) for face in faces[1:]]),
    )
