"""The affine pieces of the minimiser of a convex quadratic program, in rational arithmetic.

For a set A of constraints with independent rows, `(u_A, l_A)(x)` are the minimiser and the multipliers of the program
with exactly these constraints, as equalities, and s_A(x) are the slacks of the others: affine functions of x. Where all
l_A and s_A are nonnegative u_A is the law (Karush, Kuhn, Tucker), and wherever the law has an input it is that of such
an A: of the active constraints some with independent rows carry all of the multipliers (Caratheodory).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from nnctrl._typing import FloatArray
from nnctrl.bounds.view import AffineView, tensor
from nnctrl.errors import UnsupportedError
from nnctrl.sets.exact import fraction_near, fraction_up
from nnctrl.sets.rounding import grow_up
from nnctrl.systems.expert import QuadraticProgram

ActiveSet = tuple[int, ...]
"""Numbers of constraints, ascending."""

MOST_VARIABLES = 100
"""Rational elimination of so many variables takes a minute."""


@dataclass(frozen=True, eq=False)
class Piece:
    """What belongs to the set `active`: `affine`, x -> (u, multipliers, slacks of the `others`), enclosed, and `values`
    [m, n + 1], u as exact function of (x, 1); `certain` tells of the others which ones have the same nonnegative slack
    for all x.
    """

    active: ActiveSet
    values: np.ndarray
    affine: AffineView
    others: tuple[int, ...]
    certain: Tensor


class Pieces:
    """The pieces of a program, made when they are asked for and remembered.

    Attributes: `free` [N, n + 1]: the minimiser without constraints as exact function of (x, 1); `weights` [q]: upper
    bounds of |G_i|_{H^-1}; `spread` [m]: of (H^-1)_jj^(1/2). UnsupportedError for too many variables and for an H that
    is not positive definite.
    """

    def __init__(self, program: QuadraticProgram) -> None:
        if len(program.f) > MOST_VARIABLES:
            raise UnsupportedError(
                f"the program of the law has {len(program.f)} variables; at most {MOST_VARIABLES} can be bounded"
            )
        self.program = program
        H, G = exact(program.H), exact(program.G)
        inverse = _solved(H, exact(np.eye(len(H))))
        if inverse is None:
            raise UnsupportedError("the matrix H of the law's program is not positive definite; the law is not unique")
        # as functions of (x, 1): the minimiser without constraints, its slacks, and what multipliers change
        self.free = -inverse @ exact(np.column_stack([program.F, program.f]))
        self._free_slacks = exact(np.column_stack([program.E, program.w])) - G @ self.free
        self._steps = inverse[: program.outputs] @ G.T
        self._coupling = G @ inverse @ G.T
        self.weights = _roots_up(self._coupling)
        self.spread = _roots_up(inverse)[: program.outputs]
        self._pieces: dict[ActiveSet, Piece | None] = {}

    def piece(self, active: ActiveSet) -> Piece | None:
        """What belongs to a set of constraints, None if their rows are dependent."""
        if active not in self._pieces:
            self._pieces[active] = self._piece(active)
        return self._pieces[active]

    def _piece(self, active: ActiveSet) -> Piece | None:
        chosen = list(active)
        multipliers = _solved(self._coupling[np.ix_(chosen, chosen)], -self._free_slacks[chosen])
        if multipliers is None:
            return None
        values = self.free[: self.program.outputs] - self._steps[:, chosen] @ multipliers
        slacks = self._free_slacks + self._coupling[:, chosen] @ multipliers
        others = [i for i in range(len(slacks)) if i not in active]
        certain = [not any(slacks[i, :-1]) and slacks[i, -1] >= 0 for i in others]
        affine = enclosed(np.concatenate([values, multipliers, slacks[others]]))
        return Piece(active, values, affine, tuple(others), torch.tensor(certain, dtype=torch.bool))

    def limits(self) -> tuple[FloatArray, FloatArray]:
        """Lower and upper limits [m] that single constraints put on the inputs, whatever the state."""
        given, m = self.program, self.program.outputs
        low, high = np.full(m, -np.inf), np.full(m, np.inf)
        for row, move, limit in zip(given.G, given.E, given.w, strict=True):
            used = np.flatnonzero(row)
            if len(used) == 1 and used[0] < m and not move.any():
                bound = Fraction(float(limit)) / Fraction(float(row[used[0]]))
                if row[used[0]] > 0.0:
                    high[used[0]] = min(high[used[0]], fraction_up(bound))
                else:
                    low[used[0]] = max(low[used[0]], -fraction_up(-bound))
        return low, high


def exact(array: FloatArray) -> np.ndarray:
    """The doubles as rational numbers, of the same shape."""
    exact = np.empty(array.shape, dtype=object)
    for place in np.ndindex(array.shape):
        exact[place] = Fraction(float(array[place]))
    return exact


def enclosed(rows: np.ndarray) -> AffineView:
    """The affine map whose rational rows are [slopes, constant]: nearest doubles with radii."""
    near = np.array([[fraction_near(entry) for entry in row] for row in rows])
    away = np.array([[fraction_up(entry) for entry in row] for row in abs(rows - exact(near))])
    return AffineView(*(tensor(part) for part in (near[:, :-1], near[:, -1], away[:, :-1], away[:, -1])))


def _solved(matrix: np.ndarray, right: np.ndarray) -> np.ndarray | None:
    """The exact solution of a symmetric system of rational numbers; None unless the matrix is positive definite."""
    size = len(matrix)
    rows = np.concatenate([matrix, right], axis=1)
    for k in range(size):
        # without exchanges all pivots are positive if and only if the matrix is positive definite
        if not rows[k, k] > 0:
            return None
        rows[k] = rows[k] / rows[k, k]
        for i in range(size):
            if i != k and rows[i, k]:
                rows[i] = rows[i] - rows[i, k] * rows[k]
    return rows[:, size:]


def _roots_up(matrix: np.ndarray) -> Tensor:
    """At least the square roots of the diagonal of a positive semidefinite matrix of rational numbers."""
    roots = [math.sqrt(fraction_up(matrix[k, k])) for k in range(len(matrix))]
    return tensor(np.asarray(grow_up(np.array(roots), 2)))
