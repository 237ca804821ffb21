"""Affine forms: exact coefficients, radii no larger than they must be."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import pytest

from nnctrl.errors import InputError, UnsupportedError
from nnctrl.systems.affine_form import AffineForm, Range, to_affine


def constant(low: float, high: float | None = None) -> AffineForm:
    return AffineForm.constant(low, low if high is None else high)


def test_stored_doubles_have_no_radius() -> None:
    x, y = AffineForm.variable(0), AffineForm.variable(1)
    affine = to_affine([0.1 * x - y / 4.0 + 3.0, -(x - x) + 2.0 * y, 7.0], 2)
    assert affine.is_exact
    assert affine.weight.tolist() == [[0.1, -0.25], [0.0, 2.0], [0.0, 0.0]]
    assert affine.bias.tolist() == [3.0, 0.0, 7.0]


def test_quotients_and_sums_have_half_an_ulp() -> None:
    x = AffineForm.variable(0)
    affine = to_affine([x / 3.0, 0.1 * x + 0.2 * x], 1)
    assert affine.weight_radius is not None
    exact = [Fraction(1, 3), Fraction(0.1) + Fraction(0.2)]
    for row, truth in enumerate(exact):
        middle, radius = (Fraction(float(m[row, 0])) for m in (affine.weight, affine.weight_radius))
        assert 0 < abs(truth - middle) <= radius <= Fraction(math.ulp(float(truth))) / 2 * (1 + Fraction(1, 10**10))


def test_interval_parameters_reach_their_whole_range() -> None:
    mass = constant(0.9, 1.1)
    affine = to_affine([AffineForm.variable(0) / mass + mass * mass - abs(constant(-2.0, 1.0))], 1)
    assert affine.weight_radius is not None
    assert affine.bias_radius is not None
    low, high = 1 / Fraction(1.1), 1 / Fraction(0.9)
    middle, radius = Fraction(float(affine.weight[0, 0])), Fraction(float(affine.weight_radius[0, 0]))
    assert middle - radius <= low < high <= middle + radius
    assert 2 * radius <= (high - low) * (1 + Fraction(1, 10**12))


@pytest.mark.parametrize("name", ["sin", "cos", "exp", "tanh", "sqrt", "log", "arctan"])
def test_functions_of_constants_contain_the_truth(name: str) -> None:
    low, high = (getattr(constant(0.3, 0.7), name)()).offset
    reference = {"arctan": "atan"}.get(name, name)
    with mpmath.workdps(40):
        for value in (0.3, 0.5, 0.7):
            truth = getattr(mpmath, reference)(mpmath.mpf(value))
            assert mpmath.mpf(low.numerator) / low.denominator <= truth <= mpmath.mpf(high.numerator) / high.denominator


def test_powers_of_constants() -> None:
    assert (constant(-2.0, 1.0) ** 2).offset == Range(Fraction(0), Fraction(4))
    assert (constant(-2.0, 1.0) ** 3).offset == Range(Fraction(-8), Fraction(1))
    assert (constant(2.0, 4.0) ** -1).offset == Range(Fraction(1, 4), Fraction(1, 2))
    assert constant(-2.0, 1.0).square().offset == Range(Fraction(0), Fraction(4))
    assert constant(1.0, 3.0).minimum(2.0).offset == Range(Fraction(1), Fraction(2))
    assert constant(1.0, 3.0).maximum(constant(2.0, 5.0)).offset == Range(Fraction(2), Fraction(5))


def test_operations_on_variables_are_refused_by_name() -> None:
    x = AffineForm.variable(0)
    for operation, act in {
        "product": lambda: x * x,
        "division": lambda: 1.0 / x,
        "power": lambda: x**2,
        "sin": lambda: x.sin(),
        "fabs": lambda: abs(x),
        "fmin": lambda: x.minimum(1.0),
    }.items():
        with pytest.raises(UnsupportedError, match=f"operation '{operation}' acts on them"):
            act()
    with pytest.raises(AttributeError):
        x.arctan2  # noqa: B018 (an unknown function must look absent)


def test_constants_out_of_domain_are_refused() -> None:
    with pytest.raises(InputError, match=r"divide by a quantity that ranges over \[-1, 1\]"):
        1.0 / constant(-1.0, 1.0)
    with pytest.raises(InputError, match="take 'log' of a constant"):
        constant(-1.0, 1.0).log()
    with pytest.raises(InputError, match="beyond the range of doubles"):
        to_affine([AffineForm(Range(Fraction(10) ** 400, Fraction(10) ** 400))], 1)
