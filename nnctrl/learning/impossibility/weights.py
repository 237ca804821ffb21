"""What inputs within their limits cannot reach: weights of the requirements, found by a linear program, whose bound is
evaluated with outward rounding.

Requirements are taken as half-spaces `a'z <= b` over the state or the input z of one sample, supersets of their sets.
For weights y >= 0 the sum of `y (a'z - b)` over all of them is affine in the initial state and the inputs,

    p_0'x_0 + sum_k q_k'u_k + constant,    p_k = A'p_{k+1} + sum y a,    q_k = B'p_{k+1} + sum y a,

and where its least value over inputs in their boxes is positive, no inputs meet all of them at once from x_0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nnctrl._typing import FloatArray
from nnctrl.learning.impossibility.motion import SampledMotion
from nnctrl.learning.lmi.enclosed import Enclosed
from nnctrl.sets.linear_program import minimise
from nnctrl.sets.rounding import sum_up, widen_down, widen_up


@dataclass(frozen=True, eq=False)
class HalfSpaces:
    """normals_i'z <= bounds_i for the state, or the input, z of sample steps_i, from the requirement owners_i.

    The bounds are rounded up: whatever meets a requirement meets its half-spaces.
    """

    steps: NDArray[np.int64]
    normals: FloatArray
    bounds: FloatArray
    owners: tuple[str, ...]

    @staticmethod
    def of(found: Sequence[tuple[int, FloatArray, float, str]], size: int) -> HalfSpaces:
        """From (step, normal, bound, owner) one by one."""
        return HalfSpaces(
            np.array([step for step, *_ in found], dtype=np.int64),
            np.array([normal for _, normal, *_ in found], dtype=np.float64).reshape(len(found), size),
            np.array([bound for *_, bound, _ in found], dtype=np.float64),
            tuple(owner for *_, owner in found),
        )

    def __len__(self) -> int:
        return len(self.steps)


@dataclass(frozen=True, eq=False)
class Question:
    """Half-spaces over states and over inputs, and the boxes [T, m] that inputs stay in besides (infinite: none)."""

    motion: SampledMotion
    states: HalfSpaces
    inputs: HalfSpaces
    lower: FloatArray
    upper: FloatArray

    @property
    def samples(self) -> int:
        """T."""
        return len(self.lower)


@dataclass(frozen=True, eq=False)
class Weights:
    """y >= 0 of the half-spaces over states and inputs, with the inputs [T, m] that violate them least."""

    states: FloatArray
    inputs: FloatArray
    controls: FloatArray
    trajectory: FloatArray


@np.errstate(over="ignore", invalid="ignore")
def propose(question: Question, start: FloatArray) -> Weights | None:
    """Weights for which the sum over trajectories from `start` [n] is greatest: multipliers of the program that
    minimises the greatest violation of a half-space over states. Floating point; None if the program has no solution,
    as after an overflow.
    """
    motion, samples = question.motion, question.samples
    m = question.lower.shape[1]
    effects = _effects(motion, samples)
    free = _free(motion, start, samples)
    size = np.maximum(abs(question.states.normals).sum(axis=1), np.finfo(float).tiny)
    rows = np.einsum("kn,knu->ku", question.states.normals, effects[question.states.steps])
    values = question.states.bounds - (question.states.normals * free[question.states.steps]).sum(axis=1)
    placed = np.zeros((len(question.inputs), samples, m))
    placed[np.arange(len(question.inputs)), question.inputs.steps] = question.inputs.normals
    matrix = np.concatenate([rows, placed.reshape(len(question.inputs), samples * m)])
    violation = np.concatenate([-size, np.zeros(len(question.inputs))])
    # inputs without limits may satisfy everything by any amount: HiGHS prints errors about some unbounded programs
    limited = np.isfinite(question.lower).all() and np.isfinite(question.upper).all()
    deepest = -np.inf if limited else -1.0 - float(np.max(abs(values) / size, initial=0.0))
    solution = minimise(
        np.eye(samples * m + 1)[-1],
        np.concatenate([matrix, violation[:, None]], axis=1),
        np.concatenate([values, question.inputs.bounds]),
        bounds=np.concatenate(
            [np.stack([question.lower.ravel(), question.upper.ravel()], axis=1), [[deepest, np.inf]]]
        ),
    )
    if solution.status != "optimal":
        return None
    found = np.maximum(0.0, -solution.inequality)
    count = len(question.states)
    if not found[:count].any():
        return None
    controls = solution.x[:-1]
    return Weights(found[:count], found[count:], controls.reshape(samples, m), free + effects @ controls)


@dataclass(frozen=True, eq=False)
class Bound:
    """The sum is at least `gradient'x_0 + constant` for all inputs; `gradient` p_0 [1, n]."""

    gradient: Enclosed
    constant: float

    @np.errstate(over="ignore", invalid="ignore")
    def at(self, start: Enclosed) -> float:
        """A lower bound of the sum at a point [n, 1]; -inf after an overflow."""
        value = self.gradient.times(start)
        total = -float(sum_up(np.array([-_low(value)[0, 0], -self.constant])))
        return total if np.isfinite(total) else -np.inf


@np.errstate(over="ignore", invalid="ignore")
def bound(question: Question, weights: Weights) -> Bound:
    """The bound of the sum by `weights`, rounded downward; -inf where an input without limits matters."""
    motion = question.motion
    p, parts = Enclosed.exact(np.zeros((1, motion.A.shape[0]))), [np.zeros(0)]
    for k in range(question.samples, -1, -1):
        p = p.plus(_weighted(question.states, weights.states, k))
        if k == 0:
            break
        parts.append(_low(p.times(motion.c)).ravel())
        q = p.times(motion.B).plus(_weighted(question.inputs, weights.inputs, k - 1))
        parts.append(_least(q, question.lower[k - 1], question.upper[k - 1]))
        p = p.times(motion.A)
    for spaces, y in ((question.states, weights.states), (question.inputs, weights.inputs)):
        parts.append(widen_down(-y * spaces.bounds) * (y > 0.0))
    return Bound(p, -float(sum_up(-np.concatenate(parts))))


def _weighted(spaces: HalfSpaces, y: FloatArray, step: int) -> Enclosed:
    """The sum of y a over the half-spaces of one sample, as a row."""
    chosen = (spaces.steps == step) & (y > 0.0)
    return Enclosed.exact(y[chosen][None]).times(Enclosed.exact(spaces.normals[chosen]))


def _low(of: Enclosed) -> FloatArray:
    return widen_down(of.middle - of.radius)


def _least(q: Enclosed, lower: FloatArray, upper: FloatArray) -> FloatArray:
    """Lower bounds [m] of q_j u_j over lower_j <= u_j <= upper_j; 0 for coefficients that are 0."""
    low, high = _low(q)[0], widen_up(q.middle + q.radius)[0]
    with np.errstate(invalid="ignore"):
        products = np.stack([low * lower, low * upper, high * lower, high * upper])
    return np.where((low == 0.0) & (high == 0.0), 0.0, widen_down(products.min(axis=0)))


def _free(motion: SampledMotion, start: FloatArray, samples: int) -> FloatArray:
    """States [T + 1, n] without inputs."""
    states = [start]
    for _ in range(samples):
        states.append(motion.A.middle @ states[-1] + motion.c.middle[:, 0])
    return np.array(states)


def _effects(motion: SampledMotion, samples: int) -> FloatArray:
    """How all inputs enter the states, [T + 1, n, T m]."""
    n, m = motion.B.shape
    found = np.zeros((samples + 1, n, samples * m))
    for k in range(samples):
        found[k + 1] = motion.A.middle @ found[k]
        found[k + 1, :, k * m : (k + 1) * m] += motion.B.middle
    return found
