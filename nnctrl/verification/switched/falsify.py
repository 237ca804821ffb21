"""Falsification under a switched controller: the common search, and replays with outward rounding."""

from __future__ import annotations

import math

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.branching.meter import Meter
from nnctrl.specs.polynomial_margins import PolynomialMonitor
from nnctrl.systems.simulation import simulate
from nnctrl.verification.switched.parts import replayed
from nnctrl.verification.switched.problem import SwitchedProblem
from nnctrl.verification.trajectory_search import AbstractTrajectorySearch
from nnctrl.verification.verdict import Counterexample


class SwitchedFalsifier(AbstractTrajectorySearch):
    """The search of a compiled problem."""

    def __init__(self, problem: SwitchedProblem, *, samples: int, seed: int) -> None:
        plant = problem.loop.plant
        ranges = np.array([plant.ranges[name] for name in plant.disturbances], dtype=np.float64).reshape(-1, 2)
        ends = (ranges[:, 0], ranges[:, 1])
        super().__init__(
            problem.initial_set, problem.initial, problem.monitors, ends, problem.horizon, samples=samples, seed=seed
        )
        self.problem = problem

    def judged(self, parameters: FloatArray, d: FloatArray) -> list[FloatArray]:
        """See `AbstractTrajectorySearch.judged`."""
        signals = self.problem.simulated(self.initial.states(parameters), d)
        return [self.problem.margins(monitor, signals) for monitor in self.monitors]

    def replay(self, number: int, x0: FloatArray, d: FloatArray, meter: Meter) -> Counterexample | None:
        """See `AbstractTrajectorySearch.replay`."""
        monitor, w = self.monitors[number], d
        found = replayed(self.problem, monitor, x0, w, meter)
        if found is None:
            whole = self._counterexample(monitor, x0, w, self.problem.horizon, math.nan)
            self.candidate = self.candidate or whole
            return None
        time, violation = found
        steps = min(self.problem.horizon, time + int(monitor.needs_inputs))
        return self._counterexample(monitor, x0, w, steps, violation)

    def _counterexample(
        self, monitor: PolynomialMonitor, x0: FloatArray, w: FloatArray, steps: int, violation: float
    ) -> Counterexample:
        """The simulated trajectory of so many steps."""
        path = simulate(self.problem.loop.plant, self.problem.loop.controller, x0, steps, w[:steps])
        times: FloatArray = np.arange(steps + 1, dtype=np.float64)
        return Counterexample(x0, w[:steps], times, path.x[0], path.u[0], monitor.id, violation)
