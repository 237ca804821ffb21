"""Ranges of arithmetic and elementary functions on intervals, rounded outward; NumPy float64 arrays.

Each function takes the ends of intervals and returns the ends of their images: monotone functions by their ends, sine
and cosine with the extremes that lie inside. The library's values are widened by `LIBRARY_ULPS`. nan in a result means
that the function is not defined on the whole interval, or overflowed; `Interval` turns it into the whole line.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nnctrl._typing import FloatArray
from nnctrl.sets.rounding import LIBRARY_ULPS, UNIT_ROUNDOFF, widen_down, widen_up

Ends = tuple[FloatArray, FloatArray]
BoolArray = NDArray[np.bool_]

LIBRARY_ROUNDOFFS = 2.0 * LIBRARY_ULPS

MAX_POWER = 2**20
"""Beyond it the rounding of repeated squaring is no longer a small multiple of the roundoff."""

LARGEST_ANGLE = 2.0**20
"""Beyond this many radians sine and cosine are only known to lie in [-1, 1] and the tangent is unknown."""

TURNS_PER_RADIAN = 1.0 / (2.0 * math.pi)


def _below(value: FloatArray) -> FloatArray:
    return widen_down(value, LIBRARY_ROUNDOFFS)


def _above(value: FloatArray) -> FloatArray:
    return widen_up(value, LIBRARY_ROUNDOFFS)


def _monotone(function: Callable[[FloatArray], FloatArray], lower: FloatArray, upper: FloatArray) -> Ends:
    """An increasing library function; it gives nan outside its domain by itself."""
    return _below(function(lower)), _above(function(upper))


def nearest_to_zero(lower: FloatArray, upper: FloatArray) -> FloatArray:
    """Least |x| on the interval."""
    return np.where((lower <= 0.0) & (upper >= 0.0), 0.0, np.minimum(abs(lower), abs(upper)))


def farthest_from_zero(lower: FloatArray, upper: FloatArray) -> FloatArray:
    """Largest |x| on the interval."""
    return np.maximum(abs(lower), abs(upper))


def add_range(a: Ends, b: Ends) -> Ends:
    """Sums."""
    return widen_down(a[0] + b[0], 1.0, absolute=0.0), widen_up(a[1] + b[1], 1.0, absolute=0.0)


def subtract_range(a: Ends, b: Ends) -> Ends:
    """Differences."""
    return add_range(a, (np.negative(b[1]), np.negative(b[0])))


def multiply_range(a: Ends, b: Ends) -> Ends:
    """Products."""
    return _by_signs(a, b, [x * y for x in a for y in b])


def divide_range(a: Ends, b: Ends) -> Ends:
    """Quotients; undefined where the divisor may be 0."""
    lower, upper = _by_signs(a, b, [x / y for x in a for y in b])
    return np.where((b[0] <= 0.0) & (b[1] >= 0.0), np.nan, lower), upper


def _by_signs(a: Ends, b: Ends, corners: list[FloatArray]) -> Ends:
    """Outer ends of a product or quotient from its values at the corners; the sign, where known, survives underflow."""
    values = np.stack(np.broadcast_arrays(*corners))
    low: FloatArray = widen_down(values.min(axis=0), 1.0)
    high: FloatArray = widen_up(values.max(axis=0), 1.0)
    # a factor that is exactly 0 leaves no sign at all
    zero = ((a[0] == 0.0) & (a[1] == 0.0)) | ((b[0] == 0.0) & (b[1] == 0.0))
    same = zero | ((a[0] >= 0.0) & (b[0] >= 0.0)) | ((a[1] <= 0.0) & (b[1] <= 0.0))
    opposite = zero | ((a[0] >= 0.0) & (b[1] <= 0.0)) | ((a[1] <= 0.0) & (b[0] >= 0.0))
    return np.where(same, np.maximum(low, 0.0), low), np.where(opposite, np.minimum(high, 0.0), high)


def power_range(lower: FloatArray, upper: FloatArray, power: int) -> Ends:
    """`x^power` for 0 <= power <= MAX_POWER: by magnitudes, with the sign put back for odd powers."""
    if power % 2 == 0:
        least, most = nearest_to_zero(lower, upper), farthest_from_zero(lower, upper)
        return _power_down(least, power), _power_up(most, power)
    return (
        np.where(lower >= 0.0, _power_down(abs(lower), power), -_power_up(abs(lower), power)),
        np.where(upper >= 0.0, _power_up(abs(upper), power), -_power_down(abs(upper), power)),
    )


def _power_up(x: FloatArray, power: int) -> FloatArray:
    """Upper bound of x^power, x >= 0; powers 0 and 1, and those of 0, are exact."""
    value = _power_of_magnitude(x, power)
    return np.where(x == 0.0, value, widen_up(value, 2.0 * power)) if power > 1 else value


def _power_down(x: FloatArray, power: int) -> FloatArray:
    """Lower bound (>= 0) of x^power, x >= 0."""
    value = _power_of_magnitude(x, power)
    return np.maximum(widen_down(value, 2.0 * power), 0.0) if power > 1 else value


def _power_of_magnitude(x: FloatArray, power: int) -> FloatArray:
    """x^power by repeated squaring: a product of `power` factors, hence with power - 1 roundings."""
    result, square, left = np.ones_like(x), x, power
    while left:
        if left % 2:
            result = result * square
        left //= 2
        if left:
            square = square * square
    return result


def sqrt_range(lower: FloatArray, upper: FloatArray) -> Ends:
    """Square root (correctly rounded by IEEE 754); undefined if any part of the interval is negative."""
    low, high = np.sqrt(lower), np.sqrt(upper)
    # the root of a perfect square may be exact, but 0 is the only value worth keeping so
    below = np.maximum(widen_down(low, 1.0), 0.0)
    return below, np.where(high == 0.0, high, widen_up(high, 1.0))


def exp_range(lower: FloatArray, upper: FloatArray) -> Ends:
    """Exponential, never below 0."""
    low, high = _monotone(np.exp, lower, upper)
    return np.maximum(low, 0.0), high


def log_range(lower: FloatArray, upper: FloatArray) -> Ends:
    """Natural logarithm; undefined if any part of the interval is <= 0."""
    low, high = _monotone(np.log, lower, upper)
    return np.where(lower > 0.0, low, np.nan), high


def tanh_range(lower: FloatArray, upper: FloatArray) -> Ends:
    """Hyperbolic tangent, within [-1, 1]."""
    low, high = _monotone(np.tanh, lower, upper)
    return np.clip(low, -1.0, 1.0), np.clip(high, -1.0, 1.0)


def sinh_range(lower: FloatArray, upper: FloatArray) -> Ends:
    """Hyperbolic sine."""
    return _monotone(np.sinh, lower, upper)


def cosh_range(lower: FloatArray, upper: FloatArray) -> Ends:
    """Hyperbolic cosine, even, at least 1."""
    low, high = _monotone(np.cosh, nearest_to_zero(lower, upper), farthest_from_zero(lower, upper))
    return np.maximum(low, 1.0), high


def arctan_range(lower: FloatArray, upper: FloatArray) -> Ends:
    """Arc tangent."""
    return _monotone(np.arctan, lower, upper)


def arcsin_range(lower: FloatArray, upper: FloatArray) -> Ends:
    """Arc sine; undefined outside [-1, 1]."""
    return _monotone(np.arcsin, lower, upper)


def arccos_range(lower: FloatArray, upper: FloatArray) -> Ends:
    """Arc cosine, decreasing, at least 0; undefined outside [-1, 1]."""
    low, high = _below(np.arccos(upper)), _above(np.arccos(lower))
    return np.maximum(low, 0.0), high


def arctan2_range(y: Ends, x: Ends) -> Ends:
    """Angle of the vector (x, y) in [-pi, pi].

    Over a box that does not touch the cut (the negative half-axis and 0) it is monotone along every edge and has its
    extremes at corners; over one that does nothing is said but that it is an angle.
    """
    corners = np.stack(np.broadcast_arrays(*(np.arctan2(b, a) for a in x for b in y)))
    cut = (x[0] <= 0.0) & (y[0] <= 0.0) & (y[1] >= 0.0)
    largest = np.nextafter(math.pi, 4.0)
    low, high = np.maximum(_below(corners.min(axis=0)), -largest), np.minimum(_above(corners.max(axis=0)), largest)
    return np.where(cut, -largest, low), np.where(cut, largest, high)


def sin_range(lower: FloatArray, upper: FloatArray) -> Ends:
    """Sine: 1 is reached at a quarter turn, -1 at three quarters."""
    return _wave(np.sin, lower, upper, top=0.25, bottom=0.75)


def cos_range(lower: FloatArray, upper: FloatArray) -> Ends:
    """Cosine: 1 is reached at zero turns, -1 at half a turn."""
    return _wave(np.cos, lower, upper, top=0.0, bottom=0.5)


def tan_range(lower: FloatArray, upper: FloatArray) -> Ends:
    """Tangent: increasing between its poles at one and three quarters of a turn, undefined where one may lie."""
    pole = _may_pass(lower, upper, 0.25) | _may_pass(lower, upper, 0.75) | _is_too_large(lower, upper)
    low, high = _monotone(np.tan, lower, upper)
    return np.where(pole, np.nan, low), high


def _wave(
    function: Callable[[FloatArray], FloatArray], lower: FloatArray, upper: FloatArray, top: float, bottom: float
) -> Ends:
    """Sine or cosine, whose extremes inside the interval are at `top` and `bottom` turns (modulo whole turns)."""
    at_lower, at_upper = function(lower), function(upper)
    low = np.maximum(_below(np.minimum(at_lower, at_upper)), -1.0)
    high = np.minimum(_above(np.maximum(at_lower, at_upper)), 1.0)
    unknown = _is_too_large(lower, upper)
    return (
        np.where(unknown | _may_pass(lower, upper, bottom), -1.0, low),
        np.where(unknown | _may_pass(lower, upper, top), 1.0, high),
    )


def _is_too_large(lower: FloatArray, upper: FloatArray) -> BoolArray:
    return farthest_from_zero(lower, upper) > LARGEST_ANGLE


def _may_pass(lower: FloatArray, upper: FloatArray, phase: float) -> BoolArray:
    """Whether the interval may contain an angle of `phase` turns modulo whole turns; False is certain.

    The angle in turns is off by at most 3 roundoffs of itself (constant and product); a slack of 8 roundoffs of
    |turns| + 1 covers the two subtractions as well.
    """
    first, last = lower * TURNS_PER_RADIAN, upper * TURNS_PER_RADIAN
    slack = (8.0 * UNIT_ROUNDOFF) * (np.maximum(abs(first), abs(last)) + 1.0)
    return np.ceil((first - phase) - slack) <= np.floor((last - phase) + slack)
