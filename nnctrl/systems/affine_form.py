"""Affine forms with rational-interval coefficients: how the matrices of affine dynamics are read off their tape.

Running the tape on affine forms decides whether the dynamics are affine AND gives their matrices with certified
radii. It is done here and not by differentiating in CasADi because CasADi folds the constants of a derivative in
double precision (the derivative of `x / 3` becomes the double next to 1/3) without telling by how much. Rational
arithmetic is exact, so the radius is what is left when the exact coefficient is stored as a double: none at all for
`0.1 * x`, half an ulp for `x / 3`, and the range that an interval parameter spans.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from nnctrl.errors import InputError, UnsupportedError
from nnctrl.networks.layers import Affine
from nnctrl.sets.exact import fraction_up


class Range(NamedTuple):
    """The rational interval [low, high]."""

    low: Fraction
    high: Fraction

    def plus(self, other: Range) -> Range:
        """Sum."""
        return Range(self.low + other.low, self.high + other.high)

    def times(self, other: Range) -> Range:
        """Product."""
        products = [a * b for a in self for b in other]
        return Range(min(products), max(products))

    def inverse(self) -> Range:
        """Reciprocal of an interval without 0."""
        if self.low <= 0 <= self.high:
            raise InputError(
                f"the dynamics divide by a quantity that ranges over [{float(self.low):g}, {float(self.high):g}], "
                "which contains 0; narrow the ranges of the parameters"
            )
        return Range(1 / self.high, 1 / self.low)


ZERO = Range(Fraction(0), Fraction(0))

ELEMENTARY = frozenset(
    ("sqrt", "exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan")
)
"""Functions that are taken of constants by interval arithmetic, under NumPy's names."""


class AffineForm:
    """`offset + sum_i coefficients[i] v_i` over the variables v; a form without coefficients is a constant."""

    __slots__ = ("coefficients", "offset")

    def __init__(self, offset: Range, coefficients: Mapping[int, Range] | None = None) -> None:
        self.offset = offset
        self.coefficients = {k: c for k, c in (coefficients or {}).items() if c != ZERO}

    @staticmethod
    def variable(index: int) -> AffineForm:
        """The variable v_index."""
        return AffineForm(ZERO, {index: Range(Fraction(1), Fraction(1))})

    @staticmethod
    def constant(low: float, high: float) -> AffineForm:
        """A constant somewhere in [low, high]."""
        return AffineForm(Range(Fraction(low), Fraction(high)))

    @property
    def is_constant(self) -> bool:
        """Whether it depends on no variable."""
        return not self.coefficients

    def __add__(self, other: AffineForm | float) -> AffineForm:
        other = lift(other)
        keys = self.coefficients.keys() | other.coefficients.keys()
        total = {k: self.coefficients.get(k, ZERO).plus(other.coefficients.get(k, ZERO)) for k in keys}
        return AffineForm(self.offset.plus(other.offset), total)

    __radd__ = __add__

    def __neg__(self) -> AffineForm:
        return self * -1.0

    def __sub__(self, other: AffineForm | float) -> AffineForm:
        return self + lift(other) * -1.0

    def __rsub__(self, other: float) -> AffineForm:
        return lift(other) + self * -1.0

    def __mul__(self, other: AffineForm | float) -> AffineForm:
        factor, form = (self, lift(other)) if self.is_constant else (lift(other), self)
        if not factor.is_constant:
            raise _not_affine("product")
        scale = factor.offset
        return AffineForm(form.offset.times(scale), {k: c.times(scale) for k, c in form.coefficients.items()})

    __rmul__ = __mul__

    def __truediv__(self, other: AffineForm | float) -> AffineForm:
        divisor = lift(other)
        if not divisor.is_constant:
            raise _not_affine("division")
        return self * AffineForm(divisor.offset.inverse())

    def __rtruediv__(self, other: float) -> AffineForm:
        return lift(other) / self

    def _constant(self, operation: str) -> Range:
        if not self.is_constant:
            raise _not_affine(operation)
        return self.offset

    def __pow__(self, exponent: int) -> AffineForm:
        low, high = self._constant("power")
        if exponent < 0:
            return 1.0 / self ** (-exponent)
        if exponent % 2 == 0:
            low, high = abs(self).offset
        return AffineForm(Range(low**exponent, high**exponent))

    def square(self) -> AffineForm:
        """Square of a constant."""
        return self**2

    def __abs__(self) -> AffineForm:
        low, high = self._constant("fabs")
        if low <= 0 <= high:
            return AffineForm(Range(Fraction(0), max(-low, high)))
        return AffineForm(Range(*sorted((abs(low), abs(high)))))

    def minimum(self, other: AffineForm | float) -> AffineForm:
        """Minimum of two constants."""
        a, b = self._constant("fmin"), lift(other)._constant("fmin")
        return AffineForm(Range(min(a.low, b.low), min(a.high, b.high)))

    def maximum(self, other: AffineForm | float) -> AffineForm:
        """Maximum of two constants."""
        a, b = self._constant("fmax"), lift(other)._constant("fmax")
        return AffineForm(Range(max(a.low, b.low), max(a.high, b.high)))

    def __getattr__(self, name: str) -> Callable[[], AffineForm]:
        """The elementary functions (sin, exp, ...): of a constant, by interval arithmetic."""
        if name not in ELEMENTARY:
            raise AttributeError(name)
        return lambda: self._elementary(name)

    def _elementary(self, name: str) -> AffineForm:
        low, high = self._constant(name)
        from nnctrl.sets.interval import Interval
        from nnctrl.systems.operations import apply_function

        image = apply_function(name, Interval(np.array(-fraction_up(-low)), np.array(fraction_up(high))))
        low_value, high_value = float(image.lower), float(image.upper)
        if not (math.isfinite(low_value) and math.isfinite(high_value)):
            raise InputError(
                f"the dynamics take '{name}' of a constant in [{float(low):g}, {float(high):g}], where it is not "
                "finite; "
                "narrow the ranges of the parameters"
            )
        return AffineForm.constant(low_value, high_value)


def lift(value: AffineForm | float) -> AffineForm:
    """A float as a constant form; forms unchanged."""
    return value if isinstance(value, AffineForm) else AffineForm.constant(value, value)


def to_affine(forms: Sequence[AffineForm | float], size: int) -> Affine:
    """The map `v -> forms(v)` of `size` variables: midpoints as doubles, radii to the exact range (None if exact)."""
    weight, weight_radius = np.zeros((len(forms), size)), np.zeros((len(forms), size))
    bias, bias_radius = np.zeros(len(forms)), np.zeros(len(forms))
    for row, form in enumerate(map(lift, forms)):
        bias[row], bias_radius[row] = _midpoint_radius(form.offset)
        for column, coefficient in form.coefficients.items():
            weight[row, column], weight_radius[row, column] = _midpoint_radius(coefficient)
    return Affine(weight, bias, weight_radius, bias_radius)


def _midpoint_radius(exact: Range) -> tuple[float, float]:
    try:
        middle = float((exact.low + exact.high) / 2)
    except OverflowError as error:
        raise InputError("the dynamics have a coefficient beyond the range of doubles; rescale the signals") from error
    centre = Fraction(middle)
    return middle, fraction_up(max(exact.high - centre, centre - exact.low))


def _not_affine(operation: str) -> UnsupportedError:
    return UnsupportedError(f"the dynamics are not affine in (x, u, w): the operation '{operation}' acts on them")
