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
from nnctrl.branching.meter import Meter
from nnctrl.errors import UnsupportedError
from nnctrl.sets.exact import fraction_near, fraction_up
from nnctrl.sets.rounding import grow_up
from nnctrl.systems.expert import QuadraticProgram

ActiveSet = tuple[int, ...]
"""Numbers of constraints, ascending."""

MOST_VARIABLES, MOST_CONSTRAINTS = 40, 200
"""Rational elimination of so many takes some seconds, and a second for every piece."""


@dataclass(frozen=True, eq=False)
class Piece:
    """What belongs to the set `active`: u, multipliers and slacks of the `others` as `exact` function of (x, 1), in
    rows of n + 1 numbers, and `affine`, the same enclosed; `values` [m, n + 1] are the rows of u, and `certain` tells
    of the others which ones have the same nonnegative slack for all x.
    """

    active: ActiveSet
    values: np.ndarray
    exact: np.ndarray
    affine: AffineView
    others: tuple[int, ...]
    certain: Tensor


class Pieces:
    """The pieces of a program, made when they are asked for and remembered.

    Attributes: `free` [N, n + 1]: the minimiser without constraints as exact function of (x, 1); `weights` [q]: upper
    bounds of |G_i|_{H^-1}; `spread` [m]: of (H^-1)_jj^(1/2). UnsupportedError for too many variables or constraints and
    for an H that is not positive definite; BudgetSpentError, here and in `piece`, where the time or memory of the meter
    is used up.
    """

    def __init__(self, program: QuadraticProgram, meter: Meter) -> None:
        if len(program.f) > MOST_VARIABLES or len(program.w) > MOST_CONSTRAINTS:
            raise UnsupportedError(
                f"the program of the law has {len(program.f)} variables and {len(program.w)} constraints; at most "
                f"{MOST_VARIABLES} and {MOST_CONSTRAINTS} can be bounded"
            )
        self.program = program
        self._meter = meter
        H, G = exact(program.H), exact(program.G)
        inverse = _solved(H, exact(np.eye(len(H))), meter)
        if inverse is None:
            raise UnsupportedError("the matrix H of the law's program is not positive definite; the law is not unique")
        # as functions of (x, 1): the minimiser without constraints, its slacks, and what multipliers change
        self.free = -inverse @ exact(np.column_stack([program.F, program.f]))
        self._free_slacks = exact(np.column_stack([program.E, program.w])) - G @ self.free
        self._steps = self._product(inverse[: program.outputs], G.T)
        self._coupling = self._product(self._product(G, inverse), G.T)
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
        multipliers = _solved(self._coupling[np.ix_(chosen, chosen)], -self._free_slacks[chosen], self._meter)
        if multipliers is None:
            return None
        values = self.free[: self.program.outputs] - self._product(self._steps[:, chosen], multipliers)
        slacks = self._free_slacks + self._product(self._coupling[:, chosen], multipliers)
        others = [i for i in range(len(slacks)) if i not in active]
        certain = [not any(slacks[i, :-1]) and slacks[i, -1] >= 0 for i in others]
        rows = np.concatenate([values, multipliers, slacks[others]])
        return Piece(active, values, rows, enclosed(rows), tuple(others), torch.tensor(certain, dtype=torch.bool))

    def entry(self, active: list[int], new: int) -> tuple[np.ndarray, Fraction]:
        """How the multipliers of the independent rows `active`, kept equalities, and the slack of the row `new` change
        for every unit of the multiplier of `new`; the latter is 0 if it depends on them.
        """
        rates = _solved(self._coupling[np.ix_(active, active)], -self._coupling[active, new, None], self._meter)
        if rates is None:
            raise ArithmeticError(f"the rows {active} of a program are not independent")
        return rates[:, 0], self._coupling[new, new] + self._coupling[new, active] @ rates[:, 0]

    def _product(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """The exact product of matrices of rational numbers, row by row, between which the meter is looked at."""
        product = np.empty((len(left), right.shape[1]), dtype=object)
        for k, row in enumerate(left):
            self._meter.require()
            product[k] = row @ right
        return product

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
    near = np.array([[fraction_near(entry) for entry in row] for row in rows]).reshape(rows.shape)
    away = np.array([[fraction_up(entry) for entry in row] for row in abs(rows - exact(near))]).reshape(rows.shape)
    return AffineView(*(tensor(part) for part in (near[:, :-1], near[:, -1], away[:, :-1], away[:, -1])))


def _solved(matrix: np.ndarray, right: np.ndarray, meter: Meter) -> np.ndarray | None:
    """The exact solution of a symmetric system of rational numbers; None unless the matrix is positive definite."""
    size = len(matrix)
    rows = np.concatenate([matrix, right], axis=1)
    for k in range(size):
        meter.require()
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
