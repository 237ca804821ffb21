"""Continuous plants from a formula, and their solutions as power series with 60 digits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import mpmath
import numpy as np

from nnctrl.reachability.validated_step import HeldDynamics, Step
from nnctrl.sets.box import Box
from nnctrl.sets.monomials import MonomialBasis
from nnctrl.sets.polynomial_zonotope import PolynomialZonotope
from nnctrl.systems.plant import Plant

mpmath.mp.dps = 60

Series = list[mpmath.mpf]
Vector = list[mpmath.mpf]


def plant_of(
    field: Callable[[Any, Any, Any, Any], Sequence[Any]],
    states: int,
    inputs: int = 0,
    disturbances: Sequence[tuple[float, float]] = (),
    parameters: dict[str, Any] | None = None,
) -> Plant:
    """x' = field(x, u, w, p)."""

    class Formula(Plant):
        def dynamics(self, x: Any, u: Any, w: Any, p: Any) -> Any:
            return tuple(field(x, u, w, p))

    Formula.parameters = parameters or {}
    ranges = {f"w{k}": pair for k, pair in enumerate(disturbances)}
    return Formula(
        states={f"x{k}": "m" for k in range(states)},
        inputs={f"u{k}": "m" for k in range(inputs)},
        disturbances=dict.fromkeys(ranges, "m"),
        ranges=ranges,
    )


def box_rows(lower: Sequence[float], upper: Sequence[float], degree: int = 4) -> PolynomialZonotope:
    """A box over a symbol for each of its coordinates."""
    return PolynomialZonotope.of_box(Box(list(lower), list(upper)), MonomialBasis((1,) * len(lower), degree))


def no_rows(basis: MonomialBasis) -> PolynomialZonotope:
    """The inputs of a plant without any."""
    return PolynomialZonotope(basis, np.zeros((0, basis.size)), np.zeros((0, 0)), np.zeros(0))


def constant_rows(basis: MonomialBasis, values: Sequence[float]) -> PolynomialZonotope:
    """Known inputs."""
    coefficients = np.zeros((len(values), basis.size))
    coefficients[:, 0] = values
    return PolynomialZonotope(basis, coefficients, np.zeros((len(values), 0)), np.zeros(len(values)))


def validated(
    held: HeldDynamics,
    x: PolynomialZonotope,
    periods: int,
    u: PolynomialZonotope | None = None,
    w: np.ndarray | None = None,
    generators: int = 30,
) -> Iterator[tuple[mpmath.mpf, Step]]:
    """The exact time at which each step begins, and the step; the input is held for all periods."""
    inputs = no_rows(x.basis) if u is None else u
    for sample in range(periods):
        for step, _ in held.steps(x, inputs, w):
            yield mpmath.mpf(held.period) * (sample + mpmath.mpf(step.start)), step
            x = step.at_end()
        kept = inputs.generators.shape[1]
        if kept == 0:
            x = x.with_symbols_for_radius().reduced(generators)


def series_step(field: Callable[[list[Series]], Sequence[Series]], x: Vector, h: mpmath.mpf, order: int = 24) -> Vector:
    """x(h) of x' = field(x) by its power series; the terms left out are about (h / radius of convergence)^order."""
    series = [[value, *([mpmath.mpf(0)] * order)] for value in x]
    for k in range(order):
        for state, slope in zip(series, field([part[: k + 1] for part in series]), strict=True):
            state[k + 1] = slope[k] / (k + 1)
    return [mpmath.polyval(part[::-1], h) for part in series]


def solution(
    field: Callable[[list[Series]], Sequence[Series]], x: Vector, time: mpmath.mpf, longest: float = 0.05
) -> Vector:
    """x(time) by series steps of at most `longest`."""
    count = max(1, int(mpmath.ceil(time / longest)))
    for _ in range(count):
        x = series_step(field, x, time / count)
    return x


def times(a: Series, b: Series) -> Series:
    """The product of two series."""
    return [mpmath.fsum(a[i] * b[k - i] for i in range(k + 1)) for k in range(len(a))]


def sine_cosine(a: Series) -> tuple[Series, Series]:
    """Both series by their mutual recurrence."""
    s, c = [mpmath.sin(a[0])], [mpmath.cos(a[0])]
    for k in range(1, len(a)):
        s.append(mpmath.fsum(i * a[i] * c[k - i] for i in range(1, k + 1)) / k)
        c.append(-mpmath.fsum(i * a[i] * s[k - i] for i in range(1, k + 1)) / k)
    return s, c


def number(value: Any, like: Series) -> Series:
    """A constant series."""
    return [mpmath.mpf(value), *([mpmath.mpf(0)] * (len(like) - 1))]


def total(*parts: Series) -> Series:
    """The sum of series."""
    return [mpmath.fsum(column) for column in zip(*parts, strict=True)]


def scaled(factor: Any, a: Series) -> Series:
    """A multiple of a series."""
    return [mpmath.mpf(factor) * x for x in a]
