"""Certified polynomial fits of ReLU and clip, lane by lane, compiled by numba.

On each linear piece the error is a polynomial; up to parabolas its range is exact but for rounding. See
`polynomial_fit_pieces` for the rest of the method.
"""

from __future__ import annotations

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.compiled import compiled
from nnctrl.networks.polynomial_fit_pieces import (
    centre_and_radius,
    centred,
    chebyshev_series,
    compiled_gamma,
    expanded,
    quadratic_range,
    sizes,
)
from nnctrl.sets.monomials import IntArray
from nnctrl.sets.rounding import TINY, UNIT_ROUNDOFF

FITTED, CONSTANT, IDENTITY = 0, 1, 2
"""What a lane is on its interval: a constant or x itself exactly, or neither."""


@compiled
def _one_kink(a: FloatArray, degree: int, radius: float, kink: float, rising: bool) -> None:
    """The best line or parabola near max(x - kink, 0), or for a falling slope near min(x - kink, 0), up to a constant.

    With the kink at tau >= 0 in units of t, mirrored if need be: the line is the chord's; the parabola c (t - m)^2 with
    m = (tau - 1) / 2 has the same error -E at -1 and tau and +E between, and +E at the highest point right of tau,
    which is inside for tau <= 1/3 (c = 1 / (2 + 2 tau)) and else 1 (c = (1 - tau) / (1 - m)^2); by alternation no
    other one is better.
    """
    a[:] = 0.0
    if degree == 1:
        a[1] = 0.5 * radius * (1.0 - kink if rising else 1.0 + kink)
        return
    tau = abs(kink)
    m = 0.5 * (tau - 1.0)
    c = 0.5 / (1.0 + tau) if tau <= 1.0 / 3.0 else (1.0 - tau) / ((1.0 - m) * (1.0 - m))
    # min(s, 0) = s - max(s, 0), and max(t - kink, 0) = t - kink + max(-t + kink, 0)
    sign = 1.0 if kink >= 0.0 else -1.0
    a[2] = radius * c
    a[1] = radius * (-2.0 * c * m * sign + (1.0 if sign < 0.0 else 0.0))
    if not rising:
        a[2], a[1] = -a[2], radius - a[1]


@compiled
def _two_kinks_line(a: FloatArray, radius: float, first: float, second: float) -> None:
    """Of the two chords, from the left end to the second kink and from the first kink to the right end, the one with
    the smaller error (see `Clip.candidate_slopes`), up to a constant.
    """
    a[:] = 0.0
    rise = second - first
    narrowest = np.inf
    for slope in (rise / (second + 1.0), rise / (1.0 - first)):
        lowest = min(-slope * first, rise - slope)
        highest = max(slope, rise - slope * second)
        if highest - lowest < narrowest:
            narrowest, a[1] = highest - lowest, radius * slope


@compiled
def _linear_pieces(
    a: FloatArray,
    degree: int,
    centre: float,
    radius: float,
    low_limit: float,
    high_limit: float,
    first: float,
    second: float,
    p: FloatArray,
) -> tuple[float, float]:
    """Outer bounds of clip - p for |t| <= 1; `first`, `second` in [-1, 1]: where the limits are met."""
    total, fourth = sizes(a, degree)
    relative = compiled_gamma(4 * degree + 48)
    parts = 1 if degree <= 2 else (6 if degree == 3 else 24)
    low, high = np.inf, -np.inf
    for segment in range(3):
        begin = -1.0 if segment == 0 else (first if segment == 1 else second)
        end = first if segment == 0 else (second if segment == 1 else 1.0)
        if not begin < end:
            continue
        for k in range(parts):
            left = begin + (end - begin) * (k / parts)
            right = end if k + 1 == parts else begin + (end - begin) * ((k + 1) / parts)
            middle = 0.5 * left + 0.5 * right
            # neighbours compute their common end alike; what rounding may leave open is covered
            h = max(right - middle, middle - left) + 4.0 * UNIT_ROUNDOFF
            value, slope = centre + radius * middle, radius
            if segment != 1:
                value, slope = low_limit if segment == 0 else high_limit, 0.0
            expanded(a, degree, middle, p)
            down, up = quadratic_range(value - p[0], slope - p[1], -p[2], h, h)
            # kinks are met within a few roundoffs, and slopes differ by 1 there
            slack = relative * (total + abs(value) + abs(centre) + 2.0 * radius) + TINY
            rest = (abs(p[3]) * (h * h * h) + fourth * (h * h) * (h * h) + slack) * (1.0 + 32.0 * UNIT_ROUNDOFF)
            low, high = min(low, down - rest), max(high, up + rest)
    return low, high


@compiled
def fit_clip(
    low_limits: FloatArray,
    high_limits: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    table: FloatArray,
    powers: FloatArray,
    centres: FloatArray,
    radii: FloatArray,
    coefficients: FloatArray,
    errors: FloatArray,
    exact: IntArray,
) -> None:
    """As `fit_smooth` for min(max(x, low limit), high limit), limits [m] that may be infinite; `exact` [m] says where
    it is a constant or x itself on the interval.
    """
    top = powers.shape[0] - 1
    values, series, p = np.empty(table.shape[1]), np.empty(top + 1), np.empty(4)
    for i in range(lower.size):
        low_limit, high_limit = low_limits[i], high_limits[i]
        centres[i], radii[i] = 0.0, 1.0
        coefficients[i] = 0.0
        errors[i] = np.nan
        exact[i] = FITTED
        if upper[i] <= low_limit or lower[i] >= high_limit:
            exact[i] = CONSTANT
            coefficients[i, :, 0] = low_limit if upper[i] <= low_limit else high_limit
            errors[i] = 0.0
            continue
        if not (abs(lower[i]) < np.inf and abs(upper[i]) < np.inf):
            continue
        centre, radius = centre_and_radius(lower[i], upper[i])
        centres[i], radii[i] = centre, radius
        if lower[i] >= low_limit and upper[i] <= high_limit:
            exact[i] = IDENTITY
            if top > 0:
                coefficients[i, 1:, 1] = radius
            coefficients[i, :, 0] = centre
            errors[i] = 0.0
            errors[i, 0] = radius
            continue
        first = min(max((low_limit - centre) / radius, -1.0), 1.0)
        second = min(max((high_limit - centre) / radius, -1.0), 1.0)
        for k in range(table.shape[1]):
            values[k] = min(max(centre + radius * table[0, k], low_limit), high_limit)
        chebyshev_series(values, table, top, series)
        for d in range(top + 1):
            a = coefficients[i, d]
            if d > 0 and d <= 2 and (first <= -1.0 or second >= 1.0):
                _one_kink(a, d, radius, first if second >= 1.0 else second, second >= 1.0)
            elif d == 1:
                _two_kinks_line(a, radius, first, second)
            elif d > 1:
                for j in range(d + 1):
                    for k in range(j + 1):
                        a[k] += series[j] * powers[j, k]
            low, high = _linear_pieces(a, d, centre, radius, low_limit, high_limit, first, second, p)
            errors[i, d] = centred(a, low, high)
