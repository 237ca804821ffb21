"""Shapes and gains of a tube about a given trajectory, of all steps together: one semidefinite program.

In Q_t = S_t S_t' and Y_t = K_t Q_t everything that is asked of the tube is linear: that it carries every set with an
error of the inputs into the next, `[Q_{t+1} - e^2 N / p, (A Q_t + B Y_t) / (1 - p)^1/2; ., Q_t] >= 0` for a part p of
the square of the sum, that Q_0 covers the initial set, and that half-spaces and input limits have room for it. The
greatest e^2 is sought.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.learning.funnel.nominal import Nominal, Wanted
from nnctrl.learning.lmi.solver import solve

LEFT = 0.1
"""Share of the room of an input that is left to errors."""

NEAR = 1e-4
"""Cost of the difference between Y_t and K Q_t for the regulator K, in units of the scales: beside the errors little,
but it keeps gains of different steps alike where nothing is lost by it.
"""

PART = 0.2
"""The part p."""


def find_tube(wanted: Wanted, nominal: Nominal) -> tuple[FloatArray, FloatArray] | None:
    """Q_t [T + 1, n, n] and K_t [T, m, n] for the most tolerant tube about `nominal`; None if the solver found none.

    Nothing is certified here. Cost: a program with T matrices of 2 n rows and one of n + 1 rows for every input limit.
    """
    import cvxpy

    motion, steps = wanted.motion, wanted.steps
    n, m = motion.B.shape
    shapes = [cvxpy.Variable((n, n), symmetric=True) for _ in range(steps + 1)]
    driven = [cvxpy.Variable((m, n)) for _ in range(steps)]
    squared = cvxpy.Variable(nonneg=True)
    noise = motion.noise(1.0)
    constraints: list[Any] = [shapes[0] >> wanted.tube[0]]
    unit = np.diag(1.0 / motion.input_scale), np.diag(1.0 / motion.state_scale)
    away: list[Any] = []
    for step in range(steps):
        moved = (motion.A @ shapes[step] + motion.B @ driven[step]) / np.sqrt(1.0 - PART)
        constraints.append(
            cvxpy.bmat([[shapes[step + 1] - squared * noise / PART, moved], [moved.T, shapes[step]]]) >> 0
        )
        away.append(cvxpy.sum_squares(unit[0] @ (driven[step] - wanted.gain @ shapes[step]) @ unit[1]))
    walls, states, inputs = nominal.state_walls, nominal.states, nominal.inputs
    rooms = walls.bounds - np.einsum("ki,ki->k", walls.normals, states[walls.steps])
    if not (rooms > 0.0).all():
        return None
    for step, normal, room in zip(walls.steps, walls.normals, rooms, strict=True):
        constraints.append(normal @ shapes[step] @ normal <= room**2)
    walls = nominal.input_walls
    rooms = (1.0 - LEFT) * (walls.bounds - np.einsum("ki,ki->k", walls.normals, inputs[walls.steps]))
    if not (rooms > 0.0).all():
        return None
    for step, normal, room in zip(walls.steps, walls.normals, rooms, strict=True):
        row = cvxpy.reshape(normal @ driven[step], (1, n), order="C") / room
        constraints.append(cvxpy.bmat([[np.eye(1), row], [row.T, shapes[step]]]) >> 0)
    for limit in wanted.limits:
        if limit.is_round and not limit.is_obstacle:
            for step in limit.steps:
                centre, inverse = limit.coordinates(step)
                picks = list(limit.picks)
                room = 1.0 - float(
                    np.linalg.norm(inverse @ ((inputs if limit.of_input else states)[step, picks] - centre))
                )
                if room <= 0.0:
                    return None
                if limit.of_input:
                    room *= 1.0 - LEFT
                    rows = inverse @ driven[step][picks] / room
                    constraints.append(cvxpy.bmat([[np.eye(len(picks)), rows], [rows.T, shapes[step]]]) >> 0)
                else:
                    inner = inverse @ np.eye(n)[picks]
                    constraints.append(inner @ shapes[step] @ inner.T << room**2 * np.eye(len(picks)))
    run = solve(NEAR * sum(away) - squared, constraints)
    if not run.has_values:
        return None
    found = np.array([0.5 * (q.value + q.value.T) for q in shapes])
    if not (np.linalg.eigvalsh(found)[:, 0] > 0.0).all():
        return None
    return found, np.array([y.value @ np.linalg.inv(q) for y, q in zip(driven, found[:-1], strict=True)])
