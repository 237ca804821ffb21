"""Interval arrays: the algebra that expressions are evaluated over when a range is wanted.

`Interval(lower, upper)` stands for one unknown real number in [lower, upper] per entry. Every operation returns an
interval that contains the real result for all values of the operands, rounded outward.

The whole line [-inf, inf] also stands for "undefined" (a logarithm of something that may be negative, a quotient by
something that may be zero, an overflow): every operation on it gives it again, `0 * x`, `tanh(x)` and `minimum(x, 0)`
included, so that nothing undefined can turn into a claim. A half-line has no such meaning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from nnctrl._typing import FloatArray
from nnctrl.errors import InputError, UnsupportedError
from nnctrl.sets import elementary
from nnctrl.sets.elementary import (
    MAX_POWER,
    BoolArray,
    Ends,
    add_range,
    divide_range,
    farthest_from_zero,
    multiply_range,
    nearest_to_zero,
    power_range,
    subtract_range,
)
from nnctrl.sets.rounding import add_down, add_up, affine_enclosure


@dataclass(frozen=True, eq=False)
class Interval:
    """Closed real intervals [lower, upper]: read-only float64 arrays of one shape (given ones are broadcast).

    A nan end, or an interval beyond all finite numbers, makes an entry the whole line; an inverted one raises
    InputError. The operators take numbers and arrays on either side and read them as the doubles that they convert to.
    Cost: a few NumPy passes per operation.
    """

    lower: FloatArray
    upper: FloatArray

    __array_ufunc__: ClassVar[None] = None  # arrays on the left leave the operators to this class

    def __post_init__(self) -> None:
        low, high = np.broadcast_arrays(np.asarray(self.lower, np.float64), np.asarray(self.upper, np.float64))
        inverted = np.argwhere(low > high)
        if inverted.size:
            entry = tuple(int(k) for k in inverted[0])
            raise InputError(
                f"entry {entry} of an interval has lower end {low[entry]} above upper end {high[entry]}; "
                "give lower <= upper"
            )
        self._set(low.copy(), high.copy(), (low == np.inf) | (high == -np.inf))

    @staticmethod
    def point(value: ArrayLike) -> Interval:
        """The intervals [value, value]."""
        ends = np.asarray(value, np.float64)
        return Interval(ends, ends)

    @staticmethod
    def stack(parts: Sequence[Interval | float], axis: int = -1) -> Interval:
        """Intervals (and numbers) of shapes that broadcast against each other, joined along a new axis."""
        intervals = [part if isinstance(part, Interval) else Interval.point(part) for part in parts]
        lower = np.stack(np.broadcast_arrays(*(part.lower for part in intervals)), axis)
        upper = np.stack(np.broadcast_arrays(*(part.upper for part in intervals)), axis)
        return _result(lower, upper)

    def _set(self, lower: FloatArray, upper: FloatArray, undefined: BoolArray | bool) -> None:
        unknown = undefined | np.isnan(lower) | np.isnan(upper)
        if np.any(unknown):
            lower, upper = np.where(unknown, -np.inf, lower), np.where(unknown, np.inf, upper)
        for name, ends in (("lower", lower), ("upper", upper)):
            array = np.asarray(ends)
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    # shape

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the arrays of ends."""
        return self.lower.shape

    def __len__(self) -> int:
        return len(self.lower)

    def __getitem__(self, index: Any) -> Interval:
        return _result(self.lower[index], self.upper[index])

    # midpoint and radius, membership, comparison

    @property
    def is_entire(self) -> BoolArray:
        """Which entries are the whole line (unknown or undefined)."""
        return (self.lower == -np.inf) & (self.upper == np.inf)

    @property
    def middle(self) -> FloatArray:
        """A finite point of each interval, near its midpoint where it is bounded."""
        largest = np.finfo(np.float64).max
        low, high = np.clip(self.lower, -largest, largest), np.clip(self.upper, -largest, largest)
        return np.clip(0.5 * low + 0.5 * high, low, high)

    @property
    def radius(self) -> FloatArray:
        """Outward: [middle - radius, middle + radius] contains the interval; 0 for a point, inf for the unbounded."""
        with np.errstate(all="ignore"):
            middle = self.middle
            return np.maximum(add_up(self.upper, -middle), add_up(middle, -self.lower))

    def contains(self, other: Interval | ArrayLike) -> BoolArray:
        """Entrywise, whether `other` lies inside, both ends included; an interval does if all of its numbers do.

        Decided exactly for the stored ends; an integer beyond 2^53 is read as the double that it converts to. nan lies
        nowhere, and the whole line only in the whole line, whatever undefined value it stands for.
        """
        low, high = (other.lower, other.upper) if isinstance(other, Interval) else (np.asarray(other),) * 2
        return (self.lower <= low) & (high <= self.upper)

    def certainly_less(self, other: Interval | ArrayLike) -> BoolArray:
        """Entrywise, whether every value here is < every value there; False means "not known"."""
        return np.less(self.upper, other.lower if isinstance(other, Interval) else other)

    def certainly_at_most(self, other: Interval | ArrayLike) -> BoolArray:
        """Entrywise, whether every value here is <= every value there and bounded; False means "not known"."""
        bounded = self.upper < np.inf
        return bounded & np.less_equal(self.upper, other.lower if isinstance(other, Interval) else other)

    def hull(self, other: Interval | ArrayLike) -> Interval:
        """The least intervals that contain both."""
        b = _known(other)
        return _result(np.minimum(self.lower, b.lower), np.maximum(self.upper, b.upper))

    def intersection(self, other: Interval | ArrayLike) -> Interval:
        """The values in both, for two enclosures of the same number; InputError where they do not meet."""
        b = _known(other)
        lower, upper = np.maximum(self.lower, b.lower), np.minimum(self.upper, b.upper)
        if np.any(lower > upper):
            entry = tuple(int(k) for k in np.argwhere(lower > upper)[0])
            raise InputError(
                f"two intervals do not meet at entry {entry}: the larger lower end is {lower[entry]}, the smaller "
                f"upper end {upper[entry]}; they cannot enclose the same number"
            )
        return _result(lower, upper)

    # arithmetic

    def __neg__(self) -> Interval:
        return _result(-self.upper, -self.lower)

    def __pos__(self) -> Interval:
        return self

    def __add__(self, other: Interval | ArrayLike) -> Interval:
        return _binary(add_range, self, other)

    __radd__ = __add__

    def __sub__(self, other: Interval | ArrayLike) -> Interval:
        return _binary(subtract_range, self, other)

    def __rsub__(self, other: Interval | ArrayLike) -> Interval:
        return (-self) + other

    def __mul__(self, other: Interval | ArrayLike) -> Interval:
        # the same unknown number on both sides
        return self.square() if other is self else _binary(multiply_range, self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Interval | ArrayLike) -> Interval:
        return _binary(divide_range, self, other)

    def __rtruediv__(self, other: Interval | ArrayLike) -> Interval:
        return _binary(lambda a, b: divide_range(b, a), self, other)

    def __pow__(self, exponent: int | float) -> Interval:
        """Integer powers, tight for even ones; negative ones are reciprocals."""
        if not isinstance(exponent, Real) or not abs(exponent) <= MAX_POWER or not float(exponent).is_integer():
            raise UnsupportedError(
                f"an interval is raised to the power {exponent}, but only whole numbers up to {MAX_POWER} are "
                "supported; write exp(p * log(x))"
            )
        power = int(exponent)
        if power < 0:
            return 1.0 / self ** (-power)
        return _unary(lambda low, high: power_range(low, high, power), self)

    def square(self) -> Interval:
        """`x^2`, never below 0."""
        return self**2

    def __abs__(self) -> Interval:
        return _unary(lambda low, high: (nearest_to_zero(low, high), farthest_from_zero(low, high)), self)

    def minimum(self, other: Interval | ArrayLike) -> Interval:
        """Smaller of two numbers; exact."""
        return _binary(lambda a, b: (np.minimum(a[0], b[0]), np.minimum(a[1], b[1])), self, other)

    def maximum(self, other: Interval | ArrayLike) -> Interval:
        """Larger of two numbers; exact."""
        return _binary(lambda a, b: (np.maximum(a[0], b[0]), np.maximum(a[1], b[1])), self, other)

    def affine(self, weight: FloatArray, bias: FloatArray) -> Interval:
        """`W x + b` over the last axis: weight [m, n], bias [m], self [..., n]."""
        with np.errstate(all="ignore"):
            middle, spread = affine_enclosure(self.middle, self.radius, weight, bias)
            return _result(add_down(middle, -spread), add_up(middle, spread), ~np.isfinite(spread))

    # elementary functions

    def sqrt(self) -> Interval:
        """Square root; undefined where the interval reaches below 0."""
        return _unary(elementary.sqrt_range, self)

    def exp(self) -> Interval:
        """Exponential."""
        return _unary(elementary.exp_range, self)

    def log(self) -> Interval:
        """Natural logarithm; undefined where the interval reaches 0."""
        return _unary(elementary.log_range, self)

    def sin(self) -> Interval:
        """Sine (radians); [-1, 1] for wide or huge arguments."""
        return _unary(elementary.sin_range, self)

    def cos(self) -> Interval:
        """Cosine (radians); [-1, 1] for wide or huge arguments."""
        return _unary(elementary.cos_range, self)

    def tan(self) -> Interval:
        """Tangent (radians); undefined where the interval may hold a pole."""
        return _unary(elementary.tan_range, self)

    def arcsin(self) -> Interval:
        """Arc sine; undefined outside [-1, 1]."""
        return _unary(elementary.arcsin_range, self)

    def arccos(self) -> Interval:
        """Arc cosine; undefined outside [-1, 1]."""
        return _unary(elementary.arccos_range, self)

    def arctan(self) -> Interval:
        """Arc tangent."""
        return _unary(elementary.arctan_range, self)

    def arctan2(self, other: Interval | ArrayLike) -> Interval:
        """Angle of the vector with these ordinates and the other's abscissae; [-pi, pi] across the negative axis."""
        return _binary(elementary.arctan2_range, self, other)

    def sinh(self) -> Interval:
        """Hyperbolic sine."""
        return _unary(elementary.sinh_range, self)

    def cosh(self) -> Interval:
        """Hyperbolic cosine."""
        return _unary(elementary.cosh_range, self)

    def tanh(self) -> Interval:
        """Hyperbolic tangent."""
        return _unary(elementary.tanh_range, self)


def _result(lower: FloatArray, upper: FloatArray, undefined: BoolArray | bool = False) -> Interval:
    """An interval from ends that are ordered; nan, or `undefined`, becomes the whole line."""
    interval = Interval.__new__(Interval)
    interval._set(lower, upper, undefined)
    return interval


def _known(value: Interval | ArrayLike) -> Interval:
    return value if isinstance(value, Interval) else Interval.point(value)


def _unary(function: Callable[[FloatArray, FloatArray], Ends], x: Interval) -> Interval:
    with np.errstate(all="ignore"):
        lower, upper = function(x.lower, x.upper)
        return _result(lower, upper, x.is_entire)


def _binary(function: Callable[[Ends, Ends], Ends], x: Interval, other: Interval | ArrayLike) -> Interval:
    """`function` of both; NotImplemented (so that Python looks on) for what is neither an interval nor real numbers."""
    if not isinstance(other, Interval):
        if np.asarray(other).dtype.kind not in "fiub":
            return NotImplemented
        other = Interval.point(other)
    with np.errstate(all="ignore"):
        lower, upper = function((x.lower, x.upper), (other.lower, other.upper))
        return _result(lower, upper, x.is_entire | other.is_entire)
