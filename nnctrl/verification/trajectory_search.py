"""Search for counterexamples among simulated trajectories, for engines that simulate with NumPy.

The search is floating point: random points and vertices of the initial set under random, extreme and constant
disturbances, then smaller and smaller random moves of the worst. What looks like a violation is followed once more from
exactly that point with outward rounding; only what is proved so counts. How trajectories are simulated, judged and
followed is the engine's.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.branching.meter import BudgetSpentError, Meter
from nnctrl.progress import Progress
from nnctrl.reachability.initial_parts import InitialParts
from nnctrl.sets.base import AbstractSet
from nnctrl.specs.polynomial_margins import PolynomialMonitor
from nnctrl.verification.falsification import Falsification
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
class Points:
    """Parameters [batch, s], disturbances (and noise) [batch, samples, d], and their margins [batch]."""

    parameters: FloatArray
    d: FloatArray
    margins: FloatArray

    def worst(self, count: int) -> Points:
        """The `count` with the least margins."""
        order = np.argsort(self.margins, kind="stable")[:count]
        return Points(self.parameters[order], self.d[order], self.margins[order])

    def joined(self, other: Points) -> Points:
        """Both."""
        pairs = ((self.parameters, other.parameters), (self.d, other.d), (self.margins, other.margins))
        return Points(*(np.concatenate(pair) for pair in pairs))


class AbstractTrajectorySearch(ABC):
    """Searches an initial set; deterministic for a seed unless a budget cuts it short.

    `initial` are the parts of `initial_set`; `low`, `high` [d] the ends of disturbances and noise, anew in each of
    `horizon` samples. It remembers the least margins of all that it simulated (`margins`), the worst trajectories of
    each requirement (`worst`), and the first candidate that no replay proved.
    """

    def __init__(
        self,
        initial_set: AbstractSet,
        initial: InitialParts,
        monitors: Sequence[PolynomialMonitor],
        disturbances: tuple[FloatArray, FloatArray],
        horizon: int,
        *,
        samples: int,
        seed: int,
    ) -> None:
        self.initial_set, self.initial, self.monitors = initial_set, initial, monitors
        self.low, self.high = disturbances
        self.horizon, self.samples = horizon, samples
        self.generator = np.random.default_rng(seed)
        self.margins = [math.inf] * len(monitors)
        self.candidate: Counterexample | None = None
        self.worst: list[Points | None] = [None] * len(monitors)

    @abstractmethod
    def judged(self, parameters: FloatArray, d: FloatArray) -> list[FloatArray]:
        """Margins [batch] of the trajectories from `parameters` [batch, s] under `d`, for each requirement."""

    @abstractmethod
    def replay(self, number: int, x0: FloatArray, d: FloatArray, meter: Meter) -> Counterexample | None:
        """A proof that the trajectory from x0 [n] under d [samples, d] violates requirement `number`, or None; then it
        may become the candidate.
        """

    def last_try(self, meter: Meter) -> Counterexample | None:
        """What is tried when neither samples nor moves have found anything."""
        return None

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
        d = np.broadcast_to(middle, (len(parameters), self.horizon, len(middle)))
        try:
            return self.found(self._look_at(parameters, np.array(d), meter))
        except BudgetSpentError:
            return self.found(None)

    def start(self, parameter: FloatArray) -> FloatArray | None:
        """A state near that of `parameter` that certainly lies in the initial set, or None."""
        middle = 0.5 * self.initial.lower + 0.5 * self.initial.upper
        for pull in PULLS:
            x0 = self.initial.states(middle + (parameter - middle) * (1.0 - pull))
            if self.initial_set.contains(x0).verdict == "inside":
                return x0
        return None

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
            starts = [points for points in self.worst if points is not None]
            if not starts:
                return None
            proved = self._look_at(*self._moved(starts, size), meter)
            if proved is not None:
                return proved
        return self.last_try(meter)

    def _parameters(self, count: int) -> FloatArray:
        """The middle, vertices (a quarter) and uniform points of the box of parameters."""
        initial = self.initial
        unit = self.generator.random((count, initial.size))
        unit[: count // 4] = np.round(unit[: count // 4])
        unit[0] = 0.5
        return np.clip(initial.lower + unit * (initial.upper - initial.lower), initial.lower, initial.upper)

    def _disturbances(self, count: int) -> FloatArray:
        """Uniform, bang-bang and constant signals in turn."""
        unit = self.generator.random((count, self.horizon, len(self.low)))
        unit[1::3] = np.round(unit[1::3])
        unit[2::3] = np.round(unit[2::3, :1])
        return np.clip(self.low + unit * (self.high - self.low), self.low, self.high)

    def _moved(self, starts: list[Points], size: float) -> tuple[FloatArray, FloatArray]:
        """Random moves of the worst trajectories so far; some samples of the disturbances are drawn anew."""
        initial, moves = self.initial, self.generator
        parameters = np.repeat(np.concatenate([points.parameters for points in starts]), MOVES, axis=0)
        d = np.repeat(np.concatenate([points.d for points in starts]), MOVES, axis=0)
        step = size * (initial.upper - initial.lower)
        parameters = parameters + step * moves.uniform(-1.0, 1.0, parameters.shape)
        renewed = moves.random((*d.shape[:2], 1)) < size
        return np.clip(parameters, initial.lower, initial.upper), np.where(renewed, self._disturbances(len(d)), d)

    def _look_at(self, parameters: FloatArray, d: FloatArray, meter: Meter) -> Counterexample | None:
        """A proved counterexample among these trajectories, or None; the worst of them are kept."""
        meter.require()
        inside = np.array([not self.initial.misses(point, point) for point in parameters], dtype=bool)
        parameters, d = parameters[inside], d[inside]
        if not len(parameters):
            return None
        found = self.judged(parameters, d)
        for number, margins in enumerate(found):
            self.margins[number] = min(self.margins[number], float(margins.min()))
            points, kept = Points(parameters, d, margins).worst(KEPT), self.worst[number]
            self.worst[number] = points if kept is None else kept.joined(points).worst(KEPT)
        for number, margins in enumerate(found):
            points = Points(parameters, d, margins).worst(REPLAYS)
            for parameter, held, margin in zip(points.parameters, points.d, points.margins, strict=True):
                if self.monitors[number].holds(float(margin)):
                    break
                x0 = self.start(parameter)
                proved = None if x0 is None else self.replay(number, x0, held, meter)
                if proved is not None:
                    return proved
        return None
