"""Compiled loops over jet programs: truncated power series in time of intervals and of polynomial zonotopes.

`program` arguments are the arrays of a `JetProgram`: instructions, factors, moving, results. Slots hold coefficients of
t^k for k = 0 .. order; those of arguments and constants are given, and where `linked` those of the first arguments (the
states) follow from the results by `x_(k+1) = f_k / (k + 1)`, and the coefficients of other slots end one order earlier.
Both loops round outward; both return -1, or the instruction at which the value is undefined on a part of what was
given.

A kink (an absolute value whose argument may be 0) has no series, but a range of slopes: to order 1 the ranges of
`interval_jets` hold for it too, almost everywhere in time, which is all that an integral needs.
"""

from __future__ import annotations

import math

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.compiled import compiled
from nnctrl.sets.elementary_kernels import above, add, below, multiply, square, taylor_coefficients
from nnctrl.sets.monomials import BoolArray, IntArray
from nnctrl.sets.polynomial_kernels import add_product, row_range
from nnctrl.sets.rounding import TINY, UNIT_ROUNDOFF, gamma
from nnctrl.systems.jet_program import ABSOLUTE, ADD, FUNCTION, MULTIPLY, SCALE, SHIFT, SQUARE, SUBTRACT

_gamma = compiled(gamma)


@compiled
def interval_jets(
    instructions: IntArray,
    factors: FloatArray,
    moving: BoolArray,
    results: IntArray,
    linked: bool,
    order: int,
    low: FloatArray,
    high: FloatArray,
) -> int:
    """Ranges of the coefficients of all slots, into `low` and `high` [S, order + 1].

    nan where nothing is known.
    """
    coefficients_low, coefficients_high = np.zeros(2), np.zeros(2)
    for k in range(order if linked else order + 1):
        for t in range(instructions.shape[0]):
            operation, o, a, b = instructions[t, 0], instructions[t, 1], instructions[t, 2], instructions[t, 3]
            if k > 0 and not moving[o]:
                continue
            if instructions[t, 5] == 1 and not (order > 0 and moving[o]):
                continue
            if operation == ADD:
                low[o, k], high[o, k] = add(low[a, k], high[a, k], low[b, k], high[b, k])
            elif operation == SUBTRACT:
                low[o, k], high[o, k] = add(low[a, k], high[a, k], -high[b, k], -low[b, k])
            elif operation == SCALE:
                low[o, k], high[o, k] = multiply(low[a, k], high[a, k], factors[t], factors[t])
            elif operation == SHIFT:
                low[o, k], high[o, k] = low[a, k], high[a, k]
                if k == 0:
                    low[o, 0], high[o, 0] = add(low[a, 0], high[a, 0], factors[t], factors[t])
            elif operation in (MULTIPLY, SQUARE):
                p, q = 0.0, 0.0
                if operation == SQUARE and k == 0:
                    p, q = square(low[a, 0], high[a, 0])
                else:
                    for i in range(k + 1):
                        if (i > 0 and not moving[a]) or (k > i and not moving[b]):
                            continue
                        x, y = multiply(low[a, i], high[a, i], low[b, k - i], high[b, k - i])
                        p, q = add(p, q, x, y)
                low[o, k], high[o, k] = p, q
            elif operation == FUNCTION:
                if k == 0:
                    taylor_coefficients(
                        instructions[t, 4], low[a, 0], high[a, 0], 0, coefficients_low, coefficients_high
                    )
                    low[o, 0], high[o, 0] = coefficients_low[0], coefficients_high[0]
                    if not (low[o, 0] >= -math.inf and high[o, 0] <= math.inf):
                        return t
                else:
                    p, q = 0.0, 0.0
                    for i in range(1, k + 1):
                        if k > i and not moving[b]:
                            continue
                        x, y = multiply(low[a, i], high[a, i], low[b, k - i], high[b, k - i])
                        x, y = multiply(x, y, factors[t] * i, factors[t] * i)
                        p, q = add(p, q, x, y)
                    low[o, k], high[o, k] = below(p / k), above(q / k)
            elif operation == ABSOLUTE:
                if low[a, 0] >= 0.0:
                    low[o, k], high[o, k] = low[a, k], high[a, k]
                elif high[a, 0] <= 0.0:
                    low[o, k], high[o, k] = -high[a, k], -low[a, k]
                elif k == 0:
                    low[o, 0], high[o, 0] = 0.0 * (low[a, 0] + high[a, 0]), max(-low[a, 0], high[a, 0])
                elif k == 1:
                    high[o, 1] = max(abs(low[a, 1]), abs(high[a, 1]))
                    low[o, 1] = -high[o, 1]
                else:
                    return t
        if linked:
            for i in range(results.size):
                o = results[i]
                if k > 0 and not moving[o]:
                    low[i, k + 1], high[i, k + 1] = 0.0, 0.0
                else:
                    low[i, k + 1], high[i, k + 1] = below(low[o, k] / (k + 1)), above(high[o, k] / (k + 1))
    return -1


@compiled
def _grown(radius: float, rounding: float, terms: int) -> float:
    """A radius and a sum of `terms` absolute values of which a share was lost to rounding."""
    return (radius + rounding) * (1.0 + 2.0 * _gamma(terms + 16)) + TINY


@compiled
def _combine(
    out_c: FloatArray,
    out_g: FloatArray,
    a_c: FloatArray,
    a_g: FloatArray,
    a_r: float,
    b_c: FloatArray,
    b_g: FloatArray,
    b_r: float,
    sign: float,
) -> float:
    """out = a + sign b for a sign of +-1; returns its radius."""
    total = 0.0
    for m in range(out_c.size):
        out_c[m] = a_c[m] + sign * b_c[m]
        total += abs(out_c[m])
    for j in range(out_g.size):
        out_g[j] = a_g[j] + sign * b_g[j]
        total += abs(out_g[j])
    return _grown(a_r + b_r, 2.0 * UNIT_ROUNDOFF * total, out_c.size + out_g.size)


@compiled
def _scale(out_c: FloatArray, out_g: FloatArray, a_c: FloatArray, a_g: FloatArray, a_r: float, factor: float) -> float:
    """out = factor a; returns its radius. The factor itself may have one rounding."""
    total = 0.0
    for m in range(out_c.size):
        out_c[m] = factor * a_c[m]
        total += abs(out_c[m])
    for j in range(out_g.size):
        out_g[j] = factor * a_g[j]
        total += abs(out_g[j])
    return _grown(abs(factor) * a_r, 4.0 * UNIT_ROUNDOFF * total, out_c.size + out_g.size)


@compiled
def _compose(
    function: int,
    degree: int,
    out_c: FloatArray,
    out_g: FloatArray,
    a_c: FloatArray,
    a_g: FloatArray,
    a_r: float,
    even: BoolArray,
    products: IntArray,
    offsets: IntArray,
    counts: IntArray,
    work_c: FloatArray,
    work_g: FloatArray,
    partial: FloatArray,
) -> float:
    """out = f(a): the Taylor polynomial about the constant term, of the degree with the least remainder (Lagrange's);
    returns its radius, nan where f is undefined.
    """
    low, high = row_range(a_c, a_g, a_r, even)
    # a - centre is exact: the constant is left out
    centre = a_c[0]
    reach = above(max(high - centre, centre - low))
    at_low, at_high = np.zeros(degree + 1), np.zeros(degree + 1)
    on_low, on_high = np.zeros(degree + 2), np.zeros(degree + 2)
    taylor_coefficients(function, centre, centre, degree, at_low, at_high)
    taylor_coefficients(function, min(low, centre), max(high, centre), degree + 1, on_low, on_high)
    size = max(abs(at_low[0]), abs(at_high[0]))
    # a constant, if nothing better is found: where the derivatives are unbounded, as the root's at 0
    middle = 0.5 * on_low[0] + 0.5 * on_high[0]
    best, used, power = above(max(on_high[0] - middle, middle - on_low[0])), -1, 1.0
    for k in range(degree + 1):
        power = above(power * reach)
        rest = above(max(abs(on_low[k + 1]), abs(on_high[k + 1])) * power)
        if rest < best:
            best, used = rest, k
        if rest <= 4.0 * UNIT_ROUNDOFF * size:
            break
    out_c[:] = 0.0
    out_g[:] = 0.0
    if used < 0:
        out_c[0] = middle
        return best + 0.0 * (on_low[0] + on_high[0])
    middle = 0.5 * at_low[used] + 0.5 * at_high[used]
    out_c[0] = middle
    out_r = above(max(at_high[used] - middle, middle - at_low[used]))
    for k in range(used - 1, -1, -1):
        work_c[:] = 0.0
        work_g[:] = 0.0
        constant = a_c[0]
        a_c[0] = 0.0
        radius = add_product(
            work_c, work_g, 0.0, a_c, a_g, a_r, out_c, out_g, out_r, 1.0, products, offsets, counts, partial
        )
        a_c[0] = constant
        middle = 0.5 * at_low[k] + 0.5 * at_high[k]
        total = work_c[0] + middle
        radius += above(max(at_high[k] - middle, middle - at_low[k])) + 2.0 * UNIT_ROUNDOFF * abs(total)
        out_c[:] = work_c
        out_c[0] = total
        out_g[:] = work_g
        out_r = radius * (1.0 + 8.0 * UNIT_ROUNDOFF)
    # 0 * inf: where the function is not defined nothing is known
    return (out_r + best) * (1.0 + 4.0 * UNIT_ROUNDOFF) + 0.0 * (on_low[0] + on_high[0])


@compiled
def polynomial_jets(
    instructions: IntArray,
    factors: FloatArray,
    moving: BoolArray,
    results: IntArray,
    linked: bool,
    order: int,
    degree: int,
    c: FloatArray,
    g: FloatArray,
    r: FloatArray,
    even: BoolArray,
    products: IntArray,
    offsets: IntArray,
    counts: IntArray,
) -> int:
    """Coefficients of all slots as rows of a polynomial zonotope: `c` [S, order + 1, M], `g` [S, order + 1, q] and
    `r` [S, order + 1], in which what is not given is overwritten.

    `degree`: of the Taylor polynomials of elementary functions. For every value of the symbols (and of what the radii
    of the arguments stand for) each coefficient lies within its row's radius.
    """
    size, count = c.shape[2], g.shape[2]
    work_c, work_g, partial = np.zeros(size), np.zeros(count), np.zeros(size + 1)
    for k in range(order if linked else order + 1):
        for t in range(instructions.shape[0]):
            operation, o, a, b = instructions[t, 0], instructions[t, 1], instructions[t, 2], instructions[t, 3]
            if k > 0 and not moving[o]:
                continue
            if instructions[t, 5] == 1 and not (order > 0 and moving[o]):
                continue
            if operation == ADD:
                r[o, k] = _combine(c[o, k], g[o, k], c[a, k], g[a, k], r[a, k], c[b, k], g[b, k], r[b, k], 1.0)
            elif operation == SUBTRACT:
                r[o, k] = _combine(c[o, k], g[o, k], c[a, k], g[a, k], r[a, k], c[b, k], g[b, k], r[b, k], -1.0)
            elif operation == SCALE:
                r[o, k] = _scale(c[o, k], g[o, k], c[a, k], g[a, k], r[a, k], factors[t])
            elif operation == SHIFT:
                c[o, k] = c[a, k]
                g[o, k] = g[a, k]
                r[o, k] = r[a, k]
                if k == 0:
                    c[o, 0, 0] += factors[t]
                    r[o, 0] = _grown(r[a, 0], 2.0 * UNIT_ROUNDOFF * abs(c[o, 0, 0]), 1)
            elif operation in (MULTIPLY, SQUARE):
                c[o, k] = 0.0
                g[o, k] = 0.0
                radius = 0.0
                for i in range(k + 1):
                    if (i > 0 and not moving[a]) or (k > i and not moving[b]):
                        continue
                    radius = add_product(
                        c[o, k], g[o, k], radius,
                        c[a, i], g[a, i], r[a, i],
                        c[b, k - i], g[b, k - i], r[b, k - i],
                        1.0, products, offsets, counts, partial,
                    )  # fmt: skip
                r[o, k] = radius
            elif operation == FUNCTION and k == 0:
                r[o, 0] = _compose(
                    instructions[t, 4], degree, c[o, 0], g[o, 0], c[a, 0], g[a, 0], r[a, 0],
                    even, products, offsets, counts, work_c, work_g, partial,
                )  # fmt: skip
                if not r[o, 0] < math.inf:
                    return t
            elif operation == FUNCTION:
                c[o, k] = 0.0
                g[o, k] = 0.0
                radius = 0.0
                for i in range(1, k + 1):
                    if k > i and not moving[b]:
                        continue
                    # the two roundings of the factor are among those that add_product allows for
                    radius = add_product(
                        c[o, k], g[o, k], radius,
                        c[a, i], g[a, i], r[a, i],
                        c[b, k - i], g[b, k - i], r[b, k - i],
                        factors[t] * i / k, products, offsets, counts, partial,
                    )  # fmt: skip
                r[o, k] = radius
            elif operation == ABSOLUTE:
                low, high = row_range(c[a, 0], g[a, 0], r[a, 0], even)
                if low >= 0.0 or high <= 0.0:
                    r[o, k] = _scale(c[o, k], g[o, k], c[a, k], g[a, k], r[a, k], 1.0 if low >= 0.0 else -1.0)
                elif k == 0:
                    # the chord, and half of how far it is above the kink; any slope is right with this radius
                    slope = (high + low) / (high - low)
                    r[o, 0] = _scale(c[o, 0], g[o, 0], c[a, 0], g[a, 0], r[a, 0], slope)
                    ends = max(above(high - slope * high), above(-low - slope * low))
                    middle = 0.5 * ends
                    c[o, 0, 0] += middle
                    r[o, 0] = _grown(r[o, 0], middle + 8.0 * UNIT_ROUNDOFF * (high - low + abs(c[o, 0, 0])), 4)
                else:
                    return t
        if linked:
            for i in range(results.size):
                o = results[i]
                if k > 0 and not moving[o]:
                    c[i, k + 1] = 0.0
                    g[i, k + 1] = 0.0
                    r[i, k + 1] = 0.0
                else:
                    r[i, k + 1] = _scale(c[i, k + 1], g[i, k + 1], c[o, k], g[o, k], r[o, k], 1.0 / (k + 1))
    return -1
