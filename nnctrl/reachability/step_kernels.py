"""Compiled parts of one validated step of a continuous plant; see `validated_step` for what they prove together."""

from __future__ import annotations

import math

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.compiled import compiled
from nnctrl.sets.elementary_kernels import above, below, multiply
from nnctrl.sets.monomials import BoolArray, IntArray
from nnctrl.sets.polynomial_kernels import row_range
from nnctrl.sets.rounding import TINY, gamma
from nnctrl.systems.jet_kernels import interval_jets

_gamma = compiled(gamma)

ATTEMPTS = 6
"""Boxes that are tried before a step size is given up."""

NEARLY_NOTHING = 1e-100
"""Least inflation of a box: states that are exactly 0 need some."""


@compiled
def coefficient_ranges(
    c: FloatArray, g: FloatArray, r: FloatArray, even: BoolArray, low: FloatArray, high: FloatArray
) -> None:
    """Ranges [n, order + 1] of rows `c` [n, order + 1, M]."""
    for i in range(low.shape[0]):
        for k in range(low.shape[1]):
            low[i, k], high[i, k] = row_range(c[i, k], g[i, k], r[i, k], even)


@compiled
def remainder(
    instructions: IntArray,
    factors: FloatArray,
    moving: BoolArray,
    results: IntArray,
    order: int,
    low: FloatArray,
    high: FloatArray,
    fixed_low: FloatArray,
    fixed_high: FloatArray,
    disturbed: FloatArray,
    first_disturbance: int,
    h: float,
    rest: FloatArray,
    last: FloatArray,
    deviation: FloatArray,
) -> int:
    """Lagrange's remainder after t^order at any time of [0, h], its ends into `rest` [2, n], and at the time h into
    `last` [2, n]; and how far disturbances may move each state meanwhile, into `deviation` [n].

    `low`, `high` [n, order + 1]: ranges of the coefficients at the start. `fixed_low`, `fixed_high` [S]: ranges of the
    other arguments and constants. `disturbed` [w]: how far each disturbance may be from the middle that the
    coefficients were computed with, at every time anew; they are arguments from `first_disturbance` on.
    Returns -1, or -2 where no enclosure was found, or the instruction that is undefined on a box around the start.
    """
    n, slots = low.shape[0], fixed_low.size
    first_low, first_high = np.empty(n), np.empty(n)
    box_low, box_high = np.empty(n), np.empty(n)
    for i in range(n):
        a, b, power = low[i, 0], high[i, 0], 1.0
        for k in range(1, order + 1):
            power = above(power * h)
            # t^k covers [0, h^k]
            a = below(a + min(below(low[i, k] * power), 0.0))
            b = above(b + max(above(high[i, k] * power), 0.0))
        first_low[i], first_high[i] = a, b
        slack = 0.02 * (b - a) + 1e-12 * max(abs(a), abs(b)) + NEARLY_NOTHING
        box_low[i], box_high[i] = a - slack, b + slack
    least, power = 1.0, 1.0
    for _ in range(order + 1):
        least, power = below(least * h), above(power * h)
    jets_low, jets_high = np.zeros((slots, order + 2)), np.zeros((slots, order + 2))
    for _ in range(ATTEMPTS):
        jets_low[:, 0] = fixed_low
        jets_high[:, 0] = fixed_high
        jets_low[:n, 0] = box_low
        jets_high[:n, 0] = box_high
        failed = interval_jets(instructions, factors, moving, results, True, order + 1, jets_low, jets_high)
        if failed >= 0:
            return failed
        inside = True
        for i in range(n):
            a, b = jets_low[i, order + 1], jets_high[i, order + 1]
            # any time of the step: [0, h^(order + 1)] times the range
            rest[0, i], rest[1, i] = below(min(a, 0.0) * power), above(max(b, 0.0) * power)
            last[0, i], last[1, i] = multiply(a, b, least, power)
            a, b = below(first_low[i] + rest[0, i]), above(first_high[i] + rest[1, i])
            if not (a > box_low[i] and b < box_high[i]):
                inside = False
                slack = 0.1 * (b - a)
                box_low[i] = min(box_low[i], a - slack)
                box_high[i] = max(box_high[i], b + slack)
        if inside:
            for i in range(n):
                if not (box_high[i] - box_low[i] < math.inf):
                    return -2
            deviation[:] = 0.0
            if disturbed.size == 0:
                return -1
            return _deviation(
                instructions, factors, results, fixed_low, fixed_high, box_low, box_high, disturbed,
                first_disturbance, h, deviation,
            )  # fmt: skip
    return -2


@compiled
def _deviation(
    instructions: IntArray,
    factors: FloatArray,
    results: IntArray,
    fixed_low: FloatArray,
    fixed_high: FloatArray,
    box_low: FloatArray,
    box_high: FloatArray,
    disturbed: FloatArray,
    first_disturbance: int,
    h: float,
    deviation: FloatArray,
) -> int:
    """How far a disturbance that varies within its range moves the states in [0, h].

    With y the undisturbed solution in the box, x the disturbed one and m = |x - y|: while x stays within `rho` of the
    box, m' <= J m + D, J and D the largest sums of derivatives by states and disturbances there. So
    `h (D + J rho) < rho` keeps m below rho, and then m <= h (D + J rho).
    """
    n, slots = box_low.size, fixed_low.size
    moving = np.ones(slots, dtype=np.bool_)
    low, high = np.zeros((slots, 2)), np.zeros((slots, 2))
    rho, rate = np.full(n, NEARLY_NOTHING), np.zeros(n)
    for _ in range(2 * ATTEMPTS):
        rate[:] = 0.0
        for argument in range(n + disturbed.size):
            slot = argument if argument < n else first_disturbance + argument - n
            weight = rho[argument] if argument < n else disturbed[argument - n]
            low[:, :] = 0.0
            high[:, :] = 0.0
            low[:, 0] = fixed_low
            high[:, 0] = fixed_high
            for i in range(n):
                low[i, 0], high[i, 0] = below(box_low[i] - rho[i]), above(box_high[i] + rho[i])
            for j in range(disturbed.size):
                place = first_disturbance + j
                low[place, 0] = below(fixed_low[place] - disturbed[j])
                high[place, 0] = above(fixed_high[place] + disturbed[j])
            low[slot, 1], high[slot, 1] = 1.0, 1.0
            failed = interval_jets(instructions, factors, moving, results, False, 1, low, high)
            if failed >= 0:
                return failed
            for i in range(n):
                o = results[i]
                rate[i] = above(rate[i] + above(max(abs(low[o, 1]), abs(high[o, 1])) * weight))
        inside = True
        for i in range(n):
            deviation[i] = above(h * rate[i])
            if not deviation[i] < rho[i]:
                inside = False
                rho[i] = 1.1 * deviation[i] + NEARLY_NOTHING
        if inside:
            return -1
    return -2


@compiled
def rows_at(
    c: FloatArray,
    g: FloatArray,
    r: FloatArray,
    h: float,
    rest: FloatArray,
    deviation: FloatArray,
    out_c: FloatArray,
    out_g: FloatArray,
    out_r: FloatArray,
) -> None:
    """The states at the time h: sum_k h^k of the rows, and the remainder `rest` [2, n] that belongs to that time."""
    order, size, count = c.shape[1] - 1, c.shape[2], g.shape[2]
    for i in range(c.shape[0]):
        radius, total = 0.0, 0.0
        for m in range(size):
            value, magnitude = 0.0, 0.0
            for k in range(order, -1, -1):
                value = value * h + c[i, k, m]
                magnitude = magnitude * h + abs(c[i, k, m])
            out_c[i, m] = value
            total += magnitude
        for j in range(count):
            value, magnitude = 0.0, 0.0
            for k in range(order, -1, -1):
                value = value * h + g[i, k, j]
                magnitude = magnitude * h + abs(g[i, k, j])
            out_g[i, j] = value
            total += magnitude
        for k in range(order, -1, -1):
            radius = radius * h + r[i, k]
        middle = 0.5 * rest[0, i] + 0.5 * rest[1, i]
        out_c[i, 0] += middle
        radius += max(rest[1, i] - middle, middle - rest[0, i]) + deviation[i]
        total += abs(middle)
        radius += _gamma(3 * order + 8) * total
        out_r[i] = radius * (1.0 + 2.0 * _gamma(size + count + 2 * order + 16)) + TINY


@compiled
def rows_during(
    c: FloatArray,
    g: FloatArray,
    r: FloatArray,
    middle: float,
    half: float,
    rest: FloatArray,
    deviation: FloatArray,
    out_c: FloatArray,
    out_g: FloatArray,
    out_r: FloatArray,
) -> None:
    """The states at all times of [middle - half, middle + half], which lies in the step.

    The Taylor polynomial is expanded about the middle; what moves with time is, up to the constant part of the
    velocity, put into the radius. `out_g` has one column more than `g`: that constant part, common to all rows.
    """
    order, size, count = c.shape[1] - 1, c.shape[2], g.shape[2]
    weights = np.empty(order + 1)
    for i in range(c.shape[0]):
        total, radius, speed = 0.0, 0.0, 0.0
        for j in range(order + 1):
            # the j-th derivative over j!, times half^j
            binomial, power = 1.0, 1.0
            for k in range(j, order + 1):
                weights[k] = binomial * power
                binomial = binomial * (k + 1) / (k + 1 - j)
                power *= middle
            scale = 1.0
            for _ in range(j):
                scale *= half
            moved = 0.0
            for m in range(size):
                value, magnitude = 0.0, 0.0
                for k in range(j, order + 1):
                    value += weights[k] * c[i, k, m]
                    magnitude += weights[k] * abs(c[i, k, m])
                total += scale * magnitude
                if j == 0:
                    out_c[i, m] = value
                elif j == 1 and m == 0:
                    speed = scale * value
                else:
                    moved += abs(value)
            for p in range(count):
                value, magnitude = 0.0, 0.0
                for k in range(j, order + 1):
                    value += weights[k] * g[i, k, p]
                    magnitude += weights[k] * abs(g[i, k, p])
                total += scale * magnitude
                if j == 0:
                    out_g[i, p] = value
                else:
                    moved += abs(value)
            for k in range(j, order + 1):
                moved += weights[k] * r[i, k]
            radius += scale * moved
        out_g[i, count] = speed
        centre = 0.5 * rest[0, i] + 0.5 * rest[1, i]
        out_c[i, 0] += centre
        total += abs(centre)
        radius += max(rest[1, i] - centre, centre - rest[0, i]) + deviation[i]
        radius += _gamma(8 * order + 16) * total
        out_r[i] = radius * (1.0 + 2.0 * _gamma((order + 1) * (size + count + order + 8) + 16)) + TINY
