"""Falsification under a switched controller: search among simulated trajectories, and prove what is found.

The search is floating point: random points and vertices of the initial set under random, extreme and constant
disturbances, then smaller and smaller random moves of the worst. What looks like a violation is followed once more from
exactly that point with outward rounding; only what is proved so counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.branching.meter import BudgetSpentError, Meter
from nnctrl.progress import Progress
from nnctrl.specs.polynomial_margins import PolynomialMonitor
from nnctrl.systems.simulation import simulate
from nnctrl.verification.falsification import Falsification
from nnctrl.verification.switched.parts import replayed
from nnctrl.verification.switched.problem import SwitchedProblem
from nnctrl.verification.verdict import Counterexample

BATCH = 256
ROUNDS = 6
"""Rounds of random moves around the worst trajectories, each of half the size of the one before."""

KEPT = 8
MOVES = 12
REPLAYS = 3

PULLS = (0.0, 1e-12, 1e-9, 1e-6)
"""How far to pull a point on the rim of the initial set towards the middle until it is certainly inside, in turn."""


@dataclass(frozen=True, eq=False)
class _Points:
    """Parameters [batch, s], disturbances [batch, horizon, w], and their margins [batch]."""

    parameters: FloatArray
    w: FloatArray
    margins: FloatArray

    def worst(self, count: int) -> _Points:
        order = np.argsort(self.margins, kind="stable")[:count]
        return _Points(self.parameters[order], self.w[order], self.margins[order])

    def joined(self, other: _Points) -> _Points:
        pairs = ((self.parameters, other.parameters), (self.w, other.w), (self.margins, other.margins))
        return _Points(*(np.concatenate(pair) for pair in pairs))


class SwitchedFalsifier:
    """Searches the initial set of a compiled problem; deterministic for a seed unless a budget cuts it short."""

    def __init__(self, problem: SwitchedProblem, *, samples: int, seed: int) -> None:
        self.problem, self.samples = problem, samples
        self.generator = np.random.default_rng(seed)
        self.margins = [math.inf] * len(problem.monitors)
        self.candidate: Counterexample | None = None
        self._worst: list[_Points | None] = [None] * len(problem.monitors)
        plant = problem.loop.plant
        ranges = np.array([plant.ranges[name] for name in plant.disturbances], dtype=np.float64).reshape(-1, 2)
        self.low, self.high = ranges[:, 0], ranges[:, 1]

    def run(self, meter: Meter, progress: Progress) -> Falsification:
        """Sample, move, replay, until a violation is proved or `meter` is exhausted."""
        try:
            return self.found(self._search(meter, progress))
        except BudgetSpentError:
            return self.found(None)

    def found(self, proved: Counterexample | None) -> Falsification:
        """What is known so far; the margin of a requirement that no finished simulation speaks of is nan."""
        margins = [margin if math.isfinite(margin) else math.nan for margin in self.margins]
        return Falsification(margins, proved, None if proved is not None else self.candidate)

    def try_parameters(self, parameters: FloatArray, meter: Meter) -> Falsification:
        """Look at the trajectories from `parameters` [batch, s] under the middle of the disturbances."""
        middle = 0.5 * self.low + 0.5 * self.high
        w = np.broadcast_to(middle, (len(parameters), self.problem.horizon, len(middle)))
        try:
            return self.found(self._look_at(parameters, w, meter))
        except BudgetSpentError:
            return self.found(None)

    def _search(self, meter: Meter, progress: Progress) -> Counterexample | None:
        for drawn in range(0, self.samples, BATCH):
            progress.update("looking for a counterexample", drawn, self.samples)
            count = min(BATCH, self.samples - drawn)
            proved = self._look_at(self._parameters(count), self._disturbances(count), meter)
            if proved is not None:
                return proved
        progress.update("following the worst trajectories")
        size = 0.5
        for _ in range(ROUNDS):
            size *= 0.5
            starts = [points for points in self._worst if points is not None]
            if not starts:
                return None
            proved = self._look_at(*self._moved(starts, size), meter)
            if proved is not None:
                return proved
        return None

    def _parameters(self, count: int) -> FloatArray:
        """The middle, vertices (a quarter) and uniform points of the box of parameters."""
        initial = self.problem.initial
        unit = self.generator.random((count, initial.size))
        unit[: count // 4] = np.round(unit[: count // 4])
        unit[0] = 0.5
        return np.clip(initial.lower + unit * (initial.upper - initial.lower), initial.lower, initial.upper)

    def _disturbances(self, count: int) -> FloatArray:
        """Uniform, bang-bang and constant signals in turn."""
        unit = self.generator.random((count, self.problem.horizon, len(self.low)))
        unit[1::3] = np.round(unit[1::3])
        unit[2::3] = np.round(unit[2::3, :1])
        return np.clip(self.low + unit * (self.high - self.low), self.low, self.high)

    def _moved(self, starts: list[_Points], size: float) -> tuple[FloatArray, FloatArray]:
        """Random moves of the worst trajectories so far; some samples of the disturbances are drawn anew."""
        initial, moves = self.problem.initial, self.generator
        parameters = np.repeat(np.concatenate([points.parameters for points in starts]), MOVES, axis=0)
        w = np.repeat(np.concatenate([points.w for points in starts]), MOVES, axis=0)
        step = size * (initial.upper - initial.lower)
        parameters = parameters + step * moves.uniform(-1.0, 1.0, parameters.shape)
        renewed = moves.random((*w.shape[:2], 1)) < size
        w = np.where(renewed, self._disturbances(len(w)), w)
        return np.clip(parameters, initial.lower, initial.upper), w

    def _look_at(self, parameters: FloatArray, w: FloatArray, meter: Meter) -> Counterexample | None:
        """A proved counterexample among these trajectories, or None; the worst of them are kept."""
        meter.require()
        problem, initial = self.problem, self.problem.initial
        inside = np.array([not initial.misses(point, point) for point in parameters], dtype=bool)
        parameters, w = parameters[inside], w[inside]
        if not len(parameters):
            return None
        signals = problem.simulated(initial.states(parameters), w)
        for number, monitor in enumerate(problem.monitors):
            margins = problem.margins(monitor, signals)
            self.margins[number] = min(self.margins[number], float(margins.min()))
            points, kept = _Points(parameters, w, margins).worst(KEPT), self._worst[number]
            self._worst[number] = points if kept is None else kept.joined(points).worst(KEPT)
            for k in range(min(REPLAYS, len(points.margins))):
                if monitor.holds(float(points.margins[k])):
                    break
                proved = self._replay(monitor, points.parameters[k], points.w[k], meter)
                if proved is not None:
                    return proved
        return None

    def _replay(
        self, monitor: PolynomialMonitor, parameter: FloatArray, w: FloatArray, meter: Meter
    ) -> Counterexample | None:
        x0 = self._start(parameter)
        if x0 is None:
            return None
        found = replayed(self.problem, monitor, x0, w, meter)
        if found is None:
            whole = self._counterexample(monitor, x0, w, self.problem.horizon, math.nan)
            self.candidate = self.candidate or whole
            return None
        time, violation = found
        steps = min(self.problem.horizon, time + int(monitor.needs_inputs))
        return self._counterexample(monitor, x0, w, steps, violation)

    def _start(self, parameter: FloatArray) -> FloatArray | None:
        """A state near that of `parameter` that certainly lies in the initial set, or None."""
        initial = self.problem.initial
        middle = 0.5 * initial.lower + 0.5 * initial.upper
        for pull in PULLS:
            x0 = initial.states(middle + (parameter - middle) * (1.0 - pull))
            if self.problem.initial_set.contains(x0).verdict == "inside":
                return x0
        return None

    def _counterexample(
        self, monitor: PolynomialMonitor, x0: FloatArray, w: FloatArray, steps: int, violation: float
    ) -> Counterexample:
        """The simulated trajectory of so many steps."""
        path = simulate(self.problem.loop.plant, self.problem.loop.controller, x0, steps, w[:steps])
        times: FloatArray = np.arange(steps + 1, dtype=np.float64)
        return Counterexample(x0, w[:steps], times, path.x[0], path.u[0], monitor.id, violation)
