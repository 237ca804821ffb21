"""The matrices from one sample to the next, as enclosures: of discrete plants, and of continuous ones whose input is
held.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import UnsupportedError
from nnctrl.learning.lmi.enclosed import Enclosed
from nnctrl.learning.task import Task
from nnctrl.sets.rounding import TINY, UNIT_ROUNDOFF, sum_up, widen_up

TERMS = 20
"""Terms of the exponential series, for matrices of norm at most 1/2."""

MOST_HALVINGS = 60


@dataclass(frozen=True, eq=False)
class SampledMotion:
    """`x_{k+1} = A x_k + B u_k + c` from sample to sample: A [n, n], B [n, m], c [n, 1], with all that rounding and
    interval parameters make of them.

    Disturbances are held at `disturbance`, the middle of their ranges.
    """

    A: Enclosed
    B: Enclosed
    c: Enclosed
    disturbance: FloatArray


def sampled_motion(task: Task) -> SampledMotion | None:
    """The motion of an affine plant, None for others and for continuous ones with interval parameters, which may change
    while an input is held.
    """
    plant = task.plant
    try:
        dynamics = plant.affine()
    except UnsupportedError:
        return None
    if any(name not in plant.ranges for name in plant.disturbances):
        return None
    ends = np.array([plant.ranges[name] for name in plant.disturbances], dtype=np.float64).reshape(-1, 2)
    held = np.clip(0.5 * ends[:, 0] + 0.5 * ends[:, 1], ends[:, 0], ends[:, 1])
    affine, n, m = dynamics.state, plant.state_size, plant.input_size
    weight = _enclosed(affine.weight, affine.weight_radius)
    bias = _enclosed(affine.bias[:, None], None if affine.bias_radius is None else affine.bias_radius[:, None])
    if len(held):
        bias = bias.plus(_columns(weight, slice(n + m, None)).times(Enclosed.exact(held[:, None])))
    A, B = _columns(weight, slice(0, n)), _columns(weight, slice(n, n + m))
    if plant.is_discrete:
        return SampledMotion(A, B, bias, held)
    lower, upper = plant.parameter_bounds
    if task.period is None or (lower < upper).any():
        return None
    return _held(A, B, bias, task.period, held)


def exponential(matrix: Enclosed) -> Enclosed | None:
    """exp(M) [N, N] for every M that is enclosed: Taylor's series of M / 2^s with its remainder, squared s times.

    None where the matrix is too large.
    """
    size = float(np.max(sum_up(abs(matrix.middle) + matrix.radius, axis=1), initial=0.0))
    halvings = 0
    while size > 0.5 and halvings <= MOST_HALVINGS:
        size, halvings = 0.5 * size, halvings + 1
    if not size <= 0.5:
        return None
    factor = 0.5**halvings
    # scaling by a power of two is exact but for underflow
    scaled = Enclosed(matrix.middle * factor, widen_up(matrix.radius * factor))
    total = term = Enclosed.exact(np.eye(len(matrix.middle)))
    for k in range(1, TERMS + 1):
        product = term.times(scaled)
        divided = product.middle / k
        radius = widen_up(product.radius / k + 4.0 * UNIT_ROUNDOFF * abs(divided), 4.0)
        term = Enclosed(divided, radius)
        total = total.plus(term)
    # every entry of the rest is at most the row norm of it, twice the next term: 2 size^(K+1) / (K+1)!
    rest = 2.0 * 0.5 ** (TERMS + 1)
    for k in range(1, TERMS + 2):
        rest /= k
    total = Enclosed(total.middle, widen_up(total.radius + 2.0 * rest + TINY, 4.0))
    for _ in range(halvings):
        total = total.times(total)
    return total


def _held(A: Enclosed, B: Enclosed, c: Enclosed, period: float, disturbance: FloatArray) -> SampledMotion | None:
    """exp of [[A, B, c], [0, 0, 0]] times the period has the motion in its first rows."""
    n, m = B.shape
    middle, radius = np.zeros((n + m + 1, n + m + 1)), np.zeros((n + m + 1, n + m + 1))
    middle[:n] = np.concatenate([A.middle, B.middle, c.middle], axis=1)
    radius[:n] = np.concatenate([A.radius, B.radius, c.radius], axis=1)
    found = exponential(Enclosed(middle, radius).times(Enclosed.exact(period * np.eye(n + m + 1))))
    if found is None or not np.isfinite(found.radius).all():
        return None
    top = Enclosed(found.middle[:n], found.radius[:n])
    return SampledMotion(
        _columns(top, slice(0, n)), _columns(top, slice(n, n + m)), _columns(top, slice(n + m, None)), disturbance
    )


def _enclosed(middle: FloatArray, radius: FloatArray | None) -> Enclosed:
    return Enclosed.exact(middle) if radius is None else Enclosed(middle, radius)


def _columns(matrix: Enclosed, chosen: slice) -> Enclosed:
    return Enclosed(matrix.middle[:, chosen], matrix.radius[:, chosen])
