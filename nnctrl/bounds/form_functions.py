"""Elementary functions of first-order forms: the line about the centre, and the range of what it misses.

For a function f, an argument z in X and the point c of X nearest to its centre let s be a double near f'(c) and v one
near f(c). The residual `e(z) = f(z) - v - s (z - c)` lies in each of

- Taylor:    f(c) - v + (f'(c) - s)(z - c) + 1/2 f''(X) (z - c)^2, where X contains both z and c;
- range:     f(X) - v - s (z - c);
- curvature: where f'' >= 0 on X, e is convex and at most the larger of its values at the ends of X; where f'' <= 0, at
             least the smaller one.

The first is sharp on small boxes, where the values at the ends are lost in rounding, the last on wide ones. Functions
that activations know (tanh, the kink of abs, min and max) take their exact residuals from there.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.bounds.form_number import FormNumber
from nnctrl.bounds.form_residual import Term, bent, choose
from nnctrl.networks.activations import Activation, Relu, Tanh
from nnctrl.sets.interval import Interval
from nnctrl.sets.rounding import TINY, widen_down, widen_up

IntervalFunction = Callable[[Interval], Interval]


class Curve(NamedTuple):
    """A function with the ranges of its first and second derivative; each may be the whole line where undefined."""

    value: IntervalFunction
    slope: IntervalFunction
    bend: IntervalFunction


def _at_most(x: Interval, top: FloatArray | float) -> Interval:
    return Interval(np.minimum(x.lower, top), np.minimum(x.upper, top))


def _at_least(x: Interval, bottom: FloatArray | float) -> Interval:
    return Interval(np.maximum(x.lower, bottom), np.maximum(x.upper, bottom))


def _with_the_sign_of(bend: Interval, x: Interval, sign: float) -> Interval:
    """`bend` of a function whose second derivative has the sign of its argument (or the opposite one)."""
    low = x.lower if sign > 0.0 else -x.upper
    high = x.upper if sign > 0.0 else -x.lower
    return _at_most(_at_least(bend, np.where(low >= 0.0, 0.0, -np.inf)), np.where(high <= 0.0, 0.0, np.inf))


def _arcsin_bend(x: Interval) -> Interval:
    return _with_the_sign_of(x / _cube_of_root(x), x, 1.0)


def _arccos_bend(x: Interval) -> Interval:
    return -_arcsin_bend(x)


def _cube_of_root(x: Interval) -> Interval:
    square = 1.0 - x.square()
    return square * square.sqrt()


CURVES: dict[str, Curve] = {
    "sqrt": Curve(Interval.sqrt, lambda x: 0.5 / x.sqrt(), lambda x: _at_most(-0.25 / (x * x.sqrt()), 0.0)),
    "exp": Curve(Interval.exp, Interval.exp, Interval.exp),
    "log": Curve(Interval.log, lambda x: 1.0 / x, lambda x: _at_most(-1.0 / x.square(), 0.0)),
    "sin": Curve(Interval.sin, Interval.cos, lambda x: -x.sin()),
    "cos": Curve(Interval.cos, lambda x: -x.sin(), lambda x: -x.cos()),
    "tan": Curve(Interval.tan, lambda x: 1.0 + x.tan().square(), lambda x: 2.0 * x.tan() * (1.0 + x.tan().square())),
    "sinh": Curve(Interval.sinh, Interval.cosh, Interval.sinh),
    "cosh": Curve(Interval.cosh, Interval.sinh, Interval.cosh),
    "arcsin": Curve(Interval.arcsin, lambda x: 1.0 / (1.0 - x.square()).sqrt(), _arcsin_bend),
    "arccos": Curve(Interval.arccos, lambda x: -1.0 / (1.0 - x.square()).sqrt(), _arccos_bend),
    "arctan": Curve(
        Interval.arctan, lambda x: 1.0 / (1.0 + x.square()), lambda x: -2.0 * x / (1.0 + x.square()).square()
    ),
}
"""By NumPy's names."""


def curved(z: FormNumber, curve: Curve) -> FormNumber:
    """The function of a number; see the module."""
    with np.errstate(all="ignore"):
        image = curve.value(z.range)
        if z.is_constant:
            return z.table.constant(image)
        point = _point_inside(z)
        at_point, slope_there = curve.value(Interval.point(point)), curve.slope(Interval.point(point))
        value, slope = at_point.middle, slope_there.middle
        away, bend = z.about(point), curve.bend(z.range)
        residual = (at_point - value) + (slope_there - slope) * away + _half_of_square(bend, away)
        residual = residual.intersection(image - value - slope * away)
        ends = [
            curve.value(Interval.point(end)) - value - slope * (Interval.point(end) - point)
            for end in (z.range.lower, z.range.upper)
        ]
        highest = np.where(bend.lower >= 0.0, np.maximum(ends[0].upper, ends[1].upper), np.inf)
        lowest = np.where(bend.upper <= 0.0, np.minimum(ends[0].lower, ends[1].lower), -np.inf)
        residual = residual.intersection(Interval(lowest, highest))
        return bent([Term(slope, z, point)], value, residual, image)


def _half_of_square(bend: Interval, away: Interval) -> Interval:
    """`1/2 bend d^2` for d in `away`; a bend that is unbounded does no harm where d is 0."""
    square = away.square().upper
    low = np.where((bend.lower < 0.0) & (square > 0.0), widen_down(0.5 * bend.lower * square, 4.0) - TINY, 0.0)
    high = np.where((bend.upper > 0.0) & (square > 0.0), widen_up(0.5 * bend.upper * square, 4.0) + TINY, 0.0)
    return Interval(low, high)


def _point_inside(z: FormNumber) -> FloatArray:
    """The point of the range nearest to the centre."""
    point = np.clip(z.centre, z.range.lower, z.range.upper)
    return np.where(np.isfinite(point), point, z.range.middle)


def _activated(z: FormNumber, activation: Activation, image: Interval) -> FormNumber:
    """An activation of a number, by the activation's own line."""
    with np.errstate(all="ignore"):
        if z.is_constant:
            return z.table.constant(image)
        point = _point_inside(z)
        away = z.about(point)
        line = activation.linearise(point, away.lower, away.upper)
        known = np.isfinite(line.residual_lower) & np.isfinite(line.residual_upper)
        residual = Interval(np.where(known, line.residual_lower, -np.inf), np.where(known, line.residual_upper, np.inf))
        slope, value = (np.where(np.isfinite(part), part, 0.0) for part in (line.slope, line.value))
        return bent([Term(slope, z, point)], value, residual, image)


def positive_part(z: FormNumber) -> FormNumber:
    """max(z, 0)."""
    return _activated(z, Relu(), z.range.maximum(0.0))


def whole_power(z: FormNumber, exponent: int) -> FormNumber:
    """z^exponent for a whole exponent."""
    n = exponent
    if n in (0, 1):
        return z if n else z.table.constant(z.range**0)
    slope, bend = (float(factor) for factor in (n, n * (n - 1)))
    return curved(z, Curve(lambda x: x**n, lambda x: slope * x ** (n - 1), lambda x: bend * x ** (n - 2)))


HALF_TURN = Interval(np.array(np.pi / 2.0), np.nextafter(np.pi / 2.0, 2.0))
"""pi / 2."""


def angle(y: FormNumber, x: FormNumber) -> FormNumber:
    """Angle of the vector (x, y) in [-pi, pi], by the arctangent of the quotient that is small in each half-plane."""
    image = y.range.arctan2(x.range)
    if y.is_constant and x.is_constant:
        return y.table.constant(image)
    steep = (x / y).arctan()
    result = choose(y.range.lower > 0.0, HALF_TURN - steep, y.table.constant(image))
    result = choose(y.range.upper < 0.0, -HALF_TURN - steep, result)
    # where both quotients will do the smaller one is the better
    one_sided = (y.range.lower > 0.0) | (y.range.upper < 0.0)
    ahead = (x.range.lower > 0.0) & (~one_sided | (x.range.lower > abs(y.range).upper))
    return choose(ahead, (y / x).arctan(), result).narrowed(image)


FUNCTIONS: dict[str, Callable[[FormNumber], FormNumber]] = {
    **{name: partial(curved, curve=curve) for name, curve in CURVES.items()},
    "tanh": lambda z: _activated(z, Tanh(), z.range.tanh()),
}
"""Every elementary function by NumPy's name."""
