"""The line in the middle of a funnel: a trajectory that respects every limit with room for a given tube about it.

A tube {c_t + S_t v} under u = u_t + K (x - c_t) does not depend on where c_t is, so that its widths are known before
the trajectory is sought, and all but obstacles is one convex program. Obstacles are kept out by half-spaces that
support them where the last trajectory came nearest: a subset of what is allowed, so that every answer is valid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.learning.funnel.limits import Limit
from nnctrl.learning.funnel.motion import Motion
from nnctrl.learning.funnel.walls import Walls, walls_before, walls_of
from nnctrl.learning.lmi.solver import solve

PRICE = 1e4
"""Cost of what a limit is violated by, in units of the scales: far above any gain from it."""

ROUNDS = 12
"""At most so many programs, each about the half-spaces of the one before."""

SETTLED = 1e-3
"""The trajectory has settled when it moves by less than this, in units of the scales."""

RESPECTED = 1e-6
"""Violations below this, in units of the scales, count as none."""

SPARE = 1e-3
"""Room beside the tube, in units of the scales, so that rounding takes nothing away."""

SMOOTH = 1000.0
"""Cost of a change of the affine part from one step to the next, in units of the scales."""


@dataclass(frozen=True, eq=False)
class Nominal:
    """States [T + 1, n], inputs [T, m], the walls they respect; `violation` in units of the scales, 0 if none."""

    states: FloatArray
    inputs: FloatArray
    state_walls: Walls
    input_walls: Walls
    violation: float


@dataclass(frozen=True, eq=False)
class Wanted:
    """What a nominal trajectory is sought for: from `start` towards `rest` (a state and an input) within `limits`.

    `price` is that of inputs; `tube` [T + 1, n, n] the shapes Q_t of the tube under `gain`, of which inputs may miss
    by `tolerance` in units of their scale.
    """

    motion: Motion
    start: FloatArray
    rest: tuple[FloatArray, FloatArray]
    limits: Sequence[Limit]
    price: float
    gain: FloatArray
    tube: FloatArray
    tolerance: float

    @property
    def steps(self) -> int:
        """T."""
        return len(self.tube) - 1


def find_nominal(wanted: Wanted, push: FloatArray) -> Nominal | None:
    """The trajectory of least quadratic cost with room for the tube; the least violation where there is none.

    Changes of the affine part u_t - K c_t cost as well: where sets of different steps overlap one network has to serve
    both. `push` [n] moves the trajectory before the first half-spaces are set, for another way round obstacles. None if
    the solver has no answer.
    """
    motion = wanted.motion
    staying = walls_of(wanted.limits, len(wanted.start), False)
    driven = walls_of(wanted.limits, motion.B.shape[1], True)
    states, best = _regulated(wanted), None
    for number in range(ROUNDS):
        walls = staying.joined(walls_before(wanted.limits, states + push * (number == 0)))
        found = _program(wanted, walls, driven)
        if found is None:
            break
        moved = float((abs(found.states - states) / motion.state_scale).max())
        states = found.states
        if best is None or found.violation <= best.violation:
            best = found
        if moved < SETTLED or len(walls) == len(staying):
            break
    return best


def _regulated(wanted: Wanted) -> FloatArray:
    """The trajectory of the regulator alone."""
    motion, states = wanted.motion, [wanted.start]
    for _ in range(wanted.steps):
        u = wanted.rest[1] + wanted.gain @ (states[-1] - wanted.rest[0])
        states.append(motion.A @ states[-1] + motion.B @ u + motion.c)
    return np.array(states)


def _program(wanted: Wanted, staying: Walls, driven: Walls) -> Nominal | None:
    import cvxpy

    motion, gain, tube = wanted.motion, wanted.gain, wanted.tube
    x, u = cvxpy.Variable((wanted.steps + 1, len(gain.T))), cvxpy.Variable((wanted.steps, len(gain)))
    unit_x, unit_u = np.diag(1.0 / motion.state_scale), np.diag(1.0 / motion.input_scale)
    moved = x[:-1] @ motion.A.T + u @ motion.B.T + motion.c[None]
    constraints: list[Any] = [x[0] == wanted.start, x[1:] == moved]
    misses: list[Any] = []
    controlled = gain @ tube[:-1] @ gain.T
    miss = wanted.tolerance * motion.input_scale
    for walls, values, shapes, scale, spare in (
        (staying, x, tube, motion.state_scale, np.zeros(len(gain.T))),
        (driven, u, controlled, motion.input_scale, miss),
    ):
        if len(walls):
            width = np.sqrt(np.einsum("ki,kij,kj->k", walls.normals, shapes[walls.steps], walls.normals))
            size, spread = abs(walls.normals) @ scale, abs(walls.normals) @ spare
            reached = cvxpy.sum(cvxpy.multiply(walls.normals / size[:, None], values[walls.steps]), axis=1)
            misses.append(reached - (walls.bounds - width - spread) / size + SPARE)
    for limit in wanted.limits:
        if limit.is_round and not limit.is_obstacle:
            values, shapes = (u, controlled) if limit.of_input else (x, tube)
            for step in limit.steps:
                centre, inverse = limit.coordinates(step)
                width = np.sqrt(np.linalg.norm(inverse @ shapes[step][np.ix_(limit.picks, limit.picks)] @ inverse.T, 2))
                missed = float(np.linalg.norm(abs(inverse) @ miss[list(limit.picks)])) if limit.of_input else 0.0
                away = cvxpy.norm(inverse @ (values[step, list(limit.picks)] - centre))
                misses.append(cvxpy.reshape(away - (1.0 - SPARE - width - missed), (1,), order="C"))
    slacks = [cvxpy.Variable(miss.shape, nonneg=True) for miss in misses]
    constraints += [one <= slack for one, slack in zip(misses, slacks, strict=True)]
    cost = cvxpy.sum_squares((x - wanted.rest[0][None]) @ unit_x)
    cost += wanted.price * cvxpy.sum_squares((u - wanted.rest[1][None]) @ unit_u)
    if wanted.steps > 1:
        affine = (u - x[:-1] @ gain.T) @ unit_u
        cost += SMOOTH * cvxpy.sum_squares(affine[1:] - affine[:-1])
    run = solve(cost + PRICE * sum((cvxpy.sum(slack) for slack in slacks), cvxpy.Constant(0.0)), constraints)
    if not run.has_values:
        return None
    worst = max((float(np.max(slack.value)) for slack in slacks), default=0.0)
    found = np.asarray(x.value), np.asarray(u.value).reshape(wanted.steps, -1)
    return Nominal(*found, staying, driven, 0.0 if worst <= RESPECTED else worst)
