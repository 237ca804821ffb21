"""What every activation declares about itself on an interval.

Every bound in nnctrl consumes the same four local facts and derives none of its own:

- `enclose`: the range of phi on [lower, upper];
- `slope_range`, `curvature_range`: the ranges of phi' and phi'' there;
- `linearise`: a line `value + slope * d` and the exact range of the residual `phi(centre + d) - value - slope * d`;
  `bracket` and `linearise_parallel` do the same with the slopes of CROWN and DeepZ.

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
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce

from nnctrl._typing import Array, namespace
from nnctrl.errors import InputError
from nnctrl.networks.lines import (
    Bracket,
    Linearisation,
    end_range,
    higher_below,
    lower_above,
    narrower,
    relative_to_line,
)
from nnctrl.sets.rounding import TINY, UNIT_ROUNDOFF, widen_down, widen_up


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

    def bracket_slopes(self, lower: Array, upper: Array) -> list[Array]:
        """Slopes in [0, 1] among which `bracket` takes a lower and an upper one.

        These are the candidates about the middle and about both ends: slopes that `interior_extremes` is made for,
        whatever it asks of them.
        """
        middle = 0.5 * lower + 0.5 * upper
        return [slope for point in (middle, lower, upper) for slope in self.candidate_slopes(point, lower, upper)]

    def parallel_slopes(self, lower: Array, upper: Array) -> list[Array]:
        """Slopes in [0, 1] among which `linearise_parallel` takes the one with the narrowest residual: the lesser one
        of both ends, as DeepZ has it for S-shaped activations.
        """
        xp = namespace(lower)
        ends = (self.candidate_slopes(point, lower, upper) for point in (lower, upper))
        return [xp.minimum(*pair) for pair in zip(*ends, strict=True)]

    def linearise(self, centre: Array, low: Array, high: Array) -> Linearisation:
        """A line about `centre` and its residual for d in [low, high] (which need not contain 0), for the real phi.

        Among `candidate_slopes` the one with the narrowest residual is taken, neuron by neuron. Relative to the exact
        range of the residual the result is wider by some twenty roundoffs of |phi| and |slope centre|, not of the
        argument.
        """
        return reduce(narrower, self._lines(centre, low, high, partial(self.candidate_slopes, centre)))

    def linearise_parallel(self, centre: Array, low: Array, high: Array) -> Linearisation:
        """As `linearise`, with the slopes for the interval as a whole: the two parallel lines of a zonotope (Singh et
        al., Fast and effective robustness certification, 2018).
        """
        return reduce(narrower, self._lines(centre, low, high, self.parallel_slopes))

    def bracket(self, centre: Array, low: Array, high: Array) -> Bracket:
        """A line below and a line above phi for d in [low, high], of `bracket_slopes` those nearest to phi at `centre`
        (the least area if that is the middle), for the real phi: whatever the slopes, the offsets are the ends of
        their residuals' ranges.
        """
        lines = self._lines(centre, low, high, self.bracket_slopes)
        below, above = reduce(higher_below, lines), reduce(lower_above, lines)
        return Bracket(below.value, below.slope, below.residual_lower, above.slope, above.residual_upper)

    def _lines(
        self, centre: Array, low: Array, high: Array, slopes: Callable[[Array, Array], list[Array]]
    ) -> list[Linearisation]:
        """The line of each of the slopes that `slopes(lower, upper)` declares, with the range of its residual."""
        xp = namespace(centre)
        lower, upper = widen_down(centre + low), widen_up(centre + high)
        value = self.value(centre)
        ends = [self._end(centre, value, d) for d in (low, high)]
        lines = []
        for slope in slopes(lower, upper):
            end_low, end_high = end_range(slope, ends)
            extremes = self.interior_extremes(slope, lower, upper)
            inner_low, inner_high = relative_to_line(extremes, slope * centre, value, end_low, end_high)
            lines.append(Linearisation(value, slope, xp.minimum(end_low, inner_low), xp.maximum(end_high, inner_high)))
        if not lines:
            raise InputError(f"the activation '{self.name}' declares no candidate slope; return at least one")
        return lines

    def _end(self, centre: Array, value: Array, d: Array) -> tuple[Array, Array, Array]:
        """`(d, phi(centre + d) - value, bound of its error without the subtraction's)`."""
        z = centre + d
        image = self.value(z)
        # the argument was rounded once, which is a relative u; twice that also pays for the rounding of these bounds
        error = self.value_error(image) + (2.0 * UNIT_ROUNDOFF) * self.sensitivity(z, image) + TINY
        # an argument that overflowed says nothing, whatever phi has for infinity
        error = error + 0.0 * z
        return d, image - value, error


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

    def linearise_parallel(self, centre: Array, low: Array, high: Array) -> Linearisation:
        """The same line."""
        return self.linearise(centre, low, high)

    def bracket(self, centre: Array, low: Array, high: Array) -> Bracket:
        """The same line, below and above."""
        value, slope, below, above = self.linearise(centre, low, high)
        return Bracket(value, slope, below, slope, above)
