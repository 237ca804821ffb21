"""Tapes on polynomial zonotopes against the same tapes with 60 digits, at the same symbols, without tolerance."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import casadi
import mpmath
import numpy as np
import pytest

from nnctrl.errors import DimensionError
from nnctrl.sets.box import Box
from nnctrl.sets.monomials import MonomialBasis
from nnctrl.sets.polynomial_zonotope import PolynomialZonotope
from nnctrl.systems.polynomial_tape import place_constants, polynomial_image
from tests.exact_tapes import TooLargeError, exact_column, random_tape, tape_of
from tests.polynomial_rows import encloses, random_rows, random_values, row_slack, symbols

BASES = (MonomialBasis((1, 1), 3), MonomialBasis((1, 1, 2), 4), MonomialBasis((1,), 1), MonomialBasis((), 2))


def box_rows(lower: list[float], upper: list[float], degree: int = 3) -> PolynomialZonotope:
    return PolynomialZonotope.of_box(Box(lower, upper), MonomialBasis((1,) * len(lower), degree))


@pytest.mark.parametrize("seed", range(60))
def test_random_expressions_are_enclosed_at_their_own_symbols(seed: int) -> None:
    rng = np.random.default_rng(seed)
    basis = BASES[int(rng.integers(len(BASES)))]
    tape = random_tape(rng, 3, 3, int(rng.integers(1, 5)))
    generators = int(rng.integers(0, 3))
    rows = random_rows(rng, basis, 3, generators=generators, size=float(rng.choice([1e-9, 0.05, 0.5])))
    image = polynomial_image(tape, rows)
    for _ in range(8):
        xi, eta = symbols(rng, basis.symbols), symbols(rng, generators)
        try:
            exact = exact_column(tape, [random_values(rng, rows, xi, eta)])
        except TooLargeError:
            continue
        if any(value is None for value in exact):
            assert np.isinf(image.radius).all()
        else:
            assert encloses(image, exact, xi, eta)


OPERATIONS: dict[str, Callable[[Any], Any]] = {
    "sin": lambda x: casadi.sin(x[0]),
    "cos": lambda x: casadi.cos(3 * x[0]),
    "tan": lambda x: casadi.tan(x[0]),
    "exp": lambda x: casadi.exp(x[0] - x[1]),
    "log": lambda x: casadi.log(2 + x[0]),
    "sqrt": lambda x: casadi.sqrt(2 + x[0]),
    "tanh": lambda x: casadi.tanh(2 * x[0]),
    "sinh": lambda x: casadi.sinh(x[0]),
    "cosh": lambda x: casadi.cosh(x[0]),
    "atan": lambda x: casadi.atan(4 * x[0]),
    "asin": lambda x: casadi.asin(0.9 * x[0]),
    "acos": lambda x: casadi.acos(0.9 * x[0]),
    "atan2 on the right": lambda x: casadi.atan2(x[1], 2 + x[0]),
    "atan2 on the left": lambda x: casadi.atan2(4 + x[1], x[0] - 3),
    "division": lambda x: x[1] / (3 + x[0]),
    "inverse": lambda x: 1 / (3 + x[0]),
    "square": lambda x: (x[0] + x[1]) ** 2,
    "cube": lambda x: x[0] ** 3,
    "high power": lambda x: (0.8 * x[0]) ** 13,
    "negative power": lambda x: (2 + x[1]) ** -2,
    "broken power": lambda x: (2 + x[0]) ** 1.7,
    "power of a signal": lambda x: (2 + x[0]) ** x[1],
    "fabs": lambda x: casadi.fabs(x[0] - 0.2),
    "fabs of one sign": lambda x: casadi.fabs(x[0] - 3) + casadi.fabs(x[1] + 3),
    "fmin": lambda x: casadi.fmin(x[0], x[1]),
    "fmax": lambda x: casadi.fmax(x[0], 0.1),
    "difference with itself": lambda x: casadi.fmax(x[0], x[0]) - x[0],
    "clip": lambda x: casadi.fmin(casadi.fmax(3 * x[0], -0.7), 0.4),
    "twice": lambda x: x[0] + x[0],
    "negation": lambda x: -x[0],
    "subtraction from a number": lambda x: 0.1 - x[0],
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_is_enclosed_and_not_by_everything(name: str) -> None:
    tape = tape_of(lambda x: [OPERATIONS[name](x)], 2)
    rng = np.random.default_rng(3)
    for lower, upper in (([-0.5, -0.5], [0.5, 0.5]), ([0.1, -0.3], [0.1, 0.2]), ([0.2, 0.3], [0.2000001, 0.3])):
        rows = PolynomialZonotope.of_box(Box(lower, upper), MonomialBasis((1, 1), 4))
        image = polynomial_image(tape, rows)
        assert image.radius[0] < 1.5 * max(np.subtract(upper, lower))
        for _ in range(25):
            xi = symbols(rng, 2)
            assert encloses(image, exact_column(tape, [random_values(rng, rows, xi, [])]), xi)


@pytest.mark.parametrize(
    ("expression", "lower", "upper"),
    [
        (lambda x: casadi.log(x[0]), -1.0, 2.0),
        (lambda x: casadi.log(x[0]), 0.0, 2.0),
        (lambda x: casadi.sqrt(x[0]), -1e-9, 2.0),
        (lambda x: 1 / x[0], -1.0, 2.0),
        (lambda x: 1 / x[0], 0.0, 0.0),
        (lambda x: casadi.tan(x[0]), 1.0, 2.0),
        (lambda x: casadi.asin(x[0]), 0.5, 1.1),
        (lambda x: casadi.acos(x[0]), -1.1, 0.5),
        (lambda x: casadi.atan2(x[0], -1), -0.1, 0.1),
        (lambda x: x[0] ** -3, -0.1, 0.1),
        (lambda x: x[0] ** 0.3, -0.1, 0.1),
        (lambda x: casadi.exp(x[0]), 0.0, 800.0),
        (lambda x: 0 * x[0] + 1 / (x[0] - x[0] * 1.0000000000000002), -0.1, 0.1),
    ],
)
def test_what_is_undefined_on_a_part_has_infinite_radii_in_every_row(
    expression: Callable[[Any], Any], lower: float, upper: float
) -> None:
    """The cut of atan2, where it jumps, counts."""
    tape = tape_of(lambda x: [x[1], expression(x)], 2)
    image = polynomial_image(tape, box_rows([lower, 0.0], [upper, 1.0]))
    assert np.isinf(image.radius).all()


def test_results_that_are_arguments_or_constants_or_repeated() -> None:
    tape = tape_of(lambda x: [x[1], 0.3, 0, x[1], x[0] + x[1], x[0] + x[1], casadi.fmax(0.1, 0.2)], 2)
    rows = box_rows([0.1, -2.0], [0.3, 1.0])
    image = polynomial_image(tape, rows)
    np.testing.assert_array_equal(image.coefficients[[0, 3]], rows.coefficients[[1, 1]])
    np.testing.assert_array_equal(image.coefficients[[1, 2], 0], [0.3, 0.0])
    np.testing.assert_array_equal(image.radius[[0, 1, 2, 3]], 0.0)
    np.testing.assert_array_equal(image.coefficients[4], image.coefficients[5])
    rng = np.random.default_rng(0)
    xi = symbols(rng, 2)
    assert encloses(image, exact_column(tape, [random_values(rng, rows, xi, [])]), xi)


def test_polynomials_within_the_degree_are_exact_up_to_rounding() -> None:
    tape = tape_of(lambda x: [x[0] ** 3 - 2 * x[0] * x[1] + 1, (x[0] - x[1]) ** 2], 2)
    image = polynomial_image(tape, box_rows([-1.0, 0.5], [0.7, 0.9]))
    assert (image.radius < 1e-13).all()


def test_the_rounding_of_single_operations_is_in_the_radii() -> None:
    tape = tape_of(lambda x: [0.1 * x[0], x[0] + 0.1, x[0] + x[1], x[0] - x[1], x[0] * x[1], x[0] ** 2, x[0] / 3], 2)
    rng, xi = np.random.default_rng(0), [mpmath.mpf(0), mpmath.mpf(0)]
    for _ in range(100):
        point = rng.normal(size=2) * 10.0 ** rng.integers(-3, 4, size=2)
        rows = box_rows(list(point), list(point))
        image = polynomial_image(tape, rows)
        assert encloses(image, exact_column(tape, [random_values(rng, rows, xi, [])]), xi)
        assert (image.radius <= 1e-13 * (np.abs(image.coefficients[:, 0]) + np.abs(point).sum())).all()


def test_enclosures_shrink_with_the_degree() -> None:
    tape = tape_of(lambda x: [casadi.sin(x[0]) * casadi.exp(x[1]) / (2 + x[0])], 2)
    radii = [polynomial_image(tape, box_rows([-0.5, 0.0], [0.5, 1.0], degree)).radius[0] for degree in (1, 2, 3, 4, 5)]
    assert all(later < 0.5 * earlier for earlier, later in itertools.pairwise(radii))


def test_rows_of_which_nothing_is_known_say_so() -> None:
    rows = box_rows([-1.0, 0.0], [1.0, 1.0])
    rows.radius[0] = np.inf
    image = polynomial_image(tape_of(lambda x: [x[0] * x[1], casadi.tanh(x[0]), x[1]], 2), rows)
    assert not np.isfinite(image.radius[0])
    assert image.radius[2] == 0.0
    squares = tape_of(lambda x: [x[0] * x[1], x[0] * x[0] - x[1] * x[1]], 2)
    huge = polynomial_image(squares, box_rows([-1e200, -1e200], [1e200, 1e200]))
    assert not np.isfinite(huge.radius).any()


def test_constants_known_between_two_numbers_are_covered() -> None:
    rng = np.random.default_rng(0)
    for _ in range(2000):
        ends = np.sort(rng.normal(size=2) * 10.0 ** rng.integers(-9, 9, size=2).astype(float))
        if rng.random() < 0.1:
            ends = np.array([5e-324, 5e-324])
        c, r = np.zeros((1, 1, 1)), np.zeros((1, 1))
        place_constants(ends[None], 0, c, r)
        middle, reach = mpmath.mpf(float(c[0, 0, 0])), mpmath.mpf(float(r[0, 0]))
        assert middle - reach <= ends[0]
        assert middle + reach >= ends[1]


def test_the_number_of_rows_must_fit() -> None:
    with pytest.raises(DimensionError, match="takes 2 values but was given 1 rows"):
        polynomial_image(tape_of(lambda x: [x[0] + x[1]], 2), box_rows([0.0], [1.0]))


def test_the_referee_notices_a_radius_that_is_too_small() -> None:
    """The comparison can fail: without the radii something is always missed."""
    rng = np.random.default_rng(1)
    tape = tape_of(lambda x: [casadi.sin(x[0]) * x[1]], 2)
    rows = box_rows([-1.0, -1.0], [1.0, 1.0])
    image = polynomial_image(tape, rows)
    bare = PolynomialZonotope(image.basis, image.coefficients, image.generators, np.zeros(1))
    assert row_slack(bare)[0] == 0
    xi = [mpmath.mpf(1), mpmath.mpf(1)]
    assert not encloses(bare, exact_column(tape, [random_values(rng, rows, xi, [])]), xi)
