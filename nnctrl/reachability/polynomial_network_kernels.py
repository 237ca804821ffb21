"""Activations on rows of polynomial zonotopes: the polynomials of a layer, compiled by numba and cached on disk.

A pre-activation, scaled to [-1, 1], is t = t0 + N + F: a constant, the rest N of its polynomial in dependent symbols,
and its free part F = (generators, radius), |F| <= f. With q_k the coefficients of a fitted p about t0,

    p(t) = sum_k q_k N^k + F sum_k k q_k N^(k-1) + F^2 sum_k binom(k, 2) q_k N^(k-2) + ...

The first sum takes products of monomials; the factor of F is a number up to half its range over N; that of F^2 has a
range too and F^2 lies in [0, f^2]; and F^3 = 3/4 f^2 F + [-1, 1] f^3 / 4 (Chebyshev). So generators are only scaled.
Rounding is bounded in bulk: every number computed on the way is a sum of products that the same formula gives with
absolute values, so all errors together are at most gamma_k times `sum_j |a_j| (|t0| + |N| + f)^j`. No fast-math.
"""

from __future__ import annotations

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.compiled import compiled
from nnctrl.networks.polynomial_fit_linear import CONSTANT, IDENTITY
from nnctrl.networks.polynomial_fit_pieces import compiled_gamma
from nnctrl.sets.monomials import BoolArray, IntArray
from nnctrl.sets.polynomial_kernels import dependent_range
from nnctrl.sets.rounding import TINY, UNIT_ROUNDOFF

WIDTH_WEIGHT = 0.1
"""What the size of an image counts for beside its radius when fits are compared. Without it polynomials win whose terms
cancel, but not in later ranges; on random 3-20-20-2 networks 0.05 to 0.2 made outputs narrower by up to a sixth.
"""


@compiled
def free_and_range(
    c: FloatArray,
    g: FloatArray,
    r: FloatArray,
    even: BoolArray,
    linear: IntArray,
    squares: IntArray,
    below: FloatArray,
    above: FloatArray,
    free: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
) -> None:
    """Row by row: outer bounds of the polynomial without its constant, of the absolute value of generators and radius
    together, and of everything; all arrays but the rows' [n].
    """
    grown = 1.0 + 2.0 * compiled_gamma(g.shape[1] + 4)
    for i in range(c.shape[0]):
        below[i], above[i] = dependent_range(c[i], even, linear, squares)
        total = r[i]
        for j in range(g.shape[1]):
            total += abs(g[i, j])
        free[i] = total * grown + TINY
        slack = 8.0 * UNIT_ROUNDOFF * (abs(c[i, 0]) + above[i] - below[i] + free[i]) + TINY
        lower[i] = c[i, 0] + below[i] - free[i] - slack
        upper[i] = c[i, 0] + above[i] + free[i] + slack


@compiled
def _times(
    a: FloatArray,
    n: FloatArray,
    products: IntArray,
    offsets: IntArray,
    counts: IntArray,
    tails: FloatArray,
    out: FloatArray,
) -> float:
    """`out` = the monomials within the degree of a N, of which neither has a constant; returns a bound of the others.

    `tails` [M + 1] is scratch space.
    """
    count = n.size
    tails[count] = 0.0
    for m in range(count - 1, 0, -1):
        tails[m] = tails[m + 1] + abs(a[m])
    out[:] = 0.0
    beyond = 0.0
    for i in range(1, count):
        value = n[i]
        if value == 0.0:
            continue
        offset, admitted = offsets[i], counts[i]
        beyond += abs(value) * tails[max(admitted, 1)]
        for j in range(1, admitted):
            out[products[offset + j]] += value * a[j]
    return beyond


@compiled
def _shifted(a: FloatArray, degree: int, t: float, q: FloatArray) -> None:
    """Coefficients of the polynomial about t, by repeated synthetic division."""
    for j in range(degree + 1):
        q[j] = a[j]
    for k in range(degree):
        for j in range(degree - 1, k - 1, -1):
            q[j] += t * q[j + 1]


@compiled
def _free_part(q: FloatArray, degree: int, low: float, high: float, f: float) -> tuple[float, float, float]:
    """`(slope, shift, radius)`: what the terms with F are within `radius` of slope F + shift, for N in [low, high]."""
    if degree == 1:
        return q[1], 0.0, 0.0
    a = 3.0 * q[3] if degree >= 3 else 0.0
    b = 2.0 * q[2]
    first, last = low * (b + a * low), high * (b + a * high)
    least, most = min(first, last), max(first, last)
    if a != 0.0:
        turn = -0.5 * (b / a)
        if low < turn < high:
            least, most = min(least, 0.5 * b * turn), max(most, 0.5 * b * turn)
    bend_low, bend_high = q[2] + min(a * low, a * high), q[2] + max(a * low, a * high)
    radius = 0.0
    size = max(-low, high)
    for k in range(4, degree + 1):
        # binomials binom(k, j) size^(k - j) f^j: j = 1 and 2 widen the ranges, the others are radii
        binomial = 1.0 * k
        slope_size = binomial * abs(q[k]) * size ** (k - 1)
        least, most = least - slope_size, most + slope_size
        for j in range(2, k + 1):
            binomial = binomial * (k - j + 1) / j
            term = binomial * abs(q[k]) * size ** (k - j)
            if j == 2:
                bend_low, bend_high = bend_low - term, bend_high + term
            else:
                radius += term * f**j
    down, up = min(0.0, bend_low) * f * f, max(0.0, bend_high) * f * f
    slope = q[1] + 0.5 * (least + most)
    radius += 0.5 * (most - least) * f + 0.5 * (up - down)
    if degree >= 3:
        slope += 0.75 * q[3] * f * f
        radius += 0.25 * abs(q[3]) * (f * f * f)
    return slope, 0.5 * (down + up), radius


@compiled
def apply_fits(
    c: FloatArray,
    g: FloatArray,
    r: FloatArray,
    below: FloatArray,
    above: FloatArray,
    free: FloatArray,
    products: IntArray,
    offsets: IntArray,
    counts: IntArray,
    centres: FloatArray,
    radii: FloatArray,
    coefficients: FloatArray,
    errors: FloatArray,
    exact: IntArray,
    out_c: FloatArray,
    out_g: FloatArray,
    out_r: FloatArray,
) -> None:
    """Images of the rows `c`, `g`, `r` under their activations; each takes of its fits the one that leaves the smallest
    radius, with `WIDTH_WEIGHT`. The radius is nan where nothing is known.

    `below`, `above`, `free`: of `free_and_range`; `centres` to `exact`: of a `PolynomialFit` on the ranges.
    """
    count, top = c.shape[1], errors.shape[1] - 1
    n, square, inner, image = np.zeros(count), np.zeros(count), np.zeros(count), np.zeros(count)
    tails, q = np.zeros(count + 1), np.zeros(top + 1)
    for i in range(c.shape[0]):
        out_c[i], out_g[i], out_r[i] = 0.0, 0.0, np.nan
        if exact[i] == CONSTANT:
            out_c[i, 0], out_r[i] = coefficients[i, 0, 0], 0.0
            continue
        if exact[i] == IDENTITY:
            out_c[i], out_g[i], out_r[i] = c[i], g[i], r[i]
            continue
        inverse = 1.0 / radii[i]
        t0 = (c[i, 0] - centres[i]) * inverse
        size = 0.0
        for m in range(1, count):
            n[m] = c[i, m] * inverse
            size += abs(n[m])
        # N with rounded coefficients may leave the scaled range by their rounding
        moved = 8.0 * UNIT_ROUNDOFF * (abs(t0) + size) + TINY
        low, high = below[i] * inverse - moved, above[i] * inverse + moved
        f = free[i] * inverse * (1.0 + 8.0 * UNIT_ROUNDOFF) + TINY
        cheapest, best_slope, squared, beyond = np.inf, 0.0, False, 0.0
        for d in range(top + 1):
            if not errors[i, d] < cheapest:
                continue
            a = coefficients[i, d]
            rounding = 8.0 * UNIT_ROUNDOFF * abs(a[0]) + TINY
            radius, slope, width = errors[i, d], 0.0, 0.0
            image[:] = 0.0
            middle = a[0]
            if d > 0:
                _shifted(a, d, t0, q)
                slope, shift, bent = _free_part(q, d, low, high, f)
                middle = q[0] + shift
                radius += bent + abs(slope) * (r[i] * inverse)
                if d > 1:
                    if not squared:
                        beyond, squared = _times(n, n, products, offsets, counts, tails, square), True
                    rest = abs(q[d]) * beyond
                    for m in range(1, count):
                        image[m] = q[d] * square[m]
                    # Horner's rule
                    for k in range(d - 1, 1, -1):
                        for m in range(1, count):
                            inner[m] = image[m] + q[k] * n[m]
                        rest = rest * max(-low, high) + _times(inner, n, products, offsets, counts, tails, image)
                    radius += rest
                for m in range(1, count):
                    image[m] += q[1] * n[m]
                    width += abs(image[m])
                width += abs(slope) * f
                everything, steep, power, reach = 0.0, 0.0, 1.0, abs(t0) + size + f
                underflows = abs(a[0])
                for j in range(1, d + 1):
                    steep += j * abs(a[j])
                    power *= reach
                    everything += abs(a[j]) * power
                    underflows += abs(a[j]) * (1.0 + reach) ** j
                steps = 48 if d == 1 else (d + 1) * (count + 16) + 48
                rounding += 4.0 * compiled_gamma(steps) * everything + 2.0 * steep * moved
                rounding += TINY * (1.0 + underflows + free[i])
            radius = (radius + rounding) * (1.0 + 4.0 * compiled_gamma(count + 4 * d + 48))
            cost = radius + WIDTH_WEIGHT * width
            if cost < cheapest:
                cheapest, best_slope, out_r[i] = cost, slope, radius
                out_c[i] = image
                out_c[i, 0] = middle
        factor = best_slope * inverse
        for j in range(g.shape[1]):
            out_g[i, j] = factor * g[i, j]
