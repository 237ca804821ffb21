"""Intervals as pairs of doubles, for compiled loops: arithmetic, and Taylor coefficients of elementary functions.

The scalar twin of `elementary`, with the same assumptions: every result is rounded outward, the library's functions are
within `LIBRARY_ULPS`. nan says that a function is not defined on the whole interval, or that it overflowed.
"""

from __future__ import annotations

import math

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.compiled import compiled
from nnctrl.sets.elementary import LARGEST_ANGLE, LIBRARY_ROUNDOFFS, TURNS_PER_RADIAN
from nnctrl.sets.rounding import TINY, UNIT_ROUNDOFF

SIN, COS, RECIPROCAL, EXP, LOG, SQRT, TANH, ARCTAN, ARCSIN, SINH, COSH = range(11)
"""The elementary functions of `taylor_coefficients`."""

_ONE_ROUNDING = 3.0 * UNIT_ROUNDOFF
_LIBRARY = (LIBRARY_ROUNDOFFS + 2.0) * UNIT_ROUNDOFF

Ends = tuple[float, float]


@compiled
def below(x: float) -> float:
    """At most the real value that `x` approximates with one rounding."""
    return x - (abs(x) * _ONE_ROUNDING + TINY)


@compiled
def above(x: float) -> float:
    """At least the real value that `x` approximates with one rounding."""
    return x + (abs(x) * _ONE_ROUNDING + TINY)


@compiled
def _wide(low: float, high: float) -> Ends:
    """Around values of the library's functions."""
    return low - (abs(low) * _LIBRARY + TINY), high + (abs(high) * _LIBRARY + TINY)


@compiled
def add(a: float, b: float, c: float, d: float) -> Ends:
    """[a, b] + [c, d]."""
    return below(a + c), above(b + d)


@compiled
def multiply(a: float, b: float, c: float, d: float) -> Ends:
    """[a, b] [c, d]; exactly 0 if a factor is."""
    if (a == 0.0 and b == 0.0) or (c == 0.0 and d == 0.0):
        # 0 times what is unknown is unknown
        return 0.0 * (a + b + c + d), 0.0 * (a + b + c + d)
    p, q, r, s = a * c, a * d, b * c, b * d
    if p != p or q != q or r != r or s != s:
        return math.nan, math.nan
    return below(min(min(p, q), min(r, s))), above(max(max(p, q), max(r, s)))


@compiled
def square(a: float, b: float) -> Ends:
    """[a, b]^2, never below 0."""
    if a != a or b != b:
        # min and max would lose a second argument that is nan
        return math.nan, math.nan
    far = max(abs(a), abs(b))
    if a <= 0.0 <= b:
        return 0.0, above(far * far)
    near = min(abs(a), abs(b))
    return max(below(near * near), 0.0), above(far * far)


@compiled
def reciprocal(a: float, b: float) -> Ends:
    """1 / [a, b]; nan where 0 may be inside."""
    if a > 0.0 or b < 0.0:
        return below(1.0 / b), above(1.0 / a)
    return math.nan, math.nan


@compiled
def _may_pass(first: float, last: float, phase: float) -> bool:
    """Whether an angle of `phase` turns modulo whole ones may lie between `first` and `last` turns."""
    slack = (8.0 * UNIT_ROUNDOFF) * (max(abs(first), abs(last)) + 1.0)
    return math.ceil((first - phase) - slack) <= math.floor((last - phase) + slack)


@compiled
def wave(kind: int, a: float, b: float) -> Ends:
    """Sine or cosine of [a, b] in radians."""
    if not (abs(a) <= LARGEST_ANGLE and abs(b) <= LARGEST_ANGLE):
        return -1.0 + 0.0 * (a + b), 1.0 + 0.0 * (a + b)
    first, last = a * TURNS_PER_RADIAN, b * TURNS_PER_RADIAN
    if kind == SIN:
        x, y, top, bottom = math.sin(a), math.sin(b), 0.25, 0.75
    else:
        x, y, top, bottom = math.cos(a), math.cos(b), 0.0, 0.5
    low, high = _wide(min(x, y), max(x, y))
    if _may_pass(first, last, bottom):
        low = -1.0
    if _may_pass(first, last, top):
        high = 1.0
    return max(low, -1.0), min(high, 1.0)


@compiled
def value(kind: int, a: float, b: float) -> Ends:
    """The range of an elementary function on [a, b]."""
    if kind in (SIN, COS):
        return wave(kind, a, b)
    if kind == RECIPROCAL:
        return reciprocal(a, b)
    if kind == EXP:
        low, high = _wide(math.exp(a), math.exp(b))
        return max(low, 0.0), high
    if kind == LOG:
        return _wide(math.log(a), math.log(b)) if a > 0.0 else (math.nan, math.nan)
    if kind == SQRT:
        if not a >= 0.0:
            return math.nan, math.nan
        return max(below(math.sqrt(a)), 0.0), above(math.sqrt(b))
    if kind == TANH:
        low, high = _wide(math.tanh(a), math.tanh(b))
        return max(low, -1.0), min(high, 1.0)
    if kind == ARCTAN:
        return _wide(math.atan(a), math.atan(b))
    if kind == ARCSIN:
        return _wide(math.asin(a), math.asin(b)) if a >= -1.0 and b <= 1.0 else (math.nan, math.nan)
    if kind == SINH:
        return _wide(math.sinh(a), math.sinh(b))
    near = 0.0 if a <= 0.0 <= b else min(abs(a), abs(b))
    low, high = _wide(math.cosh(near), math.cosh(max(abs(a), abs(b))))
    return max(low, 1.0), high


@compiled
def taylor_coefficients(kind: int, a: float, b: float, order: int, low: FloatArray, high: FloatArray) -> None:
    """Ranges of f^(k) / k! on [a, b] for k = 0 .. `order`, into `low` and `high` [order + 1].

    The coefficients are those of f(x + t) in t, by the recurrences of automatic differentiation (Griewank and Walther,
    Evaluating Derivatives, 2nd ed., section 13.2).
    """
    low[0], high[0] = value(kind, a, b)
    if order == 0:
        return
    if kind in (SIN, COS, SINH, COSH):
        _alternating(kind, a, b, order, low, high)
        return
    if kind == TANH:
        _hyperbolic_tangent(order, low, high)
        return
    if kind in (ARCTAN, ARCSIN):
        _inverse_of_wave(kind, a, b, order, low, high)
        return
    if kind == EXP:
        for k in range(1, order + 1):
            low[k], high[k] = below(low[k - 1] / k), above(high[k - 1] / k)
        return
    p, q = reciprocal(a, b)
    if kind == LOG:
        low[1], high[1] = p, q
    for k in range(2 if kind == LOG else 1, order + 1):
        if kind == RECIPROCAL:
            x, y = -q, -p
        else:
            # binomials of 1/2, and of the logarithm
            factor = (1.5 - k) / k if kind == SQRT else -(k - 1.0) / k
            x, y = multiply(below(factor), above(factor), p, q)
        low[k], high[k] = multiply(low[k - 1], high[k - 1], x, y)


@compiled
def _alternating(kind: int, a: float, b: float, order: int, low: FloatArray, high: FloatArray) -> None:
    """Functions whose derivatives come back up to the sign."""
    trigonometric = COS if kind == SIN else SIN
    hyperbolic = COSH if kind == SINH else SINH
    other = trigonometric if kind in (SIN, COS) else hyperbolic
    x, y = low[0], high[0]
    u, v = value(other, a, b)
    factorial = 1.0
    for k in range(1, order + 1):
        factorial *= k
        p, q = (u, v) if k % 2 else (x, y)
        negative = (kind == SIN and k % 4 >= 2) or (kind == COS and (k % 4 == 1 or k % 4 == 2))
        if negative:
            p, q = -q, -p
        low[k], high[k] = below(p / factorial), above(q / factorial)


@compiled
def _hyperbolic_tangent(order: int, low: FloatArray, high: FloatArray) -> None:
    """y' = s with s = 1 - y^2."""
    s_low, s_high = np.zeros(order + 1), np.zeros(order + 1)
    p, q = square(low[0], high[0])
    s_low[0], s_high[0] = max(below(1.0 - q), 0.0), min(above(1.0 - p), 1.0)
    for k in range(1, order + 1):
        low[k], high[k] = below(s_low[k - 1] / k), above(s_high[k - 1] / k)
        p, q = 0.0, 0.0
        for i in range(k + 1):
            x, y = multiply(low[i], high[i], low[k - i], high[k - i])
            p, q = add(p, q, x, y)
        s_low[k], s_high[k] = -q, -p


@compiled
def _inverse_of_wave(kind: int, a: float, b: float, order: int, low: FloatArray, high: FloatArray) -> None:
    """y' = d with d = g^e, g = 1 + x^2 and e = -1 (arc tangent), g = 1 - x^2 and e = -1/2 (arc sine)."""
    sign = 1.0 if kind == ARCTAN else -1.0
    exponent = -1.0 if kind == ARCTAN else -0.5
    p, q = square(a, b)
    if sign < 0.0:
        p, q = -q, -p
    p, q = add(p, q, 1.0, 1.0)
    d_low, d_high = np.zeros(order), np.zeros(order)
    inverse_low, inverse_high = reciprocal(p, q)
    d_low[0], d_high[0] = inverse_low, inverse_high
    if kind == ARCSIN:
        root_low, root_high = value(SQRT, p, q)
        d_low[0], d_high[0] = reciprocal(root_low, root_high)
    for k in range(1, order):
        # k g_0 d_k = sum_i (i e - (k - i)) g_i d_(k-i), g_1 = +-2x and g_2 = +-1; the factors are exact
        f = sign * 2.0 * (exponent - (k - 1.0))
        x, y = multiply(min(f * a, f * b), max(f * a, f * b), d_low[k - 1], d_high[k - 1])
        x, y = below(x), above(y)
        if k > 1:
            f = sign * (2.0 * exponent - (k - 2.0))
            u, v = multiply(f, f, d_low[k - 2], d_high[k - 2])
            x, y = add(x, y, u, v)
        x, y = multiply(x, y, inverse_low, inverse_high)
        d_low[k], d_high[k] = below(x / k), above(y / k)
    for k in range(1, order + 1):
        low[k], high[k] = below(d_low[k - 1] / k), above(d_high[k - 1] / k)
