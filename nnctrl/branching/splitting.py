"""Where to cut a box: splitting rules as types.

A rule scores the coordinates of every box; the one with the highest score is halved. The two halves share the middle,
so they cover the box exactly in floating point.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from nnctrl.bounds.base import UpperBound


class AbstractSplitting(ABC):
    """Scores the coordinates of boxes for splitting."""

    @abstractmethod
    def scores(self, lower: Tensor, upper: Tensor, bound: UpperBound) -> Tensor:
        """Nonnegative scores [batch, n] for boxes [lower, upper] with their `bound`; the largest is split."""

    def axis(self, lower: Tensor, upper: Tensor, bound: UpperBound) -> Tensor:
        """The coordinate to halve, [batch]; never one that has no float inside, unless there is none."""
        scores = torch.nan_to_num(self.scores(lower, upper, bound), nan=0.0, posinf=1e300)
        # where every score is zero the widest edge decides
        tie = torch.where(scores.amax(-1, keepdim=True) > 0.0, scores, upper - lower)
        return torch.where(splittable(lower, upper), tie, -torch.ones_like(tie)).argmax(-1)


@dataclass(frozen=True)
class LongestEdge(AbstractSplitting):
    """The widest coordinate (the paper's 'Max Length')."""

    def scores(self, lower: Tensor, upper: Tensor, bound: UpperBound) -> Tensor:
        """Edge lengths."""
        return upper - lower


@dataclass(frozen=True)
class SensitivitySplit(AbstractSplitting):
    """The coordinate along which the output changes most: edge length weighted by the gradient at the centre."""

    def scores(self, lower: Tensor, upper: Tensor, bound: UpperBound) -> Tensor:
        """Linear variation of the output over the edge."""
        return bound.slope.abs()


@dataclass(frozen=True)
class BlameSplit(AbstractSplitting):
    """The coordinate that causes most of the bound's gap, as the bound itself attributes it."""

    def scores(self, lower: Tensor, upper: Tensor, bound: UpperBound) -> Tensor:
        """The bound's attribution."""
        return bound.blame


def midpoints(lower: Tensor, upper: Tensor) -> Tensor:
    """Floats in [lower, upper], near the middle, without overflow."""
    return torch.minimum(torch.maximum(0.5 * lower + 0.5 * upper, lower), upper)


def splittable(lower: Tensor, upper: Tensor) -> Tensor:
    """Which coordinates of boxes have a float strictly inside, [batch, n]."""
    middle = midpoints(lower, upper)
    return (lower < middle) & (middle < upper)


def halve(lower: Tensor, upper: Tensor, axis: Tensor) -> tuple[Tensor, Tensor]:
    """Both halves of every box along `axis` [batch]: lower and upper corners [2 batch, n], first halves first."""
    index = axis.unsqueeze(-1)
    middle = midpoints(lower, upper).gather(-1, index)
    return torch.cat([lower, lower.scatter(-1, index, middle)]), torch.cat([upper.scatter(-1, index, middle), upper])
