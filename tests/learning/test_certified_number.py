"""Numbers of a training enclose what they stand for: in real arithmetic, so up to a few roundings."""

import mpmath
import numpy as np
import pytest
import torch

from nnctrl.learning.certified.number import CURVES, TrainingNumber
from nnctrl.systems.operations import OPERATIONS

mpmath.mp.dps = 40

SYMBOLS = 4

ROUNDING = 1e-12

DOMAIN = {"sqrt": (0.5, 3.0), "log": (0.5, 3.0), "arcsin": (-0.6, 0.6), "arccos": (-0.6, 0.6), "tan": (-1.0, 1.0)}
"""Where centres are drawn from; the reach is 0.3 at most."""

NAMES = {"arcsin": "asin", "arccos": "acos", "arctan": "atan"}


def random_number(rng, low=-2.0, high=2.0, batch=20, reach=0.3):
    parts = rng.standard_normal((batch, SYMBOLS + 1))
    parts *= reach * rng.uniform(0.0, 1.0, (batch, 1)) / np.abs(parts).sum(axis=1, keepdims=True)
    centre = torch.tensor(rng.uniform(low, high, batch))
    return TrainingNumber(centre, torch.tensor(parts[:, :SYMBOLS]), torch.tensor(np.abs(parts[:, -1])))


def points_of(rng, number, xi):
    """A value of every box of the batch at symbols xi; the part without a symbol anywhere."""
    free = rng.choice([-1.0, 0.3, 1.0], len(number.centre))
    return number.centre.numpy() + number.symbols.numpy() @ xi + free * number.radius.numpy()


def assert_contains(number, xi, values):
    """The value of every box of the batch is within the radius of the number's own line at xi."""
    line = number.centre.numpy() + number.symbols.numpy() @ xi
    for at, radius, value in zip(line, number.radius.numpy(), values, strict=True):
        slack = mpmath.mpf(float(radius)) + ROUNDING * (1.0 + abs(value))
        assert abs(mpmath.mpf(float(at)) - value) <= slack


def corners(rng, count=30):
    yield from (rng.choice([-1.0, 1.0], SYMBOLS) for _ in range(count))
    yield from (rng.uniform(-1.0, 1.0, SYMBOLS) for _ in range(count))


@pytest.mark.parametrize("name", [*sorted(CURVES), "sqrt"])
def test_elementary_functions_enclose(name):
    rng = np.random.default_rng(0)
    number = random_number(rng, *DOMAIN.get(name, (-2.0, 2.0)))
    image = getattr(number, name)()
    exact = getattr(mpmath, NAMES.get(name, name))
    for xi in corners(rng):
        assert_contains(image, xi, [exact(mpmath.mpf(float(x))) for x in points_of(rng, number, xi)])


@pytest.mark.parametrize("exponent", [-3, -1, 0, 1, 2, 3, 5, 0.5, -1.5])
def test_powers_enclose(exponent):
    rng = np.random.default_rng(1)
    number = random_number(rng, 0.5, 2.0)
    image = OPERATIONS["pow"](number, float(exponent))
    for xi in corners(rng):
        assert_contains(image, xi, [mpmath.mpf(float(x)) ** exponent for x in points_of(rng, number, xi)])


def test_a_square_encloses_about_zero_and_is_not_negative():
    rng = np.random.default_rng(2)
    number = random_number(rng, -0.2, 0.2)
    image = number * number
    for xi in corners(rng):
        assert_contains(image, xi, [mpmath.mpf(float(x)) ** 2 for x in points_of(rng, number, xi)])
    about_zero = TrainingNumber(torch.zeros(1), torch.ones(1, 1), torch.zeros(1)).square()
    assert float(about_zero.centre - about_zero.radius) >= 0.0


BINARY = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "fmin": min,
    "fmax": max,
    "atan2": mpmath.atan2,
}


@pytest.mark.parametrize("name", sorted(BINARY))
def test_operations_on_two_numbers_enclose(name):
    rng = np.random.default_rng(3)
    first, second = random_number(rng), random_number(rng, 0.5, 2.0)
    image = OPERATIONS[name](first, second)
    for xi in corners(rng):
        pairs = zip(points_of(rng, first, xi), points_of(rng, second, xi), strict=True)
        assert_contains(image, xi, [BINARY[name](mpmath.mpf(float(a)), mpmath.mpf(float(b))) for a, b in pairs])


@pytest.mark.parametrize("name", sorted(BINARY))
def test_operations_with_a_constant_enclose_on_either_side(name):
    rng = np.random.default_rng(4)
    number, constant = random_number(rng, 0.5, 2.0), 0.7
    behind, before = OPERATIONS[name](number, constant), OPERATIONS[name](constant, number)
    for xi in corners(rng):
        values = [mpmath.mpf(float(x)) for x in points_of(rng, number, xi)]
        assert_contains(behind, xi, [BINARY[name](x, mpmath.mpf(constant)) for x in values])
        assert_contains(before, xi, [BINARY[name](mpmath.mpf(constant), x) for x in values])


@pytest.mark.parametrize(("y", "x"), [(0.5, -1.0), (-0.5, -1.0), (2.0, -0.1), (-2.0, 0.1)])
def test_angles_in_the_other_quadrants_enclose(y, x):
    rng = np.random.default_rng(5)
    first, second = random_number(rng, y, y, reach=0.05), random_number(rng, x, x, reach=0.05)
    image = OPERATIONS["atan2"](first, second)
    for xi in corners(rng):
        pairs = zip(points_of(rng, first, xi), points_of(rng, second, xi), strict=True)
        assert_contains(image, xi, [mpmath.atan2(mpmath.mpf(float(a)), mpmath.mpf(float(b))) for a, b in pairs])


def test_roots_enclose_down_to_zero():
    rng = np.random.default_rng(7)
    parts = random_number(rng, 0.0, 0.0)
    number = TrainingNumber(parts.reach, parts.symbols, parts.radius)
    image = number.sqrt()
    assert bool(torch.isfinite(image.radius).all())
    for xi in corners(rng):
        values = np.maximum(points_of(rng, number, xi), 1e-12)
        assert_contains(image, xi, [mpmath.sqrt(mpmath.mpf(float(x))) for x in values])


def test_absolute_values_and_kinks_enclose():
    rng = np.random.default_rng(6)
    number = random_number(rng, -0.2, 0.2)
    image = abs(number)
    for xi in corners(rng):
        assert_contains(image, xi, [abs(mpmath.mpf(float(x))) for x in points_of(rng, number, xi)])


def test_what_the_tangent_misses_shrinks_with_the_square_of_the_box():
    wide = TrainingNumber(torch.tensor([0.4]), torch.tensor([[0.1]]), torch.zeros(1))
    narrow = TrainingNumber(torch.tensor([0.4]), torch.tensor([[0.01]]), torch.zeros(1))
    for name in ("sin", "exp", "tanh", "arctan", "sqrt"):
        ratio = float(getattr(wide, name)().radius / getattr(narrow, name)().radius)
        assert 80.0 < ratio < 200.0
