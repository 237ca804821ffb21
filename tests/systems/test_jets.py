"""Power series in time of polynomial zonotopes and of intervals, against independent ones with 60 digits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import casadi
import mpmath
import numpy as np
import pytest

from nnctrl.sets import elementary_kernels as kernels
from nnctrl.sets.monomials import MonomialBasis
from nnctrl.sets.polynomial_zonotope import PolynomialZonotope
from nnctrl.systems.jet_kernels import interval_jets, polynomial_jets
from nnctrl.systems.jet_program import FUNCTIONS, JetProgram, jet_program
from nnctrl.systems.tape import Tape
from tests.continuous_plants import Series, number, scaled, times, total
from tests.polynomial_rows import Vector, encloses, random_rows, random_values, symbols

ORDER = 5


def composed(function: Callable[[mpmath.mpf], mpmath.mpf], a: Series) -> Series:
    """f(a) by Taylor's formula: numerical derivatives with many digits and powers of a - a_0; no recurrence."""
    with mpmath.workdps(120):
        outer = mpmath.taylor(function, a[0], len(a) - 1)
    result, power = [mpmath.mpf(0)] * len(a), [mpmath.mpf(1)] + [mpmath.mpf(0)] * (len(a) - 1)
    for coefficient in outer:
        result = [t + coefficient * p for t, p in zip(result, power, strict=True)]
        power = times(power, [mpmath.mpf(0), *a[1:]])
    return result


def minus(a: Series) -> Series:
    return scaled(-1, a)


Field = Callable[[Any], Sequence[Any]]
ExactField = Callable[[list[Series]], list[Series]]

FIELDS: dict[str, tuple[Field, ExactField, list[float]]] = {
    "linear": (
        lambda x: (x[1], -2 * x[0] - 0.3 * x[1] + x[2]),
        lambda x: [x[1], total(scaled(-2, x[0]), scaled(-0.3, x[1]), x[2])],
        [0.3, -0.2, 1.0],
    ),
    "polynomial": (
        lambda x: (x[0] * x[1] + x[2], -(x[0] ** 3) + x[1] ** 2),
        lambda x: [total(times(x[0], x[1]), x[2]), total(minus(times(x[0], times(x[0], x[0]))), times(x[1], x[1]))],
        [0.7, -0.4, 0.2],
    ),
    "waves": (
        lambda x: (casadi.sin(x[1]) + casadi.cos(x[0] * x[2]), casadi.tan(0.3 * x[0])),
        lambda x: [
            total(composed(mpmath.sin, x[1]), composed(mpmath.cos, times(x[0], x[2]))),
            composed(mpmath.tan, scaled(0.3, x[0])),
        ],
        [0.5, 1.2, 0.7],
    ),
    "reciprocal": (
        lambda x: (1 / (1 - x[0]), x[1] / (x[2] + x[0] ** 2)),
        lambda x: [
            composed(lambda v: 1 / v, total(number(1.0, x[0]), minus(x[0]))),
            times(x[1], composed(lambda v: 1 / v, total(x[2], times(x[0], x[0])))),
        ],
        [0.2, 1.0, 1.5],
    ),
    "roots": (
        lambda x: (-casadi.sqrt(x[0]) + x[2], casadi.sqrt(1 + x[1] ** 2)),
        lambda x: [
            total(minus(composed(mpmath.sqrt, x[0])), x[2]),
            composed(mpmath.sqrt, total(number(1.0, x[0]), times(x[1], x[1]))),
        ],
        [1.3, 0.4, 0.2],
    ),
    "exponentials": (
        lambda x: (casadi.exp(-x[0]) * x[2], casadi.log(2 + x[1]) + casadi.tanh(x[0])),
        lambda x: [
            times(composed(mpmath.exp, minus(x[0])), x[2]),
            total(composed(mpmath.log, total(number(2.0, x[1]), x[1])), composed(mpmath.tanh, x[0])),
        ],
        [0.2, 0.1, 1.1],
    ),
    "inverse waves": (
        lambda x: (casadi.atan(x[1]) + casadi.asin(0.5 * x[0]), casadi.acos(0.5 * x[0]) - casadi.atan2(x[1], 2 + x[2])),
        lambda x: [
            total(composed(mpmath.atan, x[1]), composed(mpmath.asin, scaled(0.5, x[0]))),
            total(
                composed(mpmath.acos, scaled(0.5, x[0])),
                minus(composed(mpmath.atan, times(x[1], composed(lambda v: 1 / (2 + v), x[2])))),
            ),
        ],
        [0.4, 0.3, 0.5],
    ),
    "hyperbolic": (
        lambda x: (casadi.sinh(x[1]), casadi.cosh(x[0]) * (1 + x[2]) ** 1.5),
        lambda x: [
            composed(mpmath.sinh, x[1]),
            times(composed(mpmath.cosh, x[0]), composed(lambda v: (1 + v) ** mpmath.mpf(1.5), x[2])),
        ],
        [0.4, -0.3, 0.5],
    ),
    "kinks of known sign": (
        lambda x: (casadi.fabs(x[0]) - casadi.fabs(x[1]), casadi.fmax(x[0], x[1]) + casadi.fmin(x[0], x[1]) * x[2]),
        lambda x: [total(x[0], x[1]), total(x[0], times(x[1], x[2]))],
        [1.4, -1.3, 0.5],
    ),
    "what does not move": (
        lambda x: (x[2], casadi.sqrt(casadi.fabs(x[2])) + casadi.sin(x[2]) * x[1]),
        lambda x: [
            x[2],
            total(composed(lambda v: mpmath.sqrt(abs(v)), x[2]), times(composed(mpmath.sin, x[2]), x[1])),
        ],
        [0.4, -0.3, 0.5],
    ),
    "constants": (lambda x: (0.1, 0), lambda x: [number(0.1, x[0]), number(0.0, x[0])], [0.4, -0.3, 0.5]),
    "copies": (lambda x: (x[0], x[0]), lambda x: [x[0], x[0]], [0.4, -0.3, 0.5]),
    "negative power": (
        lambda x: ((2 + x[0]) ** -3, x[1] ** 5),
        lambda x: [composed(lambda v: (2 + v) ** -3, x[0]), composed(lambda v: v**5, x[1])],
        [0.4, 0.6, 0.5],
    ),
}


def field_tape(field: Field) -> Tape:
    """Of two states and an input."""
    x, u = casadi.SX.sym("x", 2), casadi.SX.sym("u")
    return Tape(casadi.Function("f", [x, u], [casadi.vertcat(*(casadi.SX(e) for e in field([x[0], x[1], u])))]))


def exact_series(field: ExactField, start: Vector, order: int = ORDER) -> list[Series]:
    """Coefficients of the solution by integrating the series again and again, one coefficient a time."""
    x = [[value, *([mpmath.mpf(0)] * order)] for value in start]
    for k in range(order):
        for state, slope in zip(x[:2], field([series[: k + 1] for series in x]), strict=True):
            state[k + 1] = slope[k] / (k + 1)
    return x[:2]


def arguments(program: JetProgram) -> tuple:
    return program.instructions, program.factors, program.moving, program.results


@pytest.mark.parametrize("size", [0.0, 1e-8, 0.05])
@pytest.mark.parametrize("name", FIELDS)
def test_series_of_solutions_are_enclosed_at_their_own_symbols(name: str, size: float) -> None:
    field, exact, centre = FIELDS[name]
    program, basis = jet_program(field_tape(field)), MonomialBasis((1, 2), 4)
    rng = np.random.default_rng(len(name))
    rows = random_rows(rng, basis, 3, generators=2, size=max(size, 1e-200))
    rows.coefficients[:, 0] = centre
    c, g = np.zeros((program.slots, ORDER + 1, basis.size)), np.zeros((program.slots, ORDER + 1, 2))
    r = np.zeros((program.slots, ORDER + 1))
    c[:3, 0], g[:3, 0], r[:3, 0] = rows.coefficients, rows.generators, rows.radius
    middle = program.constants.mean(axis=1)
    c[3 : 3 + len(middle), 0, 0], r[3 : 3 + len(middle), 0] = middle, np.ptp(program.constants, axis=1)
    failed = polynomial_jets(
        *arguments(program), True, ORDER, 5, c, g, r, basis.even, basis.products, basis.offsets, basis.counts
    )
    assert failed == -1
    for _ in range(3):
        xi, eta = symbols(rng, 2), symbols(rng, 2)
        series = exact_series(exact, random_values(rng, rows, xi, eta))
        for k in range(ORDER + 1):
            enclosure = PolynomialZonotope(basis, c[:2, k], g[:2, k], r[:2, k])
            assert np.isfinite(r[:2, k]).all()
            assert encloses(enclosure, [state[k] for state in series], xi, eta)


@pytest.mark.parametrize("size", [0.0, 1e-8, 0.05])
@pytest.mark.parametrize("name", FIELDS)
def test_series_of_all_solutions_from_a_box_are_in_their_ranges(name: str, size: float) -> None:
    field, exact, centre = FIELDS[name]
    program = jet_program(field_tape(field))
    rng = np.random.default_rng(len(name))
    low, high = np.zeros((program.slots, ORDER + 1)), np.zeros((program.slots, ORDER + 1))
    low[:3, 0], high[:3, 0] = np.array(centre) - size, np.array(centre) + size
    low[3 : 3 + len(program.constants), 0], high[3 : 3 + len(program.constants), 0] = program.constants.T
    assert interval_jets(*arguments(program), True, ORDER, low, high) == -1
    assert np.isfinite(high[:2]).all()
    assert np.isfinite(low[:2]).all()
    for _ in range(3):
        shares = symbols(rng, 3)
        ends = [(mpmath.mpf(float(a)), mpmath.mpf(float(b))) for a, b in zip(low[:3, 0], high[:3, 0], strict=True)]
        start = [a + (1 + s) / 2 * (b - a) for (a, b), s in zip(ends, shares, strict=True)]
        for i, state in enumerate(exact_series(exact, start)):
            for k in range(ORDER + 1):
                assert low[i, k] <= state[k] <= high[i, k]


@pytest.mark.parametrize("name", ["fabs", "fmax", "fmin"])
def test_kinks_of_unknown_sign_have_no_series_beyond_their_slopes(name: str) -> None:
    """Ranges of the second coefficient exist, those of the third do not, nor does a polynomial of the first slope."""
    pairs = {"fabs": lambda x: casadi.fabs(x[0]), "fmax": lambda x: casadi.fmax(x[0], x[1]),
             "fmin": lambda x: casadi.fmin(x[0], x[1])}  # fmt: skip
    program, basis = jet_program(field_tape(lambda x: (pairs[name](x), 1))), MonomialBasis((1, 1), 2)
    for sizes in ((1.0, 1.0), (1e-12, 0.0)):
        for order, defined in ((1, True), (2, True), (3, False)):
            low, high = np.zeros((program.slots, order + 1)), np.zeros((program.slots, order + 1))
            low[:2, 0], high[:2, 0] = np.negative(sizes), sizes
            failed = interval_jets(*arguments(program), True, order, low, high)
            assert (failed == -1) == defined
            assert defined or (program.is_kink(failed) and program.name(failed) == "fabs")
            if order == 2 and name == "fabs":
                # d|x|/dt = +-|x| / 2 has both signs
                assert low[0, 2] <= -0.5 * sizes[0]
                assert high[0, 2] >= 0.5 * sizes[0]
        for order, defined in ((1, True), (2, False)):
            c, r = np.zeros((program.slots, order + 1, basis.size)), np.zeros((program.slots, order + 1))
            c[0, 0, 1], c[1, 0, 2] = sizes
            g = np.zeros((program.slots, order + 1, 0))
            failed = polynomial_jets(
                *arguments(program), True, order, 3, c, g, r, basis.even, basis.products, basis.offsets, basis.counts
            )
            assert (failed == -1) == defined
            assert defined or program.is_kink(failed)


@pytest.mark.parametrize(
    ("field", "name", "low", "high"),
    [
        (lambda x: (casadi.sqrt(x[0]), 1), "sqrt", 0.0, 0.5),
        (lambda x: (casadi.sqrt(x[0]), 1), "sqrt", -0.5, 0.5),
        (lambda x: (casadi.log(x[0]), 1), "log", 0.0, 0.5),
        (lambda x: (casadi.asin(x[0]), 1), "asin", 0.5, 1.0),
        (lambda x: (casadi.asin(x[0]), 1), "asin", 0.5, 1.5),
        (lambda x: (1 / x[0], 1), "inv", 0.0, 0.5),
    ],
)
def test_failures_name_the_operation(field: Field, name: str, low: float, high: float) -> None:
    """Also where only the derivative is undefined."""
    program = jet_program(field_tape(field))
    ends = np.zeros((2, program.slots, 3))
    ends[:, 0, 0] = low, high
    failed = interval_jets(*arguments(program), True, 2, *ends)
    assert failed >= 0
    assert program.name(failed) == name


def test_equal_expressions_share_a_slot() -> None:
    tape = field_tape(lambda x: (casadi.sin(x[0]) + casadi.cos(x[0]), casadi.sin(x[0]) * casadi.cos(x[0])))
    assert len(jet_program(tape).instructions) == 4


def test_codes_are_those_of_the_kernels() -> None:
    codes = (kernels.SIN, kernels.COS, kernels.RECIPROCAL, kernels.EXP, kernels.LOG, kernels.SQRT, kernels.TANH)
    codes += (kernels.ARCTAN, kernels.ARCSIN, kernels.SINH, kernels.COSH)
    assert codes == tuple(range(len(FUNCTIONS)))
    names = ("sin", "cos", "inv", "exp", "log", "sqrt", "tanh", "atan", "asin", "sinh", "cosh")
    assert names == FUNCTIONS
