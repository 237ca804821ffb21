"""Certified polynomial fits of tanh, sigmoid and softplus, lane by lane, compiled by numba.

All three are functions of y = tanh z, z being the argument or half of it: so are their derivatives, which come with the
values at the Chebyshev points. See `polynomial_fit_pieces` for the method.
"""

from __future__ import annotations

import math

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
from nnctrl.sets.rounding import LIBRARY_ULPS, TINY, UNIT_ROUNDOFF

TANH, SIGMOID, SOFTPLUS = 0, 1, 2
"""The smooth kinds. The latter two are functions of z = x/2: 1/2 + tanh(z)/2, log(1 + exp 2z) with slope 1 + tanh z."""

COARSE_LIMIT = 1.5
"""Half-width of tanh's argument above which the finer pieces are used."""

DERIVATIVE_SLACK = 256.0 * UNIT_ROUNDOFF
"""More than the rounding of phi' to phi'''' as polynomials in y = tanh: |d/dy| <= 16 times y's error, 2 LIBRARY_ULPS u,
and some ten roundings of terms up to 8.
"""


@compiled
def _value(kind: int, z: float) -> float:
    """phi as a function of z."""
    if kind == SOFTPLUS:
        return max(2.0 * z, 0.0) + math.log1p(math.exp(-2.0 * abs(z)))
    return math.tanh(z)


@compiled
def _value_error(kind: int, value: float) -> float:
    """How far a computed value may be from the real one: as `value_error` of the activations."""
    if kind == SOFTPLUS:
        return (min(value, 0.75) * (4.0 * LIBRARY_ULPS + 4.0) + 3.0 * value) * UNIT_ROUNDOFF + TINY
    return abs(value) * ((2.0 * LIBRARY_ULPS + 2.0) * UNIT_ROUNDOFF) + TINY


@compiled
def _smooth_pieces(
    kind: int,
    a: FloatArray,
    degree: int,
    centre: float,
    radius: float,
    table: FloatArray,
    values: FloatArray,
    tanhs: FloatArray,
    ends: FloatArray,
    p: FloatArray,
) -> tuple[float, float]:
    """Outer bounds of phi - p for |t| <= 1; `values` at the points of `table`, `ends` the range of phi."""
    total, fourth = sizes(a, degree)
    doubt = 4.0 * UNIT_ROUNDOFF * (abs(centre) + radius) + TINY
    relative = compiled_gamma(4 * degree + 48)
    count = table.shape[1]
    low, high = np.inf, -np.inf
    for k in range(count):
        left, right = table[1, k], table[2, k]
        h = max(left, right)
        reach = radius * h
        value, y = values[k], tanhs[k]
        expanded(a, degree, table[0, k], p)
        if reach < 1.0:
            w = 1.0 - y * y
            if kind == SOFTPLUS:
                d1, d2, d3, d4 = 1.0 + y, w, -2.0 * y * w, w * (6.0 * y * y - 2.0)
                # |phi''''| = |tanh'''| <= 2 and <= 4 w; |phi'''''| = |tanh''''| <= 4.1
                most, decay, fifth = 2.0, 4.0, 4.1
            else:
                d1, d2, d3, d4 = w, -2.0 * y * w, w * (6.0 * y * y - 2.0), y * w * (16.0 - 24.0 * y * y)
                # as polynomials in y: |phi''''| <= 4.1 and <= 8 w, |phi'''''| <= 16
                most, decay, fifth = 4.1, 8.0, 16.0
            # log w has slopes up to 2, and exp(2 reach) <= 1 / (1 - reach)^2
            thin = decay * (w + DERIVATIVE_SLACK) / ((1.0 - reach) * (1.0 - reach))
            near = abs(d4) + fifth * reach + DERIVATIVE_SLACK + 16.0 * doubt
            bend = min(most, min(thin, near)) * (1.0 + 16.0 * UNIT_ROUNDOFF) + 16.0 * doubt
            slack = (
                _value_error(kind, value)
                + doubt * (d1 + DERIVATIVE_SLACK + 16.0 * doubt)
                + (DERIVATIVE_SLACK + 16.0 * doubt) * 2.0 * reach
                + relative * (total + abs(value) + 8.0 * reach)
            )
            down, up = quadratic_range(value - p[0], radius * d1 - p[1], 0.5 * radius * radius * d2 - p[2], left, right)
            cube = abs(radius * radius * radius * d3 / 6.0 - p[3]) * h * h * h
            rest = cube + ((reach * reach) * (reach * reach) * bend / 24.0 + fourth * (h * h) * (h * h)) + slack
        else:
            # phi is monotone: on the piece it lies between its values at the neighbouring points
            below = values[k - 1] - _value_error(kind, values[k - 1]) if k > 0 else ends[0]
            above = values[k + 1] + _value_error(kind, values[k + 1]) if k + 1 < count else ends[1]
            down, up = below - p[0], above - p[0]
            rest = h * (abs(p[1]) + h * (abs(p[2]) + h * (abs(p[3]) + h * fourth)))
            # the points are rounded too, phi has slopes up to 2
            rest += 2.0 * doubt + relative * (total + abs(below) + abs(above))
        rest *= 1.0 + 32.0 * UNIT_ROUNDOFF
        low, high = min(low, down - rest), max(high, up + rest)
    return low, high


@compiled
def fit_smooth(
    kind: int,
    lower: FloatArray,
    upper: FloatArray,
    coarse: FloatArray,
    fine: FloatArray,
    powers: FloatArray,
    centres: FloatArray,
    radii: FloatArray,
    coefficients: FloatArray,
    errors: FloatArray,
) -> None:
    """Fits of degree 0 to d of each lane into `centres`, `radii` [m], `coefficients` [m, d+1, d+1], `errors` [m, d+1].

    `coarse`, `fine` [d + 4, k]: Chebyshev points, how far their pieces reach to the left and right, and the rows that
    make Chebyshev coefficients of values there; `powers` [d + 1, d + 1]: Chebyshev polynomials in powers. Errors are
    nan where an interval is not finite.
    """
    top = powers.shape[0] - 1
    values, tanhs = np.empty(fine.shape[1]), np.empty(fine.shape[1])
    series, ends, p = np.empty(top + 1), np.empty(2), np.empty(4)
    scale = 1.0 if kind == TANH else 0.5
    least, most = (0.0, np.inf) if kind == SOFTPLUS else (-1.0, 1.0)
    for i in range(lower.size):
        if not (abs(lower[i]) < np.inf and abs(upper[i]) < np.inf):
            centres[i], radii[i] = 0.0, 1.0
            coefficients[i] = 0.0
            errors[i] = np.nan
            continue
        centre, radius = centre_and_radius(scale * lower[i], scale * upper[i])
        table = coarse if radius <= COARSE_LIMIT and top <= 3 else fine
        for k in range(table.shape[1]):
            z = centre + radius * table[0, k]
            tanhs[k] = math.tanh(z)
            values[k] = _value(kind, z) if kind == SOFTPLUS else tanhs[k]
        outside = radius + (8.0 * UNIT_ROUNDOFF * (abs(centre) + radius) + TINY)
        low, high = _value(kind, centre - outside), _value(kind, centre + outside)
        ends[0] = max(low - _value_error(kind, low), least)
        ends[1] = min(high + _value_error(kind, high), most)
        chebyshev_series(values, table, top, series)
        for d in range(top + 1):
            a = coefficients[i, d]
            a[:] = 0.0
            low, high = ends[0], ends[1]
            if d > 0:
                for j in range(d + 1):
                    for k in range(j + 1):
                        a[k] += series[j] * powers[j, k]
                low, high = _smooth_pieces(kind, a, d, centre, radius, table, values, tanhs, ends, p)
            errors[i, d] = centred(a, low, high)
            if kind == SIGMOID:
                # 1/2 + tanh/2; halving is exact where nothing underflows
                for j in range(d + 1):
                    a[j] *= 0.5
                a[0] += 0.5
                errors[i, d] = 0.5 * errors[i, d] + (2.0 * UNIT_ROUNDOFF * abs(a[0]) + TINY)
                errors[i, d] *= 1.0 + 4.0 * UNIT_ROUNDOFF
        centres[i], radii[i] = centre / scale, radius / scale
