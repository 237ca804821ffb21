"""The choice between boxes in the states' coordinates and in those of the loop's motions loses no point."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from nnctrl.reachability.symbol_reduction import fewer_symbols
from nnctrl.sets.monomials import MonomialBasis
from nnctrl.sets.polynomial_zonotope import PolynomialZonotope
from nnctrl.sets.zonotope import Zonotope
from nnctrl.systems.point_loop import PointLoop
from tests.closed_form import START, below, constant_network, oscillator, problem
from tests.sets.test_reduction import exact, is_in, matrix, product

POINTS = PointLoop(problem(oscillator(), constant_network(2, 0.0), START, below(9.0)).network_loop)


def rows_of(generators: np.ndarray) -> PolynomialZonotope:
    basis = MonomialBasis((1,), 2)
    coefficients = np.array([[1.0, 0.0, 0.0], [0.5, 0.0, 0.0]])
    return PolynomialZonotope(basis, coefficients, generators, np.zeros(2))


@pytest.mark.parametrize("scales", [(1.0, 1.0), (1e-3, 10.0), (0.0, 1.0), (1e-200, 1e100)])
def test_no_point_is_lost(scales: tuple[float, float]) -> None:
    for seed in range(6):
        rng = np.random.default_rng(seed)
        generators = rng.normal(size=(2, 12)) * np.array(scales)[:, None]
        with np.errstate(all="ignore"):
            result = fewer_symbols(rows_of(generators), 4, POINTS)
        assert result.generators.shape[1] <= 4 + 2
        hull = Zonotope(np.zeros(2), np.concatenate([result.generators, np.diag(result.radius)], axis=1))
        for vertex in [*np.sign(generators + 1e-300), *rng.choice([-1.0, 1.0], size=(10, 12))]:
            assert is_in(hull, product(matrix(generators), exact(vertex)))


def test_a_turning_loop_is_boxed_in_its_own_coordinates_when_that_is_smaller_later() -> None:
    """A long thin set along a diagonal is a fat box, and turns: any of both may be smaller, none is much larger."""
    thin = np.array([[1.0, 1e-3], [1.0, -1e-3]])
    generators = np.hstack([thin] * 8) / 8.0
    result = fewer_symbols(rows_of(generators), 2, POINTS)
    assert np.abs(result.generators).sum() <= 4.5
    assert Fraction(float(np.abs(result.generators).sum(axis=1).min())) >= 1


def test_few_symbols_are_left_alone() -> None:
    rows = rows_of(np.eye(2))
    assert fewer_symbols(rows, 4, POINTS) is rows
