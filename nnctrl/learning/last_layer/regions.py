"""Pairs stacked for computation: input sets and inequalities as tensors, pairs of one kind together.

Floating point throughout. What is computed with these proposes weights and multipliers; the proof is made elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from nnctrl._typing import FloatArray
from nnctrl.learning.lmi.conditions import Pair
from nnctrl.learning.lmi.input_set import InputSet
from nnctrl.learning.lmi.specification import Specification
from nnctrl.learning.lmi.start import deepest_outputs
from nnctrl.sets.polytope import Polytope

SHALLOW = 1e-6
"""Inequalities that reach less than this share of their largest entry below 0 are measured by that entry instead."""


@dataclass(frozen=True, eq=False)
class Inequality:
    """Inequality `index` of pair `pair`; `region` is its pair's place in the group. `unit`: how far below 0 it can be
    brought at the middle of the input set, which is what violations are measured in: 1 for `|C y + d| <= 1`.
    """

    pair: int
    index: int
    region: int
    unit: float


@dataclass(frozen=True, eq=False)
class Regions:
    """P input sets of equally many coefficients q and constraints J, and the I inequalities that are wanted on them.

    `point` [P, n, q + 1] and `constraints` [P, J, q + 1, q + 1] as in `InputSet`. All (xi, 1) of a set are among
    `hull` [P, q + 1, g + 1] times (a unit ball or cube, 1). `forms` [I, n + m + 1, n + m + 1] are the matrices S_i
    divided by their units. `sources` are the sets themselves where xi is x (polytopes), none otherwise.
    """

    inequalities: tuple[Inequality, ...]
    point: Tensor
    constraints: Tensor
    hull: Tensor
    is_round: bool
    forms: Tensor
    sources: tuple[Polytope, ...]

    @property
    def coefficients(self) -> int:
        """Number q of coordinates of xi."""
        return int(self.point.shape[2]) - 1

    @property
    def owners(self) -> list[int]:
        """For every inequality the place of its input set."""
        return [one.region for one in self.inequalities]

    @property
    def centre(self) -> Tensor:
        """The middles [P, n] of the sets."""
        return (self.point @ self.hull)[..., -1]

    @property
    def spread(self) -> Tensor:
        """The sets lie in their middles + `spread` [P, n, g] times a unit ball or cube."""
        return (self.point @ self.hull)[..., :-1]

    def range_of(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """The least and greatest values [P, k] of `W x`, W [k, n], on every set; differentiable."""
        if not self.sources:
            middle, sides = self.centre @ weight.T, weight @ self.spread
            reach = torch.linalg.vector_norm(sides, dim=2) if self.is_round else abs(sides).sum(dim=2)
            return middle - reach, middle + reach
        rows = weight @ self.point
        ends = []
        for sign in (-1.0, 1.0):
            directions = sign * rows[..., :-1].detach().numpy()
            found = [one.support_vector(part) for one, part in zip(self.sources, directions, strict=True)]
            # the point where the greatest value is taken does not move to the first order
            ends.append((rows[..., :-1] * torch.tensor(np.stack(found))).sum(dim=2) + rows[..., -1])
        return ends[0], ends[1]

    def shrunk(self, size: float) -> Regions:
        """The same inequalities on the sets shrunk about their middles to `size` times their extent."""
        last = size * self.point[..., -1] + (1.0 - size) * self.centre
        return replace(self, point=torch.cat([size * self.point[..., :-1], last[..., None]], dim=2))

    @staticmethod
    def of(pairs: Sequence[Pair]) -> list[Regions]:
        """All pairs, in groups whose tensors have one shape."""
        groups: dict[tuple[int, int, bool, bool], list[int]] = {}
        for number, pair in enumerate(pairs):
            kind = (pair.inputs.coefficients, len(pair.inputs.forms), pair.inputs.is_round, pair.inputs.is_implicit)
            groups.setdefault(kind, []).append(number)
        return [_stacked(pairs, members, is_round) for (_, _, is_round, _), members in groups.items()]


def middle_of(inputs: InputSet) -> FloatArray:
    """The middle [n] of the set: its centre, or that of its bounding box where it has no coefficients."""
    middle: FloatArray = inputs.point.middle @ _hull(inputs)[:, -1]
    return middle


def _hull(inputs: InputSet) -> FloatArray:
    hull = np.eye(inputs.coefficients + 1)
    if inputs.is_implicit:
        box = inputs.source.bounding_box()
        hull[:-1, :-1], hull[:-1, -1] = np.diag(box.radius), box.centre
    return hull


def _stacked(pairs: Sequence[Pair], members: list[int], is_round: bool) -> Regions:
    chosen = [pairs[number] for number in members]
    inequalities, forms = [], []
    for region, (number, pair) in enumerate(zip(members, chosen, strict=True)):
        for index, form in enumerate(pair.specification.forms):
            unit = _unit(pair, index)
            inequalities.append(Inequality(number, index, region, unit))
            forms.append(form.middle / unit)
    return Regions(
        tuple(inequalities),
        torch.tensor(np.stack([pair.inputs.point.middle for pair in chosen])),
        torch.tensor(np.stack([[form.middle for form in pair.inputs.forms] for pair in chosen])),
        torch.tensor(np.stack([_hull(pair.inputs) for pair in chosen])),
        is_round,
        torch.tensor(np.stack(forms)),
        tuple(pair.inputs.source for pair in chosen if isinstance(pair.inputs.source, Polytope)),
    )


def _unit(pair: Pair, index: int) -> float:
    form = pair.specification.forms[index]
    alone = Specification((form,), pair.specification.in_size)
    x = middle_of(pair.inputs)
    depth = -float(alone.values(x, deepest_outputs(alone, x))[0])
    largest = float(abs(form.middle).max())
    return depth if depth > SHALLOW * largest else max(largest, float(np.finfo(float).tiny))
