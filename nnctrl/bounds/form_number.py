"""First-order forms of single signals: the kind of number that runs a plant's tape over a Taylor form.

A number stands for one real signal of every box of a batch,

    z = centre + offset + symbols @ xi + r,   |xi_j| <= 1,  |r| <= rounding,   and z lies in `range`,

over the symbols xi of a `SymbolTable`: those of the Taylor form that the evaluation begins with, and one more for each
operation that is not linear. Such an operation follows the line through the value at the centre (as the neurons of
`taylor_form` do); what the line misses is enclosed, and its middle goes into the offset, its radius and all rounding so
far into the new symbol. So a first-order form comes out whose gap shrinks at second order with the box.

Every operation is done on intervals as well (`range`), from ranges that were intersected with what the forms say, and
where an interval is undefined (a logarithm of something that may be negative) the number is unknown: its rounding is
infinite, whatever is computed from it. Numbers without symbols are constants known up to their rounding.

The arithmetic is NumPy's, as that of `Interval` is: forms made here carry no gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.sets.interval import Interval
from nnctrl.sets.rounding import TINY, UNIT_ROUNDOFF, grow_up, widen_down, widen_up


class SymbolTable:
    """The symbols of one evaluation: those it begins with, `shares` [batch, s, n] (see `TaylorForm`), and new ones."""

    def __init__(self, shares: FloatArray) -> None:
        self._given = shares
        self._new: list[FloatArray] = []

    @property
    def batch(self) -> int:
        """Number of boxes."""
        return len(self._given)

    @property
    def inputs(self) -> int:
        """Number of input coordinates that gaps are blamed on."""
        return self._given.shape[2]

    @property
    def count(self) -> int:
        """Number of symbols so far."""
        return self._given.shape[1] + len(self._new)

    @property
    def shares(self) -> FloatArray:
        """Shares [batch, count, n] of all symbols."""
        return np.concatenate([self._given, *(row[:, None] for row in self._new)], axis=1)

    def blame(self, symbols: FloatArray) -> FloatArray:
        """How much of the deviation with these coefficients [batch, s] each input coordinate makes, [batch, n]; it
        sums up to about 1.
        """
        inputs, given = self.inputs, self._given.shape[1]
        size = np.abs(symbols)
        total = size[:, :inputs] + (size[:, None, :given] @ self._given[:, : size.shape[1]])[:, 0]
        for row, column in zip(self._new, size[:, given:].T, strict=False):
            total = total + column[:, None] * row
        return np.asarray(total / (size.sum(axis=1, keepdims=True) + TINY))

    def add(self, share: FloatArray) -> None:
        """One more symbol with its share [batch, n]."""
        self._new.append(share)

    def constant(self, values: Interval | float) -> FormNumber:
        """A number somewhere in `values` (of one shape with the batch, or without one)."""
        hull = values if isinstance(values, Interval) else Interval.point(values)
        full = Interval(np.broadcast_to(hull.lower, self.batch), np.broadcast_to(hull.upper, self.batch))
        return settled(self, full.middle, np.zeros(self.batch), np.zeros((self.batch, 0)), full.radius, full)


@dataclass(frozen=True, eq=False)
class FormNumber:
    """See the module; shapes: `symbols` [batch, s], all others [batch]. `settled` and `SymbolTable` make them."""

    table: SymbolTable
    centre: FloatArray
    offset: FloatArray
    symbols: FloatArray
    rounding: FloatArray
    range: Interval

    __array_ufunc__: ClassVar[None] = None  # arrays on the left leave the operators to this class

    @property
    def is_constant(self) -> bool:
        """Whether it depends on no symbol."""
        return not self.symbols.shape[1]

    @property
    def spread(self) -> FloatArray:
        """Upper bound of |symbols @ xi|."""
        return np.asarray(grow_up(np.abs(self.symbols).sum(axis=1), self.symbols.shape[1]))

    @property
    def magnitude(self) -> FloatArray:
        """Sum of the sizes of all parts but the rounding."""
        return np.abs(self.centre) + np.abs(self.offset) + self.spread

    def padded(self, count: int) -> FloatArray:
        """Coefficients of the first `count` symbols, at least as many as it has."""
        return np.pad(self.symbols, ((0, 0), (0, count - self.symbols.shape[1])))

    def about(self, point: FloatArray) -> Interval:
        """The range of z - point, from the form and from `range`."""
        shift = self.centre - point
        reach = widen_up(self.spread + self.rounding)
        middle = self.offset + shift
        slack = (4.0 * UNIT_ROUNDOFF) * (np.abs(self.offset) + np.abs(shift))
        own = interval_or_line(widen_down(middle - slack - reach, 4.0), widen_up(middle + slack + reach, 4.0))
        return own.intersection(self.range - point)

    def narrowed(self, hull: Interval) -> FormNumber:
        """The same number, known to lie in `hull` as well, and unknown where that is undefined."""
        unknown = hull.is_entire | self.range.is_entire
        both = self.range.intersection(hull)
        known = interval_or_line(np.where(unknown, -np.inf, both.lower), np.where(unknown, np.inf, both.upper))
        return settled(self.table, self.centre, self.offset, self.symbols, self.rounding, known)

    def lift(self, value: FormNumber | Interval | float) -> FormNumber:
        """`value` as a number of the same table."""
        return value if isinstance(value, FormNumber) else self.table.constant(value)

    # linear operations: no new symbol

    def __neg__(self) -> FormNumber:
        return FormNumber(self.table, -self.centre, -self.offset, -self.symbols, self.rounding, -self.range)

    def __add__(self, other: FormNumber | Interval | float) -> FormNumber:
        b = self.lift(other)
        count = max(self.symbols.shape[1], b.symbols.shape[1])
        centre, offset = self.centre + b.centre, self.offset + b.offset
        size = self.spread + b.spread + np.abs(self.offset) + np.abs(b.offset) + np.abs(centre)
        rounding = grow_up(self.rounding + b.rounding + (2.0 * UNIT_ROUNDOFF) * size + TINY, 8)
        symbols = self.padded(count) + b.padded(count)
        return settled(self.table, centre, offset, symbols, rounding, self.range + b.range)

    __radd__ = __add__

    def __sub__(self, other: FormNumber | Interval | float) -> FormNumber:
        return self + (-self.lift(other))

    def __rsub__(self, other: Interval | float) -> FormNumber:
        return self.lift(other) + (-self)

    def scaled(self, factor: FormNumber) -> FormNumber:
        """The product with a constant."""
        k, radius = factor.range.middle, factor.range.radius
        size = self.magnitude
        error = np.abs(k) * self.rounding + radius * (size + self.rounding) + (2.0 * UNIT_ROUNDOFF) * np.abs(k) * size
        return settled(
            self.table,
            k * self.centre,
            k * self.offset,
            k[:, None] * self.symbols,
            grow_up(error + TINY, 8),
            self.range * factor.range,
        )

    # operations that need a new symbol

    def __mul__(self, other: FormNumber | Interval | float) -> FormNumber:
        b = self.lift(other)
        if b is self:
            return self.square()
        if self.is_constant and b.is_constant:
            return self.table.constant(self.range * b.range)
        if b.is_constant:
            return self.scaled(b)
        if self.is_constant:
            return b.scaled(self)
        from nnctrl.bounds.form_residual import product

        return product(self, b)

    __rmul__ = __mul__

    def __truediv__(self, other: FormNumber | Interval | float) -> FormNumber:
        b = self.lift(other)
        return (self * b**-1).narrowed(self.range / b.range)

    def __rtruediv__(self, other: Interval | float) -> FormNumber:
        return self.lift(other) / self

    def __pow__(self, exponent: int) -> FormNumber:
        from nnctrl.bounds.form_functions import whole_power

        return whole_power(self, exponent)

    def square(self) -> FormNumber:
        """z^2."""
        return self**2

    def __abs__(self) -> FormNumber:
        from nnctrl.bounds.form_functions import positive_part

        # max(z, 0) is the one function with a kink that activations know
        return (2.0 * positive_part(self) - self).narrowed(abs(self.range))

    def minimum(self, other: FormNumber | Interval | float) -> FormNumber:
        """The smaller of two numbers."""
        return -(-self).maximum(-self.lift(other))

    def maximum(self, other: FormNumber | Interval | float) -> FormNumber:
        """The larger of two numbers."""
        from nnctrl.bounds.form_functions import positive_part

        b = self.lift(other)
        return (self + positive_part(b - self)).narrowed(self.range.maximum(b.range))

    def arctan2(self, other: FormNumber | Interval | float) -> FormNumber:
        """The angle of the vector with this ordinate and the other's abscissa."""
        from nnctrl.bounds.form_functions import angle

        return angle(self, self.lift(other))

    def __getattr__(self, name: str) -> Callable[[], FormNumber]:
        """The elementary functions (sin, exp, ...) by NumPy's names."""
        from nnctrl.bounds.form_functions import FUNCTIONS

        if name not in FUNCTIONS:
            raise AttributeError(name)
        return lambda: FUNCTIONS[name](self)


def settled(
    table: SymbolTable,
    centre: FloatArray,
    offset: FloatArray,
    symbols: FloatArray,
    rounding: FloatArray,
    hull: Interval,
) -> FormNumber:
    """The number with these parts, its range the intersection of `hull` with what the form says.

    Where the form says nothing (overflow) it is replaced by the range; where `hull` is undefined it is made unknown.
    """
    reach = widen_up(grow_up(np.abs(symbols).sum(axis=1), symbols.shape[1]) + rounding)
    middle = offset + centre
    slack = (4.0 * UNIT_ROUNDOFF) * (np.abs(offset) + np.abs(centre))
    low, high = widen_down(middle - slack - reach, 4.0), widen_up(middle + slack + reach, 4.0)
    sound = np.isfinite(low) & np.isfinite(high)
    use = sound & ~hull.is_entire
    known = interval_or_line(
        np.where(use, np.maximum(hull.lower, low), hull.lower), np.where(use, np.minimum(hull.upper, high), hull.upper)
    )
    if not sound.all():
        centre, offset = np.where(sound, centre, known.middle), np.where(sound, offset, 0.0)
        symbols = np.where(sound[:, None], symbols, 0.0)
        rounding = np.where(sound, rounding, known.radius)
    return FormNumber(table, centre, offset, symbols, np.where(hull.is_entire, np.inf, rounding), known)


def interval_or_line(lower: FloatArray, upper: FloatArray) -> Interval:
    """The interval with these ends, the whole line where one is nan."""
    unknown = np.isnan(lower) | np.isnan(upper)
    return Interval(np.where(unknown, -np.inf, lower), np.where(unknown, np.inf, upper))
