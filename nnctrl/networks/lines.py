"""Lines about activations: what is claimed of them, and how the range of a residual is put together and compared."""

from __future__ import annotations

from typing import NamedTuple

from nnctrl._typing import Array, namespace
from nnctrl.sets.rounding import TINY, UNIT_ROUNDOFF

NARROW = 2.0**-40
"""Relative width below which no chord is formed: its slope would be rounding noise, and so would be its gradient."""


class Linearisation(NamedTuple):
    """`value + slope * d + residual` contains phi(centre + d) for every d in the interval, residual in [lower,
    upper].
    """

    value: Array
    slope: Array
    residual_lower: Array
    residual_upper: Array


class Bracket(NamedTuple):
    """Two lines: `value + lower_slope * d + lower_offset <= phi(centre + d) <= value + upper_slope * d + upper_offset`
    for every d in the interval.
    """

    value: Array
    lower_slope: Array
    lower_offset: Array
    upper_slope: Array
    upper_offset: Array


def chord_slope(
    low_value: Array, high_value: Array, lower: Array, upper: Array, otherwise: Array, narrow: float = NARROW
) -> Array:
    """Slope in [0, 1] of the chord over [lower, upper], `otherwise` where the interval is too narrow to have one."""
    xp = namespace(lower)
    width = upper - lower
    # the absolute floor keeps the gradient, about 1/width, far from overflow
    wide = width > narrow * (abs(lower) + abs(upper)) + 1e-100
    slope = (high_value - low_value) / xp.where(wide, width, 1.0 + 0.0 * width)
    return xp.clip(xp.where(wide, slope, otherwise), 0.0, 1.0)


def end_range(slope: Array, ends: list[tuple[Array, Array, Array]]) -> tuple[Array, Array]:
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


def relative_to_line(
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


def narrower(old: Linearisation, new: Linearisation) -> Linearisation:
    """Of two linearisations with the same value the one with the narrower residual, neuron by neuron."""
    return _pick((new.residual_upper - new.residual_lower) < (old.residual_upper - old.residual_lower), new, old)


def higher_below(old: Linearisation, new: Linearisation) -> Linearisation:
    """Of two lines below phi the one that is higher at the centre, neuron by neuron."""
    return _pick(new.residual_lower > old.residual_lower, new, old)


def lower_above(old: Linearisation, new: Linearisation) -> Linearisation:
    """Of two lines above phi the one that is lower at the centre, neuron by neuron."""
    return _pick(new.residual_upper < old.residual_upper, new, old)


def _pick(first: Array, new: Linearisation, old: Linearisation) -> Linearisation:
    """`new` where `first` holds, else `old`; both have the same value."""
    xp = namespace(new.value)
    slope, low, high = (xp.where(first, mine, its) for mine, its in zip(new[1:], old[1:], strict=True))
    return Linearisation(new.value, slope, low, high)
