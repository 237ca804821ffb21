"""The hot loops of polynomial zonotopes, compiled by numba and cached on disk.

A row stands for one quantity: coefficients c [M] of monomials in [-1, 1], coefficients g [q] of independent symbols in
[-1, 1], and a radius r >= 0 of what else it may be off by. Every kernel accounts for its own rounding a priori: all
errors of the coefficients of a result together are bounded by gamma_k times the sum of absolute values that went into
it (monomials and symbols are at most 1 in size), and added to the radius of the result. No fast-math.
"""

from __future__ import annotations

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.compiled import compiled
from nnctrl.sets.monomials import BoolArray, IntArray
from nnctrl.sets.rounding import TINY, gamma

_gamma = compiled(gamma)
"""`rounding.gamma`, compiled."""


@compiled
def row_range(c: FloatArray, g: FloatArray, r: float, even: BoolArray) -> tuple[float, float]:
    """Outer bounds of a row: even monomials lie in [0, 1], all others in [-1, 1]."""
    below, above, size = 0.0, 0.0, r
    for m in range(1, c.size):
        value = c[m]
        if even[m]:
            if value < 0.0:
                below -= value
            else:
                above += value
        else:
            size += abs(value)
    for j in range(g.size):
        size += abs(g[j])
    total = below + above + size + abs(c[0])
    slack = _gamma(2 * (c.size + g.size) + 8) * total + TINY
    return (c[0] - below) - (size + slack), (c[0] + above) + (size + slack)


@compiled
def dependent_range(c: FloatArray, even: BoolArray, linear: IntArray, squares: IntArray) -> tuple[float, float]:
    """Outer bounds of a row's polynomial without its constant: `(at most 0, at least 0)`.

    As `row_range`, but with a x + b x^2 taken together for each symbol x, at `linear` and `squares` [s] (negative where
    there is none): for b > 0 its least value is -a^2 / (4 b) if |a| < 2 b and else b - |a|, its largest b + |a|.
    """
    below, above, size, total = 0.0, 0.0, 0.0, 0.0
    for m in range(1, c.size):
        value = c[m]
        total += abs(value)
        if even[m]:
            if value < 0.0:
                below -= value
            else:
                above += value
        else:
            size += abs(value)
    for k in range(linear.size):
        if linear[k] < 0 or squares[k] < 0:
            continue
        a, b = abs(c[linear[k]]), c[squares[k]]
        if b == 0.0:
            continue
        # instead of |a| on the side that the square does not reach
        saved = a - a * (a / (4.0 * abs(b))) if a < 2.0 * abs(b) else abs(b)
        if b > 0.0:
            below -= saved
        else:
            above -= saved
    slack = _gamma(2 * c.size + 2 * linear.size + 16) * (2.0 * total) + TINY
    return min(0.0, -(below + size) - slack), max(0.0, above + size + slack)


@compiled
def add_product(
    out_c: FloatArray,
    out_g: FloatArray,
    out_r: float,
    a_c: FloatArray,
    a_g: FloatArray,
    a_r: float,
    b_c: FloatArray,
    b_g: FloatArray,
    b_r: float,
    factor: float,
    products: IntArray,
    offsets: IntArray,
    counts: IntArray,
    partial: FloatArray,
) -> float:
    """out += factor * a * b; returns the new radius of out.

    Monomials beyond the degree, products of independent symbols and of radii go into the radius with their absolute
    values. `partial` [M + 1] is scratch space.
    """
    size = a_c.size
    total = 0.0
    for m in range(size):
        partial[m] = total
        total += abs(b_c[m])
    partial[size] = total
    truncated, a_sum = 0.0, 0.0
    for i in range(size):
        value = a_c[i]
        if value == 0.0:
            continue
        magnitude = abs(value)
        a_sum += magnitude
        count, offset = counts[i], offsets[i]
        # a difference of partial sums may be rounded to less than what it stands for: see the slack below
        truncated += magnitude * (total - partial[count])
        scaled = value * factor
        for j in range(count):
            out_c[products[offset + j]] += scaled * b_c[j]
    a_0, b_0 = a_c[0], b_c[0]
    a_free, b_free = a_r, b_r
    for j in range(out_g.size):
        x, y = a_g[j], b_g[j]
        out_g[j] += factor * a_0 * y + factor * b_0 * x
        a_free += abs(x)
        b_free += abs(y)
    a_rest, b_rest = a_sum - abs(a_0), total - abs(b_0)
    new = abs(a_0) * b_r + abs(b_0) * a_r + a_rest * b_free + b_rest * a_free + a_free * b_free + truncated
    everything = (a_sum + a_free) * (total + b_free)
    before = out_r
    for m in range(size):
        before += abs(out_c[m])
    for j in range(out_g.size):
        before += abs(out_g[j])
    # every coefficient is a sum of at most 2 size + 4 rounded terms; what they are sums of is bounded by `everything`
    # and by what stood there, which is at most the result and the new terms together
    rounding = _gamma(4 * size + 16) * (abs(factor) * everything * 2.0 + before)
    wide = (out_r + abs(factor) * new + rounding) * (1.0 + 2.0 * _gamma(2 * (size + out_g.size) + 32))
    return wide + TINY


@compiled
def ranges(c: FloatArray, g: FloatArray, r: FloatArray, even: BoolArray, lower: FloatArray, upper: FloatArray) -> None:
    """`row_range` of every row, into `lower` and `upper` [n]."""
    for i in range(c.shape[0]):
        lower[i], upper[i] = row_range(c[i], g[i], r[i], even)


@compiled
def products(
    out_c: FloatArray,
    out_g: FloatArray,
    out_r: FloatArray,
    a_c: FloatArray,
    a_g: FloatArray,
    a_r: FloatArray,
    b_c: FloatArray,
    b_g: FloatArray,
    b_r: FloatArray,
    table: IntArray,
    offsets: IntArray,
    counts: IntArray,
) -> None:
    """Row by row out += a * b."""
    partial = np.zeros(a_c.shape[1] + 1)
    for i in range(a_c.shape[0]):
        out_r[i] = add_product(
            out_c[i],
            out_g[i],
            out_r[i],
            a_c[i],
            a_g[i],
            a_r[i],
            b_c[i],
            b_g[i],
            b_r[i],
            1.0,
            table,
            offsets,
            counts,
            partial,
        )
