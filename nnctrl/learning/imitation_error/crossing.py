"""Where several active sets of a quadratic program meet and their rows are dependent together.

There no single feasible affine function is near the law (see `imitation_error.programs`), as where two parallel
constraints change places. First the law is enclosed: with u_A of any A, e = u_A - u*, and multipliers l* of the law,

    e'H e <= sum of (l_A)_i^- s*_i + sum of l*_k (s_A)_k^-.

A point z of positive slacks t bounds the multipliers: `l*' t <= J(z) - J(u*) <= (z - v)'H (z - v) / 2`, v the minimiser
without constraints. So |e|_H is at most the root r of `r^2 = a r + b`, which tends to 0 with the box. Then constraints
with s_A > r |G_i|_{H^-1} are inactive on the whole box, and the law is one of the few u_S(x) with S among the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from nnctrl._typing import FloatArray
from nnctrl.bounds.taylor_form import TaylorForm
from nnctrl.bounds.view import AffineView
from nnctrl.branching.meter import Meter
from nnctrl.learning.imitation_error.pieces import ActiveSet, Piece, Pieces, enclosed, exact
from nnctrl.sets.linear_program import minimise
from nnctrl.sets.rounding import dot_up, sum_up, widen_down, widen_up

MOST_UNDECIDED = 8
"""Constraints that may be active somewhere in a box: 2^8 sets of them."""


@dataclass(frozen=True, eq=False)
class _InnerPoint:
    """A point z whose slacks were at least `level` where it was made, and as functions of the state, enclosed: its
    slacks `room`, and both factors of (z - v)'(H z + F x + f) = (z - v)'H (z - v).
    """

    level: float
    room: AffineView
    away: AffineView
    pull: AffineView


class Crossings:
    """Encloses the law on boxes across several regions; inner points are remembered, as neighbours share them."""

    def __init__(self, pieces: Pieces, meter: Meter) -> None:
        self._pieces, self._meter = pieces, meter
        self._inner: dict[ActiveSet, _InnerPoint] = {}

    def find(self, form: TaylorForm, piece: Piece) -> tuple[Piece, Tensor, Tensor] | None:
        """For one box of states, `form` with batch 1: a piece, and ends [m] of what its u differs from the law by.

        Law = u of the returned piece + something in [low, high], wherever in the box there is a law. None where nothing
        was found. `piece` is one that is optimal near the centre.
        """
        radius = self._distance(form, piece)
        if radius is None:
            return None
        undecided = self._undecided(form, piece, radius)
        if len(undecided) > MOST_UNDECIDED:
            away = widen_up(self._pieces.spread * radius)
            return piece, -away, away
        possible = [candidate for candidate in self._candidates(undecided) if _may_hold(form, candidate)]
        if not possible:
            return None
        first = possible[0]
        low = high = torch.zeros(len(first.values), dtype=torch.float64)
        for other in possible[1:]:
            away = form.affine(enclosed(other.values - first.values))
            low, high = torch.minimum(low, away.lower[0]), torch.maximum(high, away.upper[0])
        return first, low, high

    def _candidates(self, undecided: ActiveSet) -> list[Piece]:
        """The pieces of all sets of these constraints whose rows are independent."""
        sets = [chosen for count in range(len(undecided) + 1) for chosen in combinations(undecided, count)]
        return [piece for piece in map(self._pieces.piece, sets) if piece is not None]

    def _distance(self, form: TaylorForm, piece: Piece) -> float | None:
        """Upper bound r of |u_A(x) - u*(x)|_H over the box; None if no point of positive slacks was found."""
        size = len(piece.values)
        image = form.affine(piece.affine)
        multipliers, slacks = image.lower[0, size:].split([len(piece.active), len(piece.others)])
        slope = dot_up((-multipliers).clamp(min=0.0), self._pieces.weights[list(piece.active)])
        violated = ~piece.certain & ~(slacks >= 0.0)
        constant = torch.zeros((), dtype=torch.float64)
        if bool(violated.any()):
            lacking = torch.tensor(piece.others)[violated]
            inner = self._inner_point(form, piece.active, lacking)
            if inner is None:
                return None
            energy = 0.5 * dot_up(_size(form.affine(inner.away)), _size(form.affine(inner.pull)))
            room = form.affine(inner.room).lower[0, lacking]
            constant = widen_up(sum_up(widen_up(widen_up(-slacks[violated] / room, 4.0) * energy, 4.0)))
        half = 0.5 * slope
        root = widen_up(half + torch.sqrt(widen_up(half * half + constant, 4.0)) * (1.0 + 1e-15), 4.0)
        return float(root) if bool(torch.isfinite(root)) else None

    def _undecided(self, form: TaylorForm, piece: Piece, radius: float) -> ActiveSet:
        """The constraints that may be active somewhere in the box."""
        slacks = form.affine(piece.affine).lower[0, len(piece.values) + len(piece.active) :]
        least = widen_down(slacks - widen_up(self._pieces.weights[list(piece.others)] * radius), 4.0)
        near = [i for i, room in zip(piece.others, least.tolist(), strict=True) if not room > 0.0]
        return tuple(sorted({*piece.active, *near}))

    def _inner_point(self, form: TaylorForm, active: ActiveSet, lacking: Tensor) -> _InnerPoint | None:
        """A point that is feasible for the whole box and has positive slacks in the constraints `lacking`."""
        known = self._inner.get(active)
        for inner in (known, None) if known is not None else (None,):
            candidate = inner or self._new_inner_point(form.centre[0].numpy())
            if candidate is not None:
                room = form.affine(candidate.room).lower[0]
                if bool((room >= 0.0).all()) and bool((room[lacking] > 0.5 * candidate.level).all()):
                    self._inner[active] = candidate
                    return candidate
        return None

    def _new_inner_point(self, x: FloatArray) -> _InnerPoint | None:
        """A point with slacks as large as possible, up to 1, at the state x; approximately."""
        self._meter.require()
        given = self._pieces.program
        count, rows = len(given.f), len(given.w)
        found = minimise(
            np.append(np.zeros(count), -1.0),
            np.column_stack([given.G, np.ones(rows)]),
            given.E @ x + given.w,
            bounds=np.array([[-np.inf, np.inf]] * count + [[-np.inf, 1.0]]),
        )
        if found.status != "optimal" or not found.x[-1] > 0.0:
            return None
        z = exact(found.x[:count])
        room, pull, away = (
            exact(np.column_stack([given.E, given.w])),
            exact(np.column_stack([given.F, given.f])),
            -self._pieces.free,
        )
        room[:, -1] -= exact(given.G) @ z
        pull[:, -1] += exact(given.H) @ z
        away[:, -1] += z
        return _InnerPoint(float(found.x[-1]), *(enclosed(part) for part in (room, away, pull)))


def _may_hold(form: TaylorForm, piece: Piece) -> bool:
    """Whether all multipliers and slacks may be nonnegative at one state of the box."""
    # nan, from an overflow, says nothing
    return not bool((form.affine(piece.affine).upper[0, len(piece.values) :] < 0.0).any())


def _size(form: TaylorForm) -> Tensor:
    """Upper bounds of the absolute values of a form's only vector."""
    return torch.maximum(form.upper[0], -form.lower[0])
