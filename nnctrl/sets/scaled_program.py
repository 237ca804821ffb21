"""Linear programs over a polyhedron in coordinates in which it is of size about 1.

HiGHS takes numbers below 1e-9 for zero and 1e-10 for its tolerance, so inequalities whose units are 1e9 apart would
lose entries, and sets of size 1e-20 would be points. Rows and columns are therefore multiplied by powers of two, which
round nothing. Nothing here is certified: callers prove what they conclude from a solution.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnctrl._typing import FloatArray
from nnctrl.sets.exact import exact_dot
from nnctrl.sets.linear_program import minimise

Exponents = NDArray[Any]
"""Integers e, for factors 2^e."""

BALANCING_PASSES = 4

MAX_SLACK = 2.0**50
"""Inequalities with more slack than this, in units of the set, do not matter to it."""

USED = 1e-9
"""Multipliers below this share of the largest are taken for zero."""


def exponents_of(values: FloatArray) -> Exponents:
    """Integers e with |value| < 2^e, as small as they can be; of zero a very small one."""
    return np.where(values == 0.0, -100_000, np.frexp(values)[1]).astype(int)


def balancing_columns(matrix: FloatArray) -> Exponents:
    """Exponents [n] of column factors that, with some row factors, bring the entries of `matrix` [k, n] close to 1.

    Rows and columns are divided in turn by the geometric mean of their largest and least entry (Fulkerson and Wolfe
    1962).
    """
    size = exponents_of(matrix).astype(np.float64)
    zero = matrix == 0.0
    top, bottom = np.where(zero, -np.inf, size), np.where(zero, np.inf, size)
    columns = np.zeros(matrix.shape[1])
    used = ~zero.all(axis=0)
    for _ in range(BALANCING_PASSES):
        rows = -0.5 * ((top + columns).max(axis=1) + (bottom + columns).min(axis=1))
        ends = (top + rows[:, None])[:, used].max(axis=0), (bottom + rows[:, None])[:, used].min(axis=0)
        columns[used] = -0.5 * (ends[0] + ends[1])
    return np.rint(columns).astype(int)


def exponent_of(value: Fraction) -> int:
    """An integer e with 2^(e-2) < |value| < 2^e, for value not 0."""
    return value.numerator.bit_length() - value.denominator.bit_length() + 1


def scaled_float(value: Fraction, exponent: int) -> float:
    """`value` 2^exponent in floating point, at most `MAX_SLACK` in size."""
    scaled = value * Fraction(2) ** exponent
    return float(max(min(scaled, Fraction(MAX_SLACK)), Fraction(-MAX_SLACK)))


@dataclass(frozen=True, eq=False)
class ScaledProgram:
    """{A x <= b} as `rows z <= slack` with x = point + 2^columns z, in floating point.

    Row i is that of A times 2^row_exponents[i], with a largest entry between 1/2 and 1.
    """

    point: FloatArray
    rows: FloatArray
    slack: FloatArray
    row_exponents: Exponents
    columns: Exponents

    @staticmethod
    def about(
        normals: FloatArray, offsets: FloatArray, point: FloatArray, columns: Exponents, *, fit: bool = False
    ) -> ScaledProgram:
        """The program of normals x <= offsets, shapes [k, n] and [k].

        `fit` moves all exponents of the columns by one number, such that the largest slack is about 1.
        """
        exact_slack = [Fraction(float(b)) - exact_dot(row, point) for row, b in zip(normals, offsets, strict=True)]
        row_exponents = -(exponents_of(normals) + columns).max(axis=1)
        if fit:
            lengths = [
                exponent_of(slack) + int(exponent)
                for slack, exponent in zip(exact_slack, row_exponents, strict=True)
                if slack
            ]
            size = max(lengths, default=0)
            columns, row_exponents = columns + size, row_exponents - size
        slack = [scaled_float(s, int(exponent)) for s, exponent in zip(exact_slack, row_exponents, strict=True)]
        rows = np.ldexp(normals, row_exponents[:, None] + columns)
        return ScaledProgram(point, rows, np.array(slack), row_exponents, columns)

    def original(self, z: FloatArray) -> FloatArray:
        """The points x - point of scaled ones [..., n]."""
        return np.ldexp(z, self.columns)

    def deepest(self) -> tuple[float, FloatArray] | None:
        """Radius (at most 1) and centre [n] of a largest ball of scaled points; a negative one where there is none."""
        dim = self.rows.shape[1]
        lengths = np.linalg.norm(self.rows, axis=1)
        solution = minimise(
            -np.eye(dim + 1)[dim],
            A_ub=np.concatenate([self.rows, lengths[:, None]], axis=1),
            b_ub=self.slack,
            bounds=np.array([[-np.inf, np.inf]] * dim + [[-np.inf, 1.0]]),
        )
        return (float(solution.x[dim]), solution.x[:dim]) if solution.status == "optimal" else None

    def farthest(self, direction: FloatArray) -> tuple[FloatArray, FloatArray] | None:
        """Multipliers [k] of the rows of A and x - point [n] for max d'x, d = `direction` not 0; None if unsolved."""
        goal, exponent = self._goal(direction)
        solution = minimise(-goal, A_ub=self.rows, b_ub=self.slack)
        if solution.status != "optimal":
            return None
        weights = np.maximum(-solution.inequality, 0.0)
        used = np.flatnonzero(weights > USED * weights.max(initial=0.0))
        # the same rows with the equation solved to the last digit
        refined = np.linalg.lstsq(self.rows[used].T, goal, rcond=None)[0]
        if (refined >= 0.0).all():
            weights = np.zeros_like(weights)
            weights[used] = refined
        return np.ldexp(weights, self.row_exponents + exponent), self.original(solution.x)

    def farthest_within(self, direction: FloatArray, lower: FloatArray, upper: FloatArray) -> FloatArray | None:
        """x - point [n] for max d'x over the part with lower <= x - point <= upper; None if unsolved."""
        bounds = np.ldexp(np.stack([lower, upper], axis=1), -self.columns[:, None])
        solution = minimise(-self._goal(direction)[0], A_ub=self.rows, b_ub=self.slack, bounds=bounds)
        return self.original(solution.x) if solution.status == "optimal" else None

    def _goal(self, direction: FloatArray) -> tuple[FloatArray, int]:
        """The direction for z, with a largest entry of about 1, and the exponent of the factor between them."""
        exponent = int((exponents_of(direction) + self.columns).max())
        return np.ldexp(direction, self.columns - exponent), exponent
