"""What every activation declares about itself on an interval.

Every bound in nnctrl consumes the same four local facts and derives none of its own:

- `enclose`: the range of phi on [lower, upper];
- `slope_range`, `curvature_range`: the ranges of phi' and phi'' there;
- `linearise`: a line `value + slope * d` and the exact range of the residual `phi(centre + d) - value - slope * d`.

All are rounded outward: they hold for the real function phi, given that the library's tanh, exp, log, log1p and atanh
are accurate to `rounding.LIBRARY_ULPS`. The code runs on NumPy arrays and on torch tensors, elementwise, and is
differentiable in torch. Where an argument is nan or infinite a number that comes out is still true, and everything
else comes out as nan.

The residual of a line with slope s is the range of `g(z) = phi(z) - s z`, whose extremes lie at the ends of the
interval and where phi'(z) = s. Those interior extremes have closed forms (derived here; for the centre slope they are
the points d = 0 and d = -2 centre of the neuron-exact Taylor bound), and g is stationary there, so the rounding of
the point enters only to second order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

from nnctrl._typing import Array, namespace
from nnctrl.errors import InputError
from nnctrl.sets.rounding import TINY, UNIT_ROUNDOFF, widen_down, widen_up


class Linearisation(NamedTuple):
    """`value + slope * d + residual` contains phi(centre + d) for every d in the interval, residual in [lower,
    upper].
    """

    value: Array
    slope: Array
    residual_lower: Array
    residual_upper: Array


@dataclass(frozen=True)
class Activation(ABC):
    """An elementwise, non-decreasing, 1-Lipschitz activation function."""

    @property
    def name(self) -> str:
        """Lower-case class name, as used in files and on the command line."""
        return type(self).__name__.lower()

    @property
    def lanes(self) -> int | None:
        """Number of lanes that its parameters are given for; None if it applies to any number."""
        return None

    @abstractmethod
    def value(self, x: Array) -> Array:
        """phi(x) in floating point."""

    @abstractmethod
    def value_error(self, value: Array) -> Array:
        """Bound of |computed - real| for a computed `value`."""

    @abstractmethod
    def slope_range(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """Bounds alpha <= phi'(z) <= beta (any element of the generalised slope) for z in [lower, upper]."""

    @abstractmethod
    def curvature_range(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """Bounds of phi''(z) for z in [lower, upper]; UnsupportedError where phi is not twice differentiable."""

    @abstractmethod
    def candidate_slopes(self, centre: Array, lower: Array, upper: Array) -> list[Array]:
        """Slopes in [0, 1] among which `linearise` takes the one with the narrowest residual."""

    @abstractmethod
    def interior_extremes(self, slope: Array, lower: Array, upper: Array) -> tuple[Array, Array]:
        """Outer bounds of `phi(z) - slope z` over its stationary points in [lower, upper]; (inf, -inf) if none."""

    def sensitivity(self, z: Array, value: Array) -> Array:
        """Bound of |z phi'(z)|, the effect of a relative error of z on `value` = phi(z); |z| will always do."""
        return abs(z)

    def enclose(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """Outer bounds of phi on [lower, upper] (phi is non-decreasing)."""
        low, high = self.value(lower), self.value(upper)
        return low - self.value_error(low), high + self.value_error(high)

    def linearise(self, centre: Array, low: Array, high: Array) -> Linearisation:
        """A line about `centre` and its residual for d in [low, high] (which need not contain 0), for the real phi.

        Among `candidate_slopes` the one with the narrowest residual is taken, neuron by neuron. Relative to the exact
        range of the residual the result is wider by some twenty roundoffs of |phi| and |slope centre|, not of the
        argument.
        """
        xp = namespace(centre)
        lower, upper = widen_down(centre + low), widen_up(centre + high)
        value = self.value(centre)
        ends = [self._end(centre, value, d) for d in (low, high)]
        best: Linearisation | None = None
        for slope in self.candidate_slopes(centre, lower, upper):
            end_low, end_high = _end_range(slope, ends)
            extremes = self.interior_extremes(slope, lower, upper)
            inner_low, inner_high = _relative_to_line(extremes, slope * centre, value, end_low, end_high)
            candidate = Linearisation(value, slope, xp.minimum(end_low, inner_low), xp.maximum(end_high, inner_high))
            best = candidate if best is None else _narrower(candidate, best)
        if best is None:
            raise InputError(f"the activation '{self.name}' declares no candidate slope; return at least one")
        return best

    def _end(self, centre: Array, value: Array, d: Array) -> tuple[Array, Array, Array]:
        """`(d, phi(centre + d) - value, bound of its error without the subtraction's)`."""
        z = centre + d
        image = self.value(z)
        # the argument was rounded once, which is a relative u; twice that also pays for the rounding of these bounds
        error = self.value_error(image) + (2.0 * UNIT_ROUNDOFF) * self.sensitivity(z, image) + TINY
        # an argument that overflowed says nothing, whatever phi has for infinity
        error = error + 0.0 * z
        return d, image - value, error


def _end_range(slope: Array, ends: list[tuple[Array, Array, Array]]) -> tuple[Array, Array]:
    """Range of the residual over the two ends of the interval."""
    xp = namespace(slope)
    lows, highs = [], []
    for d, rise, error in ends:
        linear = slope * d
        residual = rise - linear
        # three roundings each of |rise| and |linear|: the subtraction before, the one here, and that of the slack
        slack = error + (4.0 * UNIT_ROUNDOFF) * (abs(rise) + abs(linear))
        lows.append(residual - slack)
        highs.append(residual + slack)
    return xp.minimum(*lows), xp.maximum(*highs)


def _relative_to_line(
    extremes: tuple[Array, Array], linear: Array, value: Array, none_low: Array, none_high: Array
) -> tuple[Array, Array]:
    """`phi(z) - slope z` at the extremes as residuals: plus `linear - value`, `linear` = slope * centre; the ends
    where there are none.
    """
    xp = namespace(linear)
    shift = linear - value
    fixed = (4.0 * UNIT_ROUNDOFF) * (abs(linear) + abs(value)) + TINY
    results = []
    for extreme, infinite, none, sign in (
        (extremes[0], float("inf"), none_low, -1.0),
        (extremes[1], -float("inf"), none_high, 1.0),
    ):
        absent = extreme == infinite
        residual = xp.where(absent, 0.0 * shift, extreme) + shift
        outward = residual + sign * (fixed + (4.0 * UNIT_ROUNDOFF) * abs(residual))
        results.append(xp.where(absent, none, outward))
    return results[0], results[1]


def _narrower(new: Linearisation, old: Linearisation) -> Linearisation:
    """Of two linearisations with the same value the one with the narrower residual, neuron by neuron."""
    xp = namespace(new.value)
    narrower = (new.residual_upper - new.residual_lower) < (old.residual_upper - old.residual_lower)
    slope, low, high = (xp.where(narrower, mine, its) for mine, its in zip(new[1:], old[1:], strict=True))
    return Linearisation(new.value, slope, low, high)


def no_extremes(like: Array) -> tuple[Array, Array]:
    """What `interior_extremes` returns when there are none."""
    infinite = 0.0 * like + float("inf")
    return infinite, -infinite


class Identity(Activation):
    """phi(z) = z: carries signals past the nonlinear lanes of a layer."""

    def value(self, x: Array) -> Array:
        """Z itself."""
        return x

    def value_error(self, value: Array) -> Array:
        """Zero."""
        return 0.0 * value

    def slope_range(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """One."""
        one = 0.0 * (lower + upper) + 1.0
        return one, one

    def curvature_range(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """Zero."""
        zero = 0.0 * (lower + upper)
        return zero, zero

    def candidate_slopes(self, centre: Array, lower: Array, upper: Array) -> list[Array]:
        """One."""
        return [0.0 * centre + 1.0]

    def interior_extremes(self, slope: Array, lower: Array, upper: Array) -> tuple[Array, Array]:
        """No isolated ones."""
        return no_extremes(slope)

    def enclose(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """The interval itself."""
        return lower, upper

    def linearise(self, centre: Array, low: Array, high: Array) -> Linearisation:
        """The line itself: no residual at all (nan where an argument is not finite)."""
        zero = 0.0 * centre + 0.0 * low + 0.0 * high
        return Linearisation(centre, zero + 1.0, zero, zero)
