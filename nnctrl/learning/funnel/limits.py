"""What a funnel has to respect, step by step: the requirements of a task as sets over some states or some inputs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import UnsupportedError
from nnctrl.learning.funnel.checks import Coordinates
from nnctrl.learning.lmi.enclosed import Enclosed
from nnctrl.learning.lmi.specification import Specification
from nnctrl.learning.task import Task
from nnctrl.sets.base import AbstractSet
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball, Ellipsoid
from nnctrl.sets.polytope import Polytope
from nnctrl.specs.moving import Moving
from nnctrl.specs.spec import Avoid, Reach, Requirement
from nnctrl.specs.sublevel import Sublevel


@dataclass(frozen=True, eq=False)
class Limit:
    """The coordinates `picks` of the state (of the input if `of_input`), less `velocity` times the step, are in
    `target`, or never in it if `is_obstacle`, at each of `steps`.
    """

    id: str
    target: AbstractSet
    velocity: FloatArray
    picks: tuple[int, ...]
    of_input: bool
    is_obstacle: bool
    steps: range

    def shift(self, step: int) -> Enclosed:
        """How far the set has moved by then, [k, 1]."""
        return Enclosed.exact(self.velocity[:, None]).times(Enclosed.exact(np.array([[float(step)]])))

    def offset(self, step: int) -> FloatArray:
        """The same in floating point, [k]."""
        return self.velocity * step

    def specification(self, step: int, states: int, inputs: int) -> Specification:
        """This limit of the input u as inequalities in (x, u, 1)."""
        unit = np.eye(states + inputs + 1)
        one = Enclosed.exact(unit[-1:])
        rows = Enclosed.exact(unit[[states + pick for pick in self.picks]]).minus(self.shift(step).times(one))
        if isinstance(self.target, Ball | Ellipsoid):
            coordinates = Coordinates(self.target)
            round_rows = coordinates.inverse.times(rows.minus(coordinates.centre.times(one)))
            corner = one.scaled_rows(np.array([coordinates.level]))
            return Specification((_square(round_rows).minus(_square(corner)),), states)
        if isinstance(self.target, Box):
            # (u - low) (u - high) <= 0, coordinate by coordinate
            above = rows.minus(Enclosed.exact(self.target.lower[:, None]).times(one))
            beyond = rows.minus(Enclosed.exact(self.target.upper[:, None]).times(one))
        else:
            normals, offsets = self._polyhedron
            beyond = Enclosed.exact(normals).times(rows).minus(Enclosed.exact(offsets[:, None]).times(one))
            above = Enclosed.exact(np.repeat(unit[-1:], len(normals), axis=0))
        products = [_row(above, i).transposed.times(_row(beyond, i)) for i in range(above.shape[0])]
        return Specification(tuple(product.symmetric() for product in products), states)

    @property
    def is_round(self) -> bool:
        """Whether the target is a ball or an ellipsoid."""
        return isinstance(self.target, Ball | Ellipsoid)

    def walls(self, step: int) -> tuple[FloatArray, FloatArray]:
        """A box or polytope as {normals z <= offsets}, in floating point."""
        normals, offsets = self._polyhedron
        return normals, offsets + normals @ self.offset(step)

    def coordinates(self, step: int) -> tuple[FloatArray, FloatArray]:
        """A ball or ellipsoid as {|M (z - c)| <= 1}: c and M, in floating point."""
        target = cast("Ball | Ellipsoid", self.target)
        inverse = Coordinates(target).inverse.middle
        return target.centre + self.offset(step), inverse

    @property
    def _polyhedron(self) -> tuple[FloatArray, FloatArray]:
        """Normals and offsets of a box or polytope where it is at step 0."""
        if isinstance(self.target, Box):
            axes = np.eye(self.target.dim)
            return np.concatenate([axes, -axes]), np.concatenate([self.target.upper, -self.target.lower])
        polytope = cast("Polytope", self.target)
        return polytope.normals, polytope.offsets


def limits_of(task: Task, share: float = 1.0) -> list[Limit]:
    """The limits of a discrete task.

    `Reach(within=T)` becomes reaching at the step `share` T. UnsupportedError for what a funnel cannot respect: sets
    by expressions, outputs, states and inputs in one requirement, obstacles and goals among the inputs.
    """
    return [_limit(task, id, requirement, share) for id, requirement in task.spec.items()]


def named(names: Sequence[str] | None, task: Task) -> tuple[tuple[int, ...], bool] | None:
    """Indices of the coordinates of a requirement, and whether they are inputs; None if they are of several kinds."""
    states, inputs = list(task.plant.states), list(task.plant.inputs)
    chosen = states if names is None else list(names)
    for known, of_input in ((states, False), (inputs, True)):
        if all(name in known for name in chosen):
            return tuple(known.index(name) for name in chosen), of_input
    return None


def whole_steps(window: tuple[float, float], last: int) -> range:
    """The steps of a window, none after `last`."""
    return range(max(0, math.ceil(window[0])), min(last, math.floor(window[1])) + 1)


def _row(rows: Enclosed, index: int) -> Enclosed:
    return Enclosed(rows.middle[index : index + 1], rows.radius[index : index + 1])


def _square(rows: Enclosed) -> Enclosed:
    """|rows z|^2 as a form in z."""
    return rows.transposed.times(rows).symmetric()


def _limit(task: Task, id: str, requirement: Requirement, share: float) -> Limit:
    found = named(requirement.on, task)
    if found is None:
        raise UnsupportedError(
            f"requirement '{id}' is over {', '.join(requirement.on or ())}; a funnel respects sets over states, or "
            "over inputs, but not over both or over outputs"
        )
    picks, of_input = found
    target = requirement.target.base if isinstance(requirement.target, Moving) else requirement.target
    is_obstacle = isinstance(requirement, Avoid)
    if isinstance(target, Sublevel) or (not is_obstacle and not isinstance(target, Box | Polytope | Ball | Ellipsoid)):
        raise UnsupportedError(
            f"the set of requirement '{id}' is a {type(target).__name__}; a funnel needs a Box, Polytope, Ball or "
            "Ellipsoid"
        )
    if of_input and (is_obstacle or isinstance(requirement, Reach)):
        raise UnsupportedError(
            f"requirement '{id}' is to {requirement.kind} a set of inputs; a funnel only stays in one"
        )
    velocity = requirement.target.velocity if isinstance(requirement.target, Moving) else np.zeros(target.dim)
    last = task.samples - 1 if of_input else task.samples
    if not isinstance(requirement, Reach):
        return Limit(id, target, velocity, picks, of_input, is_obstacle, whole_steps(requirement.window(last), last))
    first, due = requirement.window(last)
    step = int(due) if first == due else max(math.ceil(first), math.floor(share * min(due, last)))
    if (first == due and step != due) or step > last:
        raise UnsupportedError(
            f"requirement '{id}' is due at {due:g}; a funnel needs a whole number of steps, at most {last}"
        )
    return Limit(id, target, velocity, picks, of_input, False, range(step, step + 1))
