"""First-order forms with torch gradients: the kind of number that runs a plant's tape while a network is trained.

A number stands for one real signal over every box of a batch, as those of `bounds.form_number` do,

    z = centre + symbols @ xi + r,   |xi_j| <= 1,  |r| <= radius,

but it can be differentiated by the weights of the network that made it. Every operation follows its tangent at the
centre; what the tangent misses is bounded by half the largest second derivative times the squared deviation (or
exactly, for kinks and products) and goes into the radius. In real arithmetic the result is an enclosure; it is not
rounded outward, because it guides a training and proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nnctrl.bounds.taylor_form import TaylorForm

LEAST_SQUARE = 1e-12
"""Roots are taken of nothing smaller: below it their derivative is not worth having."""


@dataclass(frozen=True, eq=False)
class TrainingNumber:
    """See the module; shapes: `symbols` [batch, s], `centre` and `radius` [batch]; s is the same for all numbers of an
    evaluation.
    """

    centre: Tensor
    symbols: Tensor
    radius: Tensor

    @property
    def reach(self) -> Tensor:
        """Largest |z - centre|, [batch]."""
        return self.symbols.abs().sum(-1) + self.radius

    # linear operations

    def __neg__(self) -> TrainingNumber:
        return TrainingNumber(-self.centre, -self.symbols, self.radius)

    def __add__(self, other: TrainingNumber | float) -> TrainingNumber:
        if not isinstance(other, TrainingNumber):
            return TrainingNumber(self.centre + other, self.symbols, self.radius)
        return TrainingNumber(self.centre + other.centre, self.symbols + other.symbols, self.radius + other.radius)

    __radd__ = __add__

    def __sub__(self, other: TrainingNumber | float) -> TrainingNumber:
        return self + (-other)

    def __rsub__(self, other: float) -> TrainingNumber:
        return (-self) + other

    def scaled(self, factor: Any) -> TrainingNumber:
        """The product with a constant: a float, or a tensor with one for each box [batch]."""
        column = factor.unsqueeze(-1) if isinstance(factor, Tensor) else factor
        return TrainingNumber(self.centre * factor, self.symbols * column, self.radius * abs(factor))

    # operations whose tangent misses something

    def __mul__(self, other: TrainingNumber | float) -> TrainingNumber:
        if not isinstance(other, TrainingNumber):
            return self.scaled(float(other))
        if other is self:
            return self.square()
        linear = self.scaled(other.centre) + other.scaled(self.centre)
        return TrainingNumber(self.centre * other.centre, linear.symbols, linear.radius + self.reach * other.reach)

    __rmul__ = __mul__

    def __truediv__(self, other: TrainingNumber | float) -> TrainingNumber:
        if not isinstance(other, TrainingNumber):
            return self.scaled(1.0 / float(other))
        return self * other**-1

    def __rtruediv__(self, other: float) -> TrainingNumber:
        return self**-1 * other

    def __pow__(self, exponent: float | int) -> TrainingNumber:
        if float(exponent) == 2.0:
            return self.square()
        if not float(exponent).is_integer():
            return (self.log() * float(exponent)).exp()
        n = float(exponent)
        low, high = self.centre - self.reach, self.centre + self.reach
        # |f''| = |n (n - 1)| |z|^(n - 2) is monotone in |z|; a negative power of an interval about 0 is unbounded
        nearest = torch.maximum(low, -high).clamp(min=0.0)
        extreme = torch.maximum(low.abs(), high.abs()) if n >= 2.0 else nearest
        bend = abs(n * (n - 1.0)) * extreme ** (n - 2.0) if n not in (0.0, 1.0) else torch.zeros_like(low)
        return self._along(self.centre**n, n * self.centre ** (n - 1.0), bend)

    def square(self) -> TrainingNumber:
        """z^2; what the tangent misses lies in [0, reach^2]."""
        half = 0.5 * self.reach**2
        linear = self.scaled(2.0 * self.centre)
        return TrainingNumber(self.centre**2 + half, linear.symbols, linear.radius + half)

    def sqrt(self) -> TrainingNumber:
        """The root of what is not negative, by the chord: its tangent is useless where the interval touches 0.

        With a and b the roots of the ends the chord's slope is 1 / (a + b), and the root lies between ab / (a + b)
        and (a + b) / 4 above that multiple of z.
        """
        a = (self.centre - self.reach).clamp(min=LEAST_SQUARE).sqrt()
        b = (self.centre + self.reach).clamp(min=LEAST_SQUARE).sqrt()
        slope, lowest, highest = 1.0 / (a + b), a * b / (a + b), 0.25 * (a + b)
        linear = self.scaled(slope)
        return TrainingNumber(
            linear.centre + 0.5 * (lowest + highest), linear.symbols, linear.radius + 0.5 * (highest - lowest)
        )

    def __abs__(self) -> TrainingNumber:
        return self.positive_part() * 2.0 - self

    def positive_part(self) -> TrainingNumber:
        """max(z, 0), by the chord of the interval."""
        low, high = self.centre - self.reach, self.centre + self.reach
        wide = (low < 0.0) & (high > 0.0)
        slope = torch.where(wide, high / (high - low + 1e-30), (self.centre > 0.0).to(low.dtype))
        # between 0 and -slope low, at the ends and at the kink
        half = torch.where(wide, -0.5 * slope * low, torch.zeros_like(low))
        linear = self.scaled(slope)
        return TrainingNumber(slope * self.centre + half, linear.symbols, linear.radius + half)

    def minimum(self, other: TrainingNumber | float) -> TrainingNumber:
        """The smaller of two numbers."""
        return self - (self - other).positive_part()

    def maximum(self, other: TrainingNumber | float) -> TrainingNumber:
        """The larger of two numbers."""
        return (self - other).positive_part() + other

    def arctan2(self, other: TrainingNumber | float) -> TrainingNumber:
        """The angle of the vector with this ordinate and the other's abscissa, by the quotient that is small."""
        x = other if isinstance(other, TrainingNumber) else self * 0.0 + other
        steep = self.centre.abs() > x.centre.abs()
        quotient = _chosen(steep, x, self) / _chosen(steep, self, x)
        angle = quotient.arctan()
        turn = torch.where(
            steep,
            torch.copysign(torch.full_like(self.centre, torch.pi / 2.0), self.centre),
            torch.where(x.centre < 0.0, torch.copysign(torch.full_like(self.centre, torch.pi), self.centre), 0.0),
        )
        return angle.scaled(torch.where(steep, -1.0, 1.0).to(self.centre.dtype)) + _constant(turn, self)

    def _along(self, value: Tensor, slope: Tensor, bend: Tensor) -> TrainingNumber:
        """The tangent, with |f''| <= bend."""
        linear = self.scaled(slope)
        return TrainingNumber(value, linear.symbols, linear.radius + 0.5 * bend * self.reach**2)

    def __getattr__(self, name: str) -> Callable[[], TrainingNumber]:
        """The elementary functions (sin, exp, ...) by NumPy's names."""
        if name not in CURVES:
            raise AttributeError(name)
        curve = CURVES[name]
        return lambda: self._along(curve.value(self.centre), curve.slope(self.centre), curve.bend(self))


class _Curve(NamedTuple):
    """A function with its derivative and a bound of |f''| over a number."""

    value: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]
    bend: Callable[[TrainingNumber], Tensor]


def _at_the_ends(bend: Callable[[Tensor], Tensor]) -> Callable[[TrainingNumber], Tensor]:
    """|f''| for a function whose |f''| is convex, or monotone: its largest value is at an end."""
    return lambda z: torch.maximum(bend(z.centre - z.reach).abs(), bend(z.centre + z.reach).abs())


def _near_the_centre(bend: Callable[[Tensor], Tensor], third: float, most: float) -> Callable[[TrainingNumber], Tensor]:
    """|f''| for |f'''| <= third and |f''| <= most everywhere."""
    return lambda z: (bend(z.centre).abs() + third * z.reach).clamp(max=most)


def _tan_bend(x: Tensor) -> Tensor:
    return 2.0 * torch.tan(x) * (1.0 + torch.tan(x) ** 2)


def _arctan_bend(x: Tensor) -> Tensor:
    return -2.0 * x / (1.0 + x * x) ** 2


def _tanh_bend(x: Tensor) -> Tensor:
    return -2.0 * torch.tanh(x) * (1.0 - torch.tanh(x) ** 2)


CURVES: dict[str, _Curve] = {
    "exp": _Curve(torch.exp, torch.exp, _at_the_ends(torch.exp)),
    "log": _Curve(torch.log, lambda x: 1.0 / x, _at_the_ends(lambda x: torch.where(x > 0.0, 1.0 / x**2, torch.inf))),
    "sin": _Curve(torch.sin, torch.cos, _near_the_centre(torch.sin, 1.0, 1.0)),
    "cos": _Curve(torch.cos, lambda x: -torch.sin(x), _near_the_centre(torch.cos, 1.0, 1.0)),
    "tan": _Curve(torch.tan, lambda x: 1.0 + torch.tan(x) ** 2, _at_the_ends(_tan_bend)),
    "sinh": _Curve(torch.sinh, torch.cosh, _at_the_ends(torch.sinh)),
    "cosh": _Curve(torch.cosh, torch.sinh, _at_the_ends(torch.cosh)),
    "arcsin": _Curve(
        torch.arcsin, lambda x: 1.0 / torch.sqrt(1.0 - x * x), _at_the_ends(lambda x: x / (1.0 - x * x) ** 1.5)
    ),
    "arccos": _Curve(
        torch.arccos, lambda x: -1.0 / torch.sqrt(1.0 - x * x), _at_the_ends(lambda x: x / (1.0 - x * x) ** 1.5)
    ),
    "arctan": _Curve(torch.arctan, lambda x: 1.0 / (1.0 + x * x), _near_the_centre(_arctan_bend, 2.0, 0.6496)),
    "tanh": _Curve(torch.tanh, lambda x: 1.0 - torch.tanh(x) ** 2, _near_the_centre(_tanh_bend, 2.0, 0.7699)),
}
"""Every elementary function by NumPy's name."""


def _chosen(first: Tensor, a: TrainingNumber, b: TrainingNumber) -> TrainingNumber:
    """a where `first`, else b."""
    return TrainingNumber(
        torch.where(first, a.centre, b.centre),
        torch.where(first.unsqueeze(-1), a.symbols, b.symbols),
        torch.where(first, a.radius, b.radius),
    )


def _constant(value: Tensor, like: TrainingNumber) -> TrainingNumber:
    return TrainingNumber(value, torch.zeros_like(like.symbols), torch.zeros_like(like.radius))


def number_or_constant(value: Any, like: TrainingNumber) -> TrainingNumber:
    """A number as it is; a plain constant as one without deviation."""
    if isinstance(value, TrainingNumber):
        return value
    return _constant(torch.full_like(like.centre, float(value)), like)


def numbers_of(form: TaylorForm) -> list[TrainingNumber]:
    """The rows of a form."""
    centre = form.centre + form.offset
    return [
        TrainingNumber(centre[:, row], form.symbols[:, row], form.rounding[:, row]) for row in range(centre.shape[-1])
    ]


def form_of(numbers: Sequence[TrainingNumber], like: TaylorForm) -> TaylorForm:
    """The form with these rows, over the symbols of `like`."""
    centre = torch.stack([number.centre for number in numbers], -1)
    symbols = torch.stack([number.symbols for number in numbers], 1)
    radius = torch.stack([number.radius for number in numbers], -1)
    reach = symbols.abs().sum(-1) + radius
    zero = torch.zeros_like(centre)
    return TaylorForm(centre, zero, symbols, radius, centre - reach, centre + reach, like.shares)
