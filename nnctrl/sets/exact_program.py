"""Linear programs in exact arithmetic, for what HiGHS and its tolerances must leave open.

`max d'x, A x <= b` is solved through its dual `min b'y, A'y = d, y >= 0` by the simplex method in two phases (Bland's
rule, so it ends), on a tableau of integers with one common denominator (Edmonds 1967; Bareiss 1968): every entry is a
minor of the data, so that the divisions are exact and the numbers stay as short as they can. Multipliers y prove the
maximum by themselves, whatever became of the rest.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

MAX_UPDATES = 400_000
"""Entries of the tableau that are rewritten before a program is given up as too large: half a second at most."""

Integers = NDArray[Any]
"""Python integers in an array."""


@dataclass(frozen=True, eq=False)
class ExactSolution:
    """The maximiser x [n] and multipliers y [k] of an "optimal" program, in real arithmetic.

    "unbounded": no y >= 0 with A'y = d exists, so d'x has no maximum or the inequalities no solution. "infeasible": the
    inequalities have no solution. "failed": too large.
    """

    status: Literal["optimal", "unbounded", "infeasible", "failed"]
    x: tuple[Fraction, ...] = ()
    multipliers: tuple[Fraction, ...] = ()


class _TooLargeError(Exception):
    """The program has used up its updates."""


def maximise_exactly(
    objective: Sequence[Fraction],
    rows: Sequence[Sequence[Fraction]],
    limits: Sequence[Fraction],
    likely: Iterable[int] = (),
    updates: int = MAX_UPDATES,
) -> ExactSolution:
    """max objective'x subject to rows x <= limits; sizes [n], [k, n], [k].

    Rows of `likely`, such as those active in a floating-point solution, are tried first. Cost: about n + k pivots of
    (n + 2) (n + k) integer products each, far fewer where `likely` is right; at most `updates` of them.
    """
    scaled = [_integers([*row, limit]) for row, limit in zip(rows, limits, strict=True)]
    goal, goal_factor = _integers(objective)
    signs = [-1 if entry < 0 else 1 for entry in goal]
    tableau = _Tableau(scaled, goal, signs, likely, updates)
    try:
        status = tableau.minimise()
    except _TooLargeError:
        return ExactSolution("failed")
    if status != "optimal":
        return ExactSolution(status)
    factors = [factor for _, factor in scaled]
    multipliers = [y * factor / goal_factor for y, factor in zip(tableau.values(), factors, strict=True)]
    x = [sign * price for sign, price in zip(signs, tableau.prices(), strict=True)]
    return ExactSolution("optimal", tuple(x), tuple(multipliers))


def _integers(values: Sequence[Fraction]) -> tuple[list[int], Fraction]:
    """The shortest integers proportional to `values`, and the positive factor between them."""
    denominator = math.lcm(*(value.denominator for value in values))
    whole = [int(value * denominator) for value in values]
    common = math.gcd(*whole) or 1
    return [entry // common for entry in whole], Fraction(denominator, common)


class _Tableau:
    """Equations A'y = d with an artificial variable each; below them the costs of both phases, reduced.

    Columns: k variables, n artificial ones, the right-hand side. Entries are to be divided by `denominator` > 0.
    """

    def __init__(
        self,
        rows: list[tuple[list[int], Fraction]],
        goal: list[int],
        signs: list[int],
        likely: Iterable[int],
        updates: int,
    ) -> None:
        n, k = len(goal), len(rows)
        self.count = k
        self.entries: Integers = np.zeros((n + 2, k + n + 1), dtype=object)
        for i, (row, _) in enumerate(rows):
            self.entries[:n, i] = [sign * entry for sign, entry in zip(signs, row[:n], strict=True)]
            self.entries[n, i] = row[n]
        self.entries[np.arange(n), k + np.arange(n)] = 1
        self.entries[:n, -1] = [abs(entry) for entry in goal]
        # the first phase minimises the sum of the artificial variables
        self.entries[n + 1] = -self.entries[:n].sum(axis=0)
        self.entries[n + 1, k:-1] = 0
        self.denominator = 1
        self.basis = [k + j for j in range(n)]
        first = list(dict.fromkeys(likely))
        self.order = [*first, *(i for i in range(k) if i not in set(first))]
        # artificial variables leave before others, and never enter
        self.rank = {column: place for place, column in enumerate([*range(k, k + n), *self.order])}
        self.updates_left = updates

    def minimise(self) -> Literal["optimal", "unbounded", "infeasible"]:
        """Run both phases; "unbounded" and "infeasible" are meant of the program that this one is the dual of."""
        n = len(self.basis)
        self._descend(n + 1)
        if self.entries[n + 1, -1] != 0:
            return "unbounded"
        self._drop_artificial_variables()
        return "optimal" if self._descend(n) else "infeasible"

    def values(self) -> list[Fraction]:
        """The variables y [k]."""
        values = [Fraction(0)] * self.count
        for row, column in enumerate(self.basis):
            if column < self.count:
                values[column] = Fraction(self.entries[row, -1], self.denominator)
        return values

    def prices(self) -> list[Fraction]:
        """What the minimum gains by each equation [n]."""
        n = len(self.basis)
        return [Fraction(-entry, self.denominator) for entry in self.entries[n, self.count : -1]]

    def _descend(self, cost: int) -> bool:
        """Pivot until the costs of row `cost` are all >= 0; False if they fall without end."""
        n = len(self.basis)
        # the first phase is over when its cost is 0
        while cost == n or self.entries[cost, -1] != 0:
            entering = next((column for column in self.order if self.entries[cost, column] < 0), None)
            if entering is None:
                return True
            rising = [row for row in range(n) if self.entries[row, entering] > 0]
            if not rising:
                return False
            leaving = min(
                rising,
                key=lambda row: (
                    Fraction(self.entries[row, -1], self.entries[row, entering]),
                    self.rank[self.basis[row]],
                ),
            )
            self._pivot(leaving, entering)
        return True

    def _drop_artificial_variables(self) -> None:
        """Exchange those left in the basis, which are 0; an equation without other entries is redundant and stays."""
        for row, column in enumerate(self.basis):
            if column < self.count:
                continue
            entering = next((one for one in self.order if self.entries[row, one] != 0), None)
            if entering is None:
                continue
            if self.entries[row, entering] < 0:
                self.entries[row] = -self.entries[row]
            self._pivot(row, entering)

    def _pivot(self, row: int, column: int) -> None:
        self.updates_left -= self.entries.size
        if self.updates_left < 0:
            raise _TooLargeError
        pivot, kept = self.entries[row, column], self.entries[row].copy()
        self.entries = (self.entries * pivot - np.outer(self.entries[:, column], kept)) // self.denominator
        self.entries[row] = kept
        self.denominator = pivot
        self.basis[row] = column
