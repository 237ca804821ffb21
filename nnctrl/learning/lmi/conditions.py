"""The matrix inequalities of synthesis: the admissibility condition after loop transformation, in two forms.

With v the pre-activation relative to its anchor and x~ = (x^1 - phi(a) - S v) / T, |x~_i| <= |v_i|, a pair of an input
set and an inequality gives a condition on `v = V (xi, 1)` and `y = H (xi, 1) + K x~`:

- `Condition.in_q`: after the congruence with Q = M^-1, linear in Q, V, H and K Q together; eq. (32) of the paper for
  an ellipsoid in x and an ellipsoid in y;
- `Condition.in_m`: linear in M, H and K for a given V, before the congruence (eq. 31).

Inequalities in x and y jointly enter with their part in y as R'R (a Schur complement) and with the rest linearly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import DimensionError, InputError
from nnctrl.learning.lmi.input_set import InputSet
from nnctrl.learning.lmi.specification import Specification

STRICT = 1e-6
"""The inequalities are solved with this margin, as a share of the largest entry of S_i: the check needs some."""


@dataclass(frozen=True, eq=False)
class Pair:
    """One requirement: `specification` for every input of `inputs`."""

    inputs: InputSet
    specification: Specification

    def __post_init__(self) -> None:
        if self.inputs.dim != self.specification.in_size:
            raise DimensionError(
                f"an input set of dimension {self.inputs.dim} comes with a specification of "
                f"{self.specification.in_size} inputs; they must agree"
            )


def sizes_of(pairs: Sequence[Pair]) -> tuple[int, int]:
    """Inputs and outputs of a network for `pairs`; InputError if they differ."""
    found = {(pair.inputs.dim, pair.specification.out_size) for pair in pairs}
    if len(found) != 1:
        raise InputError(f"the pairs have inputs and outputs {sorted(found)}; give at least one pair, and equal sizes")
    return found.pop()


class Condition:
    """The constant parts of the condition of one inequality of one pair, and its multipliers lam (variables)."""

    def __init__(self, pair: Pair, index: int) -> None:
        import cvxpy

        nx = pair.specification.in_size
        s = pair.specification.forms[index].middle
        outputs = slice(nx, nx + pair.specification.out_size)
        given = [*range(nx), len(s) - 1]
        count = pair.inputs.coefficients
        self.point = pair.inputs.point.middle
        lift = np.concatenate([self.point, np.eye(count + 1)[count:]])
        self.root = pair.specification.factor(index)
        self.cross = lift.T @ s[given][:, outputs]
        self.strict = STRICT * max(1.0, float(abs(s).max()))
        self.lam = cvxpy.Variable(len(pair.inputs.forms), nonneg=True)
        corner = np.zeros((count + 1, count + 1))
        corner[-1, -1] = 1.0
        self.corner = corner
        fixed = -lift.T @ s[np.ix_(given, given)] @ lift
        self.base = 0.5 * (fixed + fixed.T)
        for weight, form in zip(self.lam, pair.inputs.forms, strict=True):
            self.base = self.base - weight * form.middle

    def in_q(self, q: Any, v: Any, inner: Any, outer: Any, slack: Any) -> Any:
        """The condition in Q (None without hidden neurons): `v` V [n1, q + 1], `inner` H [ny, q + 1], `outer` K Q.

        `slack` is added to what [x; y; 1]' S_i [x; y; 1] may reach.
        """
        import cvxpy

        top = self._top(inner, slack)
        if q is None:
            return self._definite([[top, inner.T @ self.root.T], [self.root @ inner, np.eye(len(self.root))]])
        side, seen = -(self.cross @ outer), self.root @ outer
        width, rows = int(q.shape[0]), len(self.root)
        blank, gap = np.zeros((width, width)), np.zeros((width, rows))
        return self._definite(
            [
                [top, side, v.T, inner.T @ self.root.T],
                [side.T, cvxpy.diag(q), blank, seen.T],
                [v, blank, cvxpy.diag(q), gap],
                [self.root @ inner, seen, gap.T, np.eye(rows)],
            ]
        )

    def in_m(self, m: Any, v: FloatArray, inner: Any, outer: Any, slack: Any) -> Any:
        """The condition in M for a given V: `v` [n1, q + 1], `inner` H [ny, q + 1], `outer` K [ny, n1]."""
        import cvxpy

        top = self._top(inner, slack) - v.T @ cvxpy.diag(m) @ v
        side, seen = -(self.cross @ outer), self.root @ outer
        return self._definite(
            [
                [top, side, inner.T @ self.root.T],
                [side.T, cvxpy.diag(m), seen.T],
                [self.root @ inner, seen, np.eye(len(self.root))],
            ]
        )

    def _top(self, inner: Any, slack: Any) -> Any:
        linear = self.cross @ inner
        return self.base + slack * self.corner - linear - linear.T

    def _definite(self, blocks: list[list[Any]]) -> Any:
        import cvxpy

        kept = [[part for part in row if 0 not in part.shape] for row in blocks]
        matrix = cvxpy.bmat([row for row in kept if row])
        return matrix >> self.strict * np.eye(matrix.shape[0])


def conditions_of(pairs: Sequence[Pair]) -> list[list[Condition]]:
    """One condition for every inequality of every pair."""
    return [[Condition(pair, index) for index in range(len(pair.specification.forms))] for pair in pairs]
