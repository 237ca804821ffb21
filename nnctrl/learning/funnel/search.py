"""The search for a funnel: regulators and tolerances first, all gains and shapes together where none of them does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.branching.meter import Meter
from nnctrl.errors import UnsupportedError
from nnctrl.learning.funnel.checks import cover, covering_shape
from nnctrl.learning.funnel.limits import Limit
from nnctrl.learning.funnel.motion import Motion
from nnctrl.learning.funnel.nominal import Nominal, Wanted, find_nominal
from nnctrl.learning.funnel.proof import Funnel, proved_funnel
from nnctrl.learning.funnel.tube import find_tube
from nnctrl.learning.task import Task
from nnctrl.sets.distance import a_point

TOLERANCES = (0.003, 0.01, 0.03, 0.05, 0.07, 0.1, 0.15)
"""Errors of the inputs, in units of their scale, that a tube is made for; the greatest for which there is one."""

PRICES = (10.0, 1.0, 100.0, 0.1)
"""Costs of the inputs for which regulators are tried."""

THICKNESS = 1e-3
"""Initial sets are covered with at least this thickness, in units of the scales: flat ellipsoids have no inverse."""

GROWTH = 1.001
"""The first ellipsoid is larger than the initial set by this factor of its square, for rounding."""


class Search:
    """What is common to all attempts at one task."""

    def __init__(self, task: Task, limits: Sequence[Limit]) -> None:
        plant = task.plant
        if not plant.is_discrete or plant.disturbance_size:
            kind = "has disturbances" if plant.is_discrete else "is continuous"
            raise UnsupportedError(f"'{plant.name}' {kind}; funnels are for discrete plants without disturbances")
        dynamics = plant.affine()
        if not dynamics.B.any():
            raise UnsupportedError(f"the inputs of '{plant.name}' do not act on its states, so that there is no funnel")
        self.dynamics = dynamics.state
        self.limits, self.initial, self.steps = tuple(limits), task.initial_set, task.samples
        self.centre, _ = cover(task.initial_set)
        state_scale, input_scale = self._scales(plant.state_size, plant.input_size)
        self.motion = Motion(dynamics.A, dynamics.B, dynamics.c, state_scale, input_scale)
        self.start = GROWTH * covering_shape(task.initial_set) + np.diag((THICKNESS * state_scale) ** 2)
        self.rest = self._rest()

    def most_tolerant(self, push: FloatArray, meter: Meter) -> tuple[Funnel | None, float]:
        """The funnel for the greatest tolerance that there is time for, with trajectories pushed aside by `push` [n];
        and the least violation.
        """
        best, nearest, prices = None, np.inf, list(PRICES)
        for tolerance in TOLERANCES:
            found = None
            for price in prices:
                if meter.exhausted() is not None:
                    return best, nearest
                found, violation = self.regulated(price, tolerance, push)
                nearest = min(nearest, violation)
                if found is not None:
                    # what has done for smaller tolerances is asked first
                    prices = [price, *(one for one in prices if one != price)]
                    break
            if found is None:
                break
            best = found
        if best is not None:
            return best, 0.0
        for price in PRICES:
            best = self.programmed(price, push)
            if best is not None or meter.exhausted() is not None:
                break
        return best, nearest

    def regulated(self, price: float, tolerance: float, push: FloatArray) -> tuple[Funnel | None, float]:
        """The funnel with the gain of one regulator, if there is one, and the violation of its trajectory."""
        wanted = self._wanted(price, tolerance)
        nominal = find_nominal(wanted, push * self.motion.state_scale)
        if nominal is None or nominal.violation > 0.0:
            return None, np.inf if nominal is None else nominal.violation
        gains = np.broadcast_to(wanted.gain, (self.steps, *wanted.gain.shape))
        return self._proved(nominal, wanted.tube, gains), 0.0

    def programmed(self, price: float, push: FloatArray) -> Funnel | None:
        """The funnel with gains and shapes of its own at every step."""
        wanted = self._wanted(price, TOLERANCES[0])
        nominal = find_nominal(wanted, push * self.motion.state_scale)
        found = None if nominal is None else find_tube(wanted, nominal)
        return None if nominal is None or found is None else self._proved(nominal, *found)

    def _wanted(self, price: float, tolerance: float) -> Wanted:
        gain = self.motion.regulator(price)
        tube = self.motion.tube(self.start, gain, self.steps, tolerance)
        return Wanted(self.motion, self.centre, self.rest, self.limits, price, gain, tube, tolerance)

    def _proved(self, nominal: Nominal, tube: FloatArray, gains: FloatArray) -> Funnel | None:
        return proved_funnel(self.dynamics, self.motion, self.limits, self.initial, nominal, tube, gains)

    def _scales(self, states: int, inputs: int) -> tuple[FloatArray, FloatArray]:
        """Half-widths of the goals, or of the initial set; of the sets that inputs stay in, or 1."""
        box = self.initial.bounding_box()
        state_scale = np.where(box.radius > 0.0, box.radius, 1.0)
        input_scale = np.ones(inputs)
        for limit in self.limits:
            widths = _half_widths(limit)
            if widths is None or limit.is_obstacle:
                continue
            if limit.of_input:
                input_scale[list(limit.picks)] = widths
            elif len(limit.steps) == 1:
                state_scale[list(limit.picks)] = widths
        return state_scale, input_scale

    def _rest(self) -> tuple[FloatArray, FloatArray]:
        """A state in the middle of the goals and an input, as near to an equilibrium as there is."""
        motion, n = self.motion, len(self.centre)
        matrix = np.concatenate([motion.A - np.eye(n), motion.B], axis=1)
        rows, values = [matrix / motion.state_scale[:, None]], [-motion.c / motion.state_scale]
        for limit in self.limits:
            if not limit.of_input and not limit.is_obstacle and len(limit.steps) == 1:
                picks = np.eye(n + motion.B.shape[1])[list(limit.picks)]
                rows.append(picks / motion.state_scale[list(limit.picks), None])
                middle = a_point(limit.target) + limit.offset(limit.steps[0])
                values.append(middle / motion.state_scale[list(limit.picks)])
        found, *_ = np.linalg.lstsq(np.concatenate(rows), np.concatenate(values), rcond=1e-9)
        return found[:n], found[n:]


def _half_widths(limit: Limit) -> FloatArray | None:
    """Half the sides of a set, None if it is unbounded or flat."""
    try:
        radius = limit.target.bounding_box().radius
    except UnsupportedError:
        return None
    return radius if (radius > 0.0).all() else None
