"""What certified polynomial fits share, compiled by numba: the error piece by piece.

Fitted is phi(centre + radius t) for t in [-1, 1]. With the values at Chebyshev points the coefficients of all degrees
are truncations of one Chebyshev series; how they were rounded is irrelevant, because the error of the stored ones is
bounded afterwards. About a point m of a piece the error `e(t) = phi(centre + radius t) - p(t)` is

    e(m + s) = A + B s + C s^2 + [-1, 1] (|D| |s|^3 + Q s^4),

and the quadratic part has its exact range, which makes 16 pieces enough. All rounding is added a priori; no fast-math.
"""

from __future__ import annotations

from nnctrl._typing import FloatArray
from nnctrl.compiled import compiled
from nnctrl.sets.rounding import TINY, UNIT_ROUNDOFF, gamma

compiled_gamma = compiled(gamma)
"""`rounding.gamma`, compiled."""


@compiled
def quadratic_range(a: float, b: float, c: float, left: float, right: float) -> tuple[float, float]:
    """Range of a + b s + c s^2 for s in [-left, right], up to rounding."""
    first, last = a + left * (c * left - b), a + right * (c * right + b)
    low, high = min(first, last), max(first, last)
    turn = -0.5 * b
    if (c > 0.0 and -c * left < turn < c * right) or (c < 0.0 and -c * left > turn > c * right):
        extreme = a - 0.25 * b * (b / c)
        low, high = min(low, extreme), max(high, extreme)
    return low, high


@compiled
def expanded(a: FloatArray, degree: int, t: float, out: FloatArray) -> None:
    """p, p', p''/2 and p'''/6 at t."""
    p0, p1, p2, p3 = 0.0, 0.0, 0.0, 0.0
    for j in range(degree, -1, -1):
        p3 = p3 * t + p2
        p2 = p2 * t + p1
        p1 = p1 * t + p0
        p0 = p0 * t + a[j]
    out[0], out[1], out[2], out[3] = p0, p1, p2, p3


@compiled
def sizes(a: FloatArray, degree: int) -> tuple[float, float]:
    """Bounds of what rounding in `expanded` is relative to, sum |a_j| 2^j, and of |p''''| / 24 on [-1, 1]."""
    total, fourth, power = 0.0, 0.0, 1.0
    for j in range(degree + 1):
        total += abs(a[j]) * power
        power *= 2.0
        if j >= 4:
            fourth += abs(a[j]) * (j * (j - 1) * (j - 2) * (j - 3) / 24.0)
    return total, fourth * (1.0 + compiled_gamma(2 * degree + 8))


@compiled
def centred(a: FloatArray, low: float, high: float) -> float:
    """Moves the middle of the error into the constant coefficient; returns the error that is left."""
    middle = 0.5 * low + 0.5 * high
    a[0] += middle
    reach = max(high - middle, middle - low) + 2.0 * UNIT_ROUNDOFF * abs(a[0])
    return reach * (1.0 + 12.0 * UNIT_ROUNDOFF) + TINY


@compiled
def centre_and_radius(lower: float, upper: float) -> tuple[float, float]:
    """A centre, and a positive radius around it that reaches both ends; a larger one is as true."""
    centre = 0.5 * lower + 0.5 * upper
    reach = max(upper - centre, centre - lower)
    reach += reach * (4.0 * UNIT_ROUNDOFF) + TINY
    return centre, max(reach, 2.0**-40 * (1.0 + abs(centre)))


@compiled
def chebyshev_series(values: FloatArray, table: FloatArray, degree: int, series: FloatArray) -> None:
    """Chebyshev coefficients of the values at the points of `table`."""
    for j in range(degree + 1):
        total = 0.0
        for k in range(table.shape[1]):
            total += table[3 + j, k] * values[k]
        series[j] = total
