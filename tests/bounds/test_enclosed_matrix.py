"""Matrices with errors, and rows with entrywise errors, enclose what exact arithmetic gives; zero tolerance."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest
import torch

from nnctrl.bounds.enclosed_matrix import EnclosedMatrix
from nnctrl.bounds.layered import row_times
from nnctrl.bounds.norms import NORMS
from nnctrl.bounds.view import AffineView
from tests import high_precision

SCALES = (1.0, 1e-140, 1e140)


def matrix(rng: np.random.Generator, rows: int, columns: int, scale: float) -> np.ndarray:
    return scale * rng.normal(size=(rows, columns)) * 10.0 ** rng.integers(-6, 7, (rows, columns)).astype(float)


def known(values: np.ndarray, p: float, radius: np.ndarray | None = None) -> EnclosedMatrix:
    spread = None if radius is None else torch.tensor(radius)
    return EnclosedMatrix.of(AffineView(torch.tensor(values), torch.zeros(len(values)).double(), spread), 1, p)


def assert_encloses(found: EnclosedMatrix, exact: mpmath.matrix) -> None:
    difference = exact - mpmath.matrix(found.matrix[0].tolist())
    assert high_precision.operator_norm(difference, found.p) <= float(found.error[0])
    assert high_precision.operator_norm(exact, found.p) <= float(found.norm()[0])


@pytest.mark.parametrize("p", NORMS)
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("seed", range(6))
def test_every_operation_encloses(p: float, scale: float, seed: int) -> None:
    """Products, sums and scalings of members of enclosures with radii."""
    rng = np.random.default_rng(seed)
    a, b, c = matrix(rng, 3, 4, scale), matrix(rng, 4, 2, 1.0), matrix(rng, 3, 2, scale)
    radii = [abs(part) * 1e-9 for part in (a, b, c)]
    moved = [
        mpmath.matrix(part.tolist())
        + mpmath.matrix([[int(rng.integers(-1, 2)) * mpmath.mpf(float(r)) for r in row] for row in radius])
        for part, radius in zip((a, b, c), radii, strict=True)
    ]
    first, second, third = (known(part, p, radius) for part, radius in zip((a, b, c), radii, strict=True))
    diagonal, rows = rng.normal(size=4), rng.normal(size=3)
    exact_diagonal, exact_rows = (mpmath.diag([mpmath.mpf(float(v)) for v in part]) for part in (diagonal, rows))
    assert_encloses(first, moved[0])
    scaled = first.scaled(torch.tensor(diagonal)[None])
    assert_encloses(scaled, moved[0] * exact_diagonal)
    product, exact = scaled.times(second), moved[0] * exact_diagonal * moved[1]
    assert_encloses(product, exact)
    assert_encloses(product.plus(third), exact + moved[2])
    assert_encloses(product.times_rows(torch.tensor(rows)[None]), exact_rows * exact)
    assert_encloses(product.halved(), exact / 2)
    if p == 2.0:
        assert_encloses(product.transposed(), exact.T)


@pytest.mark.parametrize("scale", [1.0, 1e-305, 1e290])
@pytest.mark.parametrize("seed", range(8))
def test_rows_times_weights(scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    row, weight = scale * rng.normal(size=3), rng.normal(size=(3, 4)) * 10.0 ** rng.integers(-8, 9, (3, 4))
    error, radius = abs(row) * 1e-10, abs(weight) * 1e-10
    layer = AffineView(torch.tensor(weight), torch.zeros(3).double(), torch.tensor(radius))
    found, claimed = row_times(torch.tensor(row)[None], torch.tensor(error)[None], layer)
    for j in range(4):
        total = Fraction(0)
        for i in range(3):
            moved = Fraction(float(row[i])) + int(rng.integers(-1, 2)) * Fraction(float(error[i]))
            total += moved * (Fraction(float(weight[i, j])) + int(rng.integers(-1, 2)) * Fraction(float(radius[i, j])))
        assert abs(total - Fraction(float(found[0, j]))) <= Fraction(float(claimed[0, j]))
