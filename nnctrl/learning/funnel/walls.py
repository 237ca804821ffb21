"""Half-spaces over the states or inputs of single steps: of sets to stay in, and before obstacles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nnctrl._typing import FloatArray
from nnctrl.learning.funnel.limits import Limit
from nnctrl.sets.closest_points import closest_points
from nnctrl.sets.distance import a_point
from nnctrl.sets.ellipsoid import Ball
from nnctrl.sets.polytope import Polytope


@dataclass(frozen=True, eq=False)
class Walls:
    """Half-spaces normals_i'z <= bounds_i over the states, or the inputs, z at the step steps_i.

    `steps` [k], `normals` [k, n], `bounds` [k]; in floating point.
    """

    steps: NDArray[np.int64]
    normals: FloatArray
    bounds: FloatArray

    @staticmethod
    def of(found: Sequence[tuple[int, FloatArray, float]], size: int) -> Walls:
        """From (step, normal, bound) one by one."""
        return Walls(
            np.array([step for step, _, _ in found], dtype=np.int64),
            np.array([normal for _, normal, _ in found]).reshape(-1, size),
            np.array([bound for _, _, bound in found]),
        )

    def joined(self, other: Walls) -> Walls:
        """These and the other ones."""
        return Walls(
            np.concatenate([self.steps, other.steps]),
            np.concatenate([self.normals, other.normals]),
            np.concatenate([self.bounds, other.bounds]),
        )

    def __len__(self) -> int:
        return len(self.steps)


def walls_of(limits: Sequence[Limit], size: int, of_input: bool) -> Walls:
    """The polyhedral sets to stay in, over all states or all inputs."""
    found = []
    for limit in limits:
        if limit.is_obstacle or limit.of_input is not of_input or limit.is_round:
            continue
        for step in limit.steps:
            for normal, bound in zip(*limit.walls(step), strict=True):
                found.append((step, _spread(normal, limit.picks, size), float(bound)))
    return Walls.of(found, size)


def walls_before(limits: Sequence[Limit], states: FloatArray) -> Walls:
    """Half-spaces that keep out obstacles, supporting them where they are nearest to the trajectory `states`."""
    found, size = [], states.shape[1]
    for limit in limits:
        if not limit.is_obstacle:
            continue
        middle = a_point(limit.target)
        for step in limit.steps:
            point = states[step, list(limit.picks)] - limit.offset(step)
            outward = _outward(limit, point, middle)
            # -outward'z <= -(greatest outward'z in the obstacle)
            bound = -float(limit.target.support(outward)) - float(outward @ limit.offset(step))
            found.append((step, _spread(-outward, limit.picks, size), bound))
    return Walls.of(found, size)


def _spread(values: FloatArray, picks: tuple[int, ...], size: int) -> FloatArray:
    """`values` at the coordinates `picks` of `size`, 0 elsewhere."""
    result = np.zeros(size)
    result[list(picks)] = values
    return result


def _outward(limit: Limit, point: FloatArray, middle: FloatArray) -> FloatArray:
    """A unit vector from the obstacle towards a point, from its middle if the point is within; of polytopes, which may
    be unbounded, the normal of the wall that the point is farthest beyond.
    """
    away = point - middle
    if isinstance(limit.target, Polytope):
        lengths = np.linalg.norm(limit.target.normals, axis=1)
        away = limit.target.normals[np.argmax((limit.target.normals @ point - limit.target.offsets) / lengths)]
    elif not isinstance(limit.target, Ball):
        near = closest_points(limit.target.support_vector, lambda _: point, len(point))
        if np.linalg.norm(near.shift) > 1e-6 * (1.0 + np.linalg.norm(point)):
            away = near.shift
    length = float(np.linalg.norm(away))
    return np.asarray(away / length) if length > 0.0 else np.eye(len(point))[0]
