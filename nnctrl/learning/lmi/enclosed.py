"""Matrices with entrywise radii, and a certified bound of the largest eigenvalue of a symmetric one.

The quadratic forms of the certificates are products of stored weights, slopes and multipliers. What their rounding adds
is carried entry by entry, so that a form may be scaled to a sensible size before its definiteness is decided.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from nnctrl._typing import FloatArray
from nnctrl.bounds.norms import eigenvalue_range
from nnctrl.sets.rounding import UNIT_ROUNDOFF, matmul_enclosure, norm_up, widen_up

LARGEST_SCALE = 400
"""Diagonal scalings stay within 2^(+-400): what overflows or vanishes beyond proves nothing."""

ATTAINED = 0.99
"""Share of the greatest margin that is tried: the form less all of it is singular."""


@dataclass(frozen=True, eq=False)
class Enclosed:
    """Every matrix M with |M - middle| <= radius, elementwise; both [m, n]."""

    middle: FloatArray
    radius: FloatArray

    @staticmethod
    def exact(matrix: FloatArray) -> Enclosed:
        """These numbers themselves."""
        values = np.asarray(matrix, dtype=np.float64)
        return Enclosed(values, np.zeros_like(values))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return (int(self.middle.shape[0]), int(self.middle.shape[1]))

    @property
    def transposed(self) -> Enclosed:
        """The transposes."""
        return Enclosed(self.middle.T, self.radius.T)

    def plus(self, other: Enclosed) -> Enclosed:
        """The sum; entries where one summand is zero do not round."""
        total = self.middle + other.middle
        rounding = np.where((self.middle == 0.0) | (other.middle == 0.0), 0.0, 2.0 * UNIT_ROUNDOFF * abs(total))
        radius = (self.radius + other.radius + rounding) * (1.0 + 8.0 * UNIT_ROUNDOFF)
        return Enclosed(total, radius)

    def minus(self, other: Enclosed) -> Enclosed:
        """The difference."""
        return self.plus(Enclosed(-other.middle, other.radius))

    def times(self, other: Enclosed) -> Enclosed:
        """The matrix product."""
        return Enclosed(*matmul_enclosure(self.middle, other.middle, self.radius, other.radius))

    def scaled_rows(self, factors: FloatArray) -> Enclosed:
        """diag(`factors` [m]) times it."""
        product = self.middle * factors[:, None]
        rounding = widen_up(2.0 * UNIT_ROUNDOFF * abs(product)) * (product != 0.0)
        radius = widen_up(self.radius * abs(factors)[:, None], 4.0) * (self.radius > 0.0)
        # a product that underflowed to zero still rounded
        lost = np.where((product == 0.0) & (self.middle != 0.0) & (factors[:, None] != 0.0), 1e-300, 0.0)
        return Enclosed(product, (radius + rounding + lost) * (1.0 + 8.0 * UNIT_ROUNDOFF))

    def around(self, form: Enclosed) -> Enclosed:
        """`M' form M`, a form in the variables that M maps from."""
        return self.transposed.times(form.times(self))

    def placed(self, selection: FloatArray) -> Enclosed:
        """`E' form E` for rows E of a unit matrix: nothing rounds."""
        return Enclosed(selection.T @ self.middle @ selection, selection.T @ self.radius @ selection)

    def symmetric(self) -> Enclosed:
        """(M + M') / 2: the form itself does not change."""
        twice = self.plus(self.transposed)
        return Enclosed(0.5 * twice.middle, 0.5 * twice.radius + 1e-300 * (twice.radius > 0.0))


def stacked(rows: list[Enclosed]) -> Enclosed:
    """The matrices one above the other."""
    return Enclosed(np.concatenate([r.middle for r in rows]), np.concatenate([r.radius for r in rows]))


def decrease(form: Enclosed) -> float:
    """A certified m >= 0 with `chi' M chi <= -m` for every M in `form` [N, N] and every chi [N] with last entry 1.

    Nan where that is not proved, which includes every M that is not negative definite. The greatest m is
    -1 / (M^-1)_NN; nearly that much is added to the corner and the sum proved to be negative definite, or the form
    itself where that fails. Cost: an inverse and at most two eigendecompositions.
    """
    if not (np.isfinite(form.middle).all() and np.isfinite(form.radius).all()):
        return np.nan
    symmetric = form.symmetric()
    if not _is_negative_definite(symmetric):
        return np.nan
    corner = np.zeros(form.shape)
    corner[-1, -1] = _share_of_greatest(symmetric.middle)
    shifted = symmetric.plus(Enclosed.exact(corner))
    return float(corner[-1, -1]) if _is_negative_definite(shifted) else 0.0


def _share_of_greatest(matrix: FloatArray) -> float:
    """Nearly -1 / (M^-1)_NN in floating point; 0 where that is not a positive number."""
    try:
        greatest = -1.0 / float(np.linalg.inv(matrix)[-1, -1])
    except (np.linalg.LinAlgError, ZeroDivisionError):
        return 0.0
    return ATTAINED * greatest if 0.0 < greatest < np.inf else 0.0


def _is_negative_definite(symmetric: Enclosed) -> bool:
    """Whether every symmetric matrix that is enclosed is negative definite, proved.

    The variables are first divided by powers of two that bring the diagonal near -1, which changes no sign and rounds
    nothing.
    """
    size = abs(np.diag(symmetric.middle))
    exponents = np.zeros(len(size), dtype=np.int64)
    known = size > 0.0
    exponents[known] = -np.round(0.5 * np.log2(size[known])).astype(np.int64)
    exponents = np.clip(exponents, -LARGEST_SCALE, LARGEST_SCALE)
    both = exponents[:, None] + exponents[None, :]
    with np.errstate(all="ignore"):
        middle, radius = np.ldexp(symmetric.middle, both), np.ldexp(symmetric.radius, both)
    # what became subnormal was rounded
    radius = radius + 1e-300
    if not (np.isfinite(middle).all() and np.isfinite(radius).all()):
        return False
    error = torch.tensor(float(norm_up(radius.ravel())), dtype=torch.float64)
    _, high = eigenvalue_range(torch.tensor(middle), error)
    return float(high) < 0.0
