"""The piecewise linear activations: ReLU and the saturation (clip)."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import reduce
from math import isnan

from nnctrl._typing import Array, namespace
from nnctrl.errors import DimensionError, InputError, UnsupportedError
from nnctrl.networks.activation import Activation
from nnctrl.networks.lines import chord_slope
from nnctrl.sets.rounding import TINY, UNIT_ROUNDOFF


@dataclass(frozen=True)
class AbstractPiecewiseLinear(Activation):
    """Shared by ReLU and clip: evaluation is exact, extremes of the residual lie at ends and kinks."""

    @abstractmethod
    def kinks(self, like: Array) -> list[Array]:
        """Positions of the kinks in increasing order, in the shape of `like`; infinite ones are never met."""

    def value_error(self, value: Array) -> Array:
        """Zero: comparisons do not round."""
        return 0.0 * value

    def sensitivity(self, z: Array, value: Array) -> Array:
        """Z phi' is either 0 or phi."""
        return abs(value)

    def enclose(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """The exact range on [lower, upper]."""
        return self.value(lower), self.value(upper)

    def curvature_range(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """Refused: the second derivative does not exist at the kinks."""
        raise UnsupportedError(
            f"'{self.name}' is not twice differentiable, so it has no curvature bound; "
            "use a zeroth-order bound or the taylor bound, which need slopes only"
        )

    def bracket_slopes(self, lower: Array, upper: Array) -> list[Array]:
        """Chords and the slopes of the pieces: the edges of the convex hull of the graph are among them."""
        middle = 0.5 * lower + 0.5 * upper
        zero = 0.0 * middle
        return [*self.candidate_slopes(middle, lower, upper), zero, zero + 1.0]

    def interior_extremes(self, slope: Array, lower: Array, upper: Array) -> tuple[Array, Array]:
        """Bounds of phi(z) - s z over the kinks, moved into the interval: one that was outside becomes an end."""
        xp = namespace(slope)
        lows, highs = [], []
        for kink in self.kinks(slope):
            z = xp.minimum(xp.maximum(kink, lower), upper)
            image = self.value(z)
            linear = slope * z
            g = image - linear
            slack = (4.0 * UNIT_ROUNDOFF) * (abs(image) + abs(linear)) + TINY
            lows.append(g - slack)
            highs.append(g + slack)
        return reduce(xp.minimum, lows), reduce(xp.maximum, highs)


class Relu(AbstractPiecewiseLinear):
    """phi(z) = max(z, 0)."""

    def value(self, x: Array) -> Array:
        """max(x, 0); nan stays nan."""
        return namespace(x).clip(x, 0.0, None)

    def kinks(self, like: Array) -> list[Array]:
        """Zero."""
        return [0.0 * like]

    def slope_range(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """0 left of the kink, 1 right of it."""
        xp = namespace(lower)
        zero = 0.0 * (lower + upper)
        return xp.where(lower > 0.0, zero + 1.0, zero), xp.where(upper < 0.0, zero, zero + 1.0)

    def candidate_slopes(self, centre: Array, lower: Array, upper: Array) -> list[Array]:
        """The chord's: over [-l, u] the residual of slope s has the width max(s l, (1 - s) u), least at u / (l + u)."""
        active = namespace(centre).where(centre > 0.0, 0.0 * centre + 1.0, 0.0 * centre)
        return [chord_slope(self.value(lower), self.value(upper), lower, upper, active)]


@dataclass(frozen=True)
class Clip(AbstractPiecewiseLinear):
    """phi(z) = min(max(z, lower), upper): a saturation.

    Limits are floats (an infinite one limits nothing), or tuples with one float per lane.
    """

    lower: float | tuple[float, ...]
    upper: float | tuple[float, ...]

    def __post_init__(self) -> None:
        lows = self.lower if isinstance(self.lower, tuple) else (self.lower,)
        highs = self.upper if isinstance(self.upper, tuple) else (self.upper,)
        if isinstance(self.lower, tuple) != isinstance(self.upper, tuple) or len(lows) != len(highs):
            raise DimensionError(
                f"clip limits {self.lower} and {self.upper} do not match; give two numbers, or two tuples with one "
                "number per lane"
            )
        ordered = all(low <= high for low, high in zip(lows, highs, strict=True))
        if not ordered or any(isnan(limit) for limit in lows + highs):
            raise InputError(
                f"clip limits {self.lower} and {self.upper} are not ordered; give lower <= upper for every lane"
            )

    @property
    def lanes(self) -> int | None:
        """Number of lanes that the limits are given for; None if they hold for any number."""
        return len(self.lower) if isinstance(self.lower, tuple) else None

    def value(self, x: Array) -> Array:
        """Nearest point of [lower, upper]; nan stays nan."""
        return namespace(x).clip(x, *self._limits(x))

    def kinks(self, like: Array) -> list[Array]:
        """Both limits."""
        return [0.0 * like + limit for limit in self._limits(like)]

    def slope_range(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """1 strictly between the limits, 0 outside."""
        xp = namespace(lower)
        low, high = self._limits(lower)
        zero = 0.0 * (lower + upper)
        strictly_inside = (lower > low) & (upper < high)
        outside = (upper < low) | (lower > high)
        return xp.where(strictly_inside, zero + 1.0, zero), xp.where(outside, zero, zero + 1.0)

    def candidate_slopes(self, centre: Array, lower: Array, upper: Array) -> list[Array]:
        """Chords from the lower end to the upper limit and from the lower limit to the upper end.

        phi - s z falls, rises and falls again, so its range is max(at the lower end, at the upper limit) - min(at the
        lower limit, at the upper end): convex and piecewise linear in s, hence least where one of the two pairs
        agrees.
        """
        xp = namespace(centre)
        low, high = (xp.minimum(xp.maximum(kink, lower), upper) for kink in self.kinks(centre))
        inside = (centre > self.value(lower)) & (centre < self.value(upper))
        active = xp.where(inside, 0.0 * centre + 1.0, 0.0 * centre)
        return [chord_slope(self.value(a), self.value(b), a, b, active) for a, b in ((lower, high), (low, upper))]

    def _limits(self, like: Array) -> tuple[Array, Array]:
        if not isinstance(self.lower, tuple):
            return self.lower, self.upper
        xp = namespace(like)
        # NumPy before version 2 has no devices
        place = {} if hasattr(like, "__array_interface__") else {"device": like.device}
        return xp.asarray(self.lower, dtype=like.dtype, **place), xp.asarray(self.upper, dtype=like.dtype, **place)
