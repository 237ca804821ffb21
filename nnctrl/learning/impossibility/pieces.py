"""Requirements as half-spaces that hold their sets, sample by sample."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.learning.funnel.limits import named, whole_steps
from nnctrl.learning.lmi.enclosed import Enclosed
from nnctrl.learning.task import Task
from nnctrl.sets.base import AbstractSet
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball, Ellipsoid
from nnctrl.sets.polytope import Polytope
from nnctrl.sets.rounding import add_up, widen_up
from nnctrl.specs.moving import Moving
from nnctrl.specs.spec import Requirement, Stay
from nnctrl.systems.fit import in_samples

OUTSIDE = 1e-9
"""Points farther outside a round set than this share of their size are cut off."""

Wall = tuple[FloatArray, float]
"""A normal [k] and an upper bound of normal'z over a set."""

HalfSpace = tuple[int, FloatArray, float, str]
"""Sample, normal over all states or inputs, bound, requirement."""


@dataclass(frozen=True, eq=False)
class Piece:
    """The requirement `id` at `steps`: a set over the coordinates `picks` of the state, or of the input, that moves by
    `velocity` from sample to sample.
    """

    id: str
    target: AbstractSet
    velocity: FloatArray
    picks: tuple[int, ...]
    of_input: bool
    steps: range

    def counted(self, samples: int) -> list[int]:
        """The samples that count up to `samples`: inputs are those before it."""
        return [step for step in self.steps if step < samples + (not self.of_input)]

    @property
    def is_round(self) -> bool:
        """Whether it has no walls of its own."""
        return isinstance(self.target, Ball | Ellipsoid)

    def walls(self) -> list[Wall]:
        """Those of a polyhedron, those of a round set along the axes."""
        if isinstance(self.target, Polytope):
            return list(zip(self.target.normals, map(float, self.target.offsets), strict=True))
        axes = np.eye(self.target.dim)
        return [self._wall(normal) for normal in np.concatenate([axes, -axes])]

    def cut(self, point: FloatArray, step: int) -> Wall | None:
        """A wall of a round set that a point [k] is beyond; None if it is not, and for polyhedra."""
        if not isinstance(self.target, Ball | Ellipsoid):
            return None
        still = point - self.velocity * step
        away = still - self.target.centre
        if isinstance(self.target, Ellipsoid):
            inverse = np.linalg.pinv(self.target.shape)
            away = inverse.T @ (inverse @ away)
        length = float(np.linalg.norm(away))
        if not length > 0.0:
            return None
        normal, bound = self._wall(away / length)
        return (
            (normal, bound) if float(normal @ still) - bound > OUTSIDE * (1.0 + float(np.linalg.norm(point))) else None
        )

    def placed(self, wall: Wall, step: int, size: int) -> HalfSpace:
        """A wall where the set has moved to, over all `size` coordinates; its bound rounded up."""
        normal, bound = wall
        row = np.zeros(size)
        row[list(self.picks)] = normal
        if self.velocity.any():
            way = Enclosed.exact(self.velocity[:, None]).times(Enclosed.exact(np.array([[float(step)]])))
            moved = Enclosed.exact(normal[None]).times(way)
            bound = float(add_up(np.float64(bound), widen_up(moved.middle + moved.radius)[0, 0]))
        return step, row, bound, self.id

    def _wall(self, normal: FloatArray) -> Wall:
        return normal, float(self.target.support(normal))


def piece_of(task: Task, id: str, requirement: Requirement, steps: range) -> Piece | None:
    """A requirement at some samples; None for sets that are not known by half-spaces, for coordinates of several kinds,
    and for sets that move while an input is held.
    """
    found = named(requirement.on, task)
    target = requirement.target.base if isinstance(requirement.target, Moving) else requirement.target
    if found is None or not isinstance(target, Box | Polytope | Ball | Ellipsoid):
        return None
    velocity = np.zeros(target.dim)
    if isinstance(requirement.target, Moving):
        if not task.plant.is_discrete:
            return None
        velocity = requirement.target.velocity
    return Piece(id, target, velocity, *found, steps)


def staying(task: Task) -> Iterator[Piece]:
    """The sets to stay in, of states and of inputs."""
    for id, requirement in task.spec.items():
        if not isinstance(requirement, Stay):
            continue
        found = named(requirement.on, task)
        last = task.samples - 1 if found is not None and found[1] else task.samples
        start, end = (sample_of(task, time) for time in requirement.window(task.horizon))
        piece = piece_of(task, id, requirement, whole_steps((start, end), last))
        if piece is not None:
            yield piece


def sample_of(task: Task, time: float) -> float:
    """A time as a number of samples."""
    return time if task.plant.is_discrete else in_samples(time, period_of(task))


def period_of(task: Task) -> float:
    """Time from one sample to the next: 1 for discrete plants, whose times are steps."""
    return 1.0 if task.plant.is_discrete or task.period is None else task.period
