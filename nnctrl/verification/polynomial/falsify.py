"""Falsification for the polynomial engine: search among simulated trajectories, and prove what is found.

The search is floating point: random points and vertices of the initial set under random, extreme and constant
disturbances, then smaller and smaller random moves of the worst. What looks like a violation is followed once more from
exactly that point by the validated flow, with the disturbance of each sample held; only what is proved so counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.branching.meter import BudgetSpentError, Meter
from nnctrl.errors import InputError
from nnctrl.progress import Progress
from nnctrl.reachability.polynomial_flow import FlowSettings, PolynomialFlow
from nnctrl.reachability.validated_step import EnclosureError
from nnctrl.verification.falsification import Falsification
from nnctrl.verification.polynomial.problem import PolynomialProblem, Watch
from nnctrl.verification.polynomial.replay import Replay, point_settings
from nnctrl.verification.verdict import Counterexample

BATCH = 256
ROUNDS = 6
"""Rounds of random moves around the worst trajectories, each of half the size of the one before."""

KEPT = 8
MOVES = 12
REPLAYS = 3

PULLS = (0.0, 1e-12, 1e-9, 1e-6)
"""How far to pull a point on the rim of the initial set towards the middle until it is certainly inside, in turn."""


@dataclass(eq=False)
class _Points:
    """Parameters [batch, s], disturbances and noise [batch, samples, d], and their margins [batch]."""

    parameters: FloatArray
    d: FloatArray
    margins: FloatArray

    def worst(self, count: int) -> _Points:
        order = np.argsort(self.margins, kind="stable")[:count]
        return _Points(self.parameters[order], self.d[order], self.margins[order])

    def joined(self, other: _Points) -> _Points:
        pairs = ((self.parameters, other.parameters), (self.d, other.d), (self.margins, other.margins))
        return _Points(*(np.concatenate(pair) for pair in pairs))


class PolynomialFalsifier:
    """Searches the initial set of a compiled problem; deterministic for a seed unless a budget cuts it short."""

    def __init__(self, problem: PolynomialProblem, settings: FlowSettings, *, samples: int, seed: int) -> None:
        self.problem, self.samples = problem, samples
        self.settings = settings
        self.generator = np.random.default_rng(seed)
        self.margins = [math.inf] * len(problem.watches)
        self.candidate: Counterexample | None = None
        self._worst: list[_Points | None] = [None] * len(problem.watches)
        box = problem.loop.step.disturbance
        self.low, self.high = (np.zeros(0), np.zeros(0)) if box is None else (box.lower, box.upper)

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
        d = np.broadcast_to(middle, (len(parameters), self.problem.samples, len(middle)))
        try:
            return self.found(self._simulate_and_replay(parameters, np.array(d), meter))
        except BudgetSpentError:
            return self.found(None)

    def _search(self, meter: Meter, progress: Progress) -> Counterexample | None:
        for drawn in range(0, self.samples, BATCH):
            meter.require()
            progress.update("looking for a counterexample", drawn, self.samples)
            count = min(BATCH, self.samples - drawn)
            proved = self._simulate_and_replay(self._parameters(count), self._disturbances(count), meter)
            if proved is not None:
                return proved
        progress.update("following the worst trajectories")
        size = 0.5
        for _ in range(ROUNDS):
            meter.require()
            size *= 0.5
            starts = [points for points in self._worst if points is not None]
            if not starts:
                return None
            proved = self._simulate_and_replay(*self._moved(starts, size), meter)
            if proved is not None:
                return proved
        return self._between(meter)

    def _between(self, meter: Meter) -> Counterexample | None:
        """A violation at times that simulations do not show, of the worst trajectories they do show."""
        problem = self.problem
        for number, (watch, points) in enumerate(zip(problem.watches, self._worst, strict=True)):
            if points is None:
                continue
            points = points.worst(REPLAYS)
            signals = problem.simulated(problem.initial.states(points.parameters), points.d)
            margins, less = _trajectory_margins(watch, signals, problem)
            for row in np.flatnonzero(watch.monitor.holds(margins) & ~watch.monitor.holds(margins - less)):
                meter.require()
                proved = self._replay(watch, points.parameters[row], points.d[row], meter, keep=False)
                if proved is not None:
                    self.margins[number] = min(self.margins[number], 0.0)
                    return proved
        return None

    def _parameters(self, count: int) -> FloatArray:
        """The middle, vertices (a quarter) and uniform points of the box of parameters, those in the set."""
        initial = self.problem.initial
        unit = self.generator.random((count, initial.size))
        unit[: count // 4] = np.round(unit[: count // 4])
        unit[0] = 0.5
        return self._admitted(
            np.clip(initial.lower + unit * (initial.upper - initial.lower), initial.lower, initial.upper)
        )

    def _admitted(self, points: FloatArray) -> FloatArray:
        """Those of which the initial set is not certainly missed."""
        misses = self.problem.initial.misses
        return points[[not misses(point, point) for point in points]]

    def _disturbances(self, count: int) -> FloatArray:
        """Uniform, bang-bang and constant signals in turn."""
        unit = self.generator.random((count, self.problem.samples, len(self.low)))
        unit[1::3] = np.round(unit[1::3])
        unit[2::3] = np.round(unit[2::3, :1])
        return np.clip(self.low + unit * (self.high - self.low), self.low, self.high)

    def _moved(self, starts: list[_Points], size: float) -> tuple[FloatArray, FloatArray]:
        initial, moves = self.problem.initial, self.generator
        parameters = np.repeat(np.concatenate([points.parameters for points in starts]), MOVES, axis=0)
        d = np.repeat(np.concatenate([points.d for points in starts]), MOVES, axis=0)
        step = size * (initial.upper - initial.lower)
        parameters = parameters + step * moves.uniform(-1.0, 1.0, parameters.shape)
        parameters = np.clip(parameters, initial.lower, initial.upper)
        kept = np.array([not initial.misses(point, point) for point in parameters], dtype=bool)
        fresh = self._disturbances(len(d))
        # some samples of the disturbance are drawn anew
        d = np.where(moves.random((*d.shape[:2], 1)) < size, fresh, d)
        return parameters[kept], d[kept]

    def _simulate_and_replay(self, parameters: FloatArray, d: FloatArray, meter: Meter) -> Counterexample | None:
        """A proved counterexample among these trajectories, or None; the worst of them are kept."""
        if not len(parameters):
            return None
        d = d[: len(parameters)]
        problem = self.problem
        signals = problem.simulated(problem.initial.states(parameters), d)
        found = [_trajectory_margins(watch, signals, problem)[0] for watch in problem.watches]
        for number, margins in enumerate(found):
            self.margins[number] = min(self.margins[number], float(margins.min()))
            points, kept = _Points(parameters, d, margins).worst(KEPT), self._worst[number]
            self._worst[number] = points if kept is None else kept.joined(points).worst(KEPT)
        for watch, margins in zip(problem.watches, found, strict=True):
            points = _Points(parameters, d, margins).worst(REPLAYS)
            for parameter, held, margin in zip(points.parameters, points.d, points.margins, strict=True):
                if watch.monitor.holds(float(margin)):
                    break
                proved = self._replay(watch, parameter, held, meter)
                if proved is not None:
                    return proved
        return None

    def _replay(
        self, watch: Watch, parameter: FloatArray, d: FloatArray, meter: Meter, *, keep: bool = True
    ) -> Counterexample | None:
        """A proved counterexample, or None; `keep`: then the trajectory is remembered as a candidate."""
        problem = self.problem
        x0 = self._start(parameter)
        if x0 is None:
            return None
        flow = PolynomialFlow(problem.loop, 0, point_settings(self.settings, len(x0)))
        run = flow.run(flow.start(x0, np.zeros((len(x0), 0))), problem.samples, d if d.shape[1] else None)
        replay = Replay(problem, watch)
        try:
            for segment in run.segments():
                meter.require()
                if replay.look(segment):
                    break
        except EnclosureError:
            # what is not enclosed is not proved
            replay.certain = False
        if not replay.certain and (not keep or self.candidate is not None):
            return None
        try:
            shown = replay.counterexample(x0, d)
        except InputError:
            # the trajectory ends before the sample that it would be shown up to: it leaves the domain, or escapes
            return None
        if replay.certain:
            return shown
        self.candidate = shown
        return None

    def _start(self, parameter: FloatArray) -> FloatArray | None:
        """A state near that of `parameter` that certainly lies in the initial set, or None."""
        initial = self.problem.initial
        middle = 0.5 * initial.lower + 0.5 * initial.upper
        for pull in PULLS:
            x0 = initial.states(middle + (parameter - middle) * (1.0 - pull))
            if self.problem.initial_set.contains(x0).verdict == "inside":
                return x0
        return None


@np.errstate(all="ignore")  # what overflows is no margin
def _trajectory_margins(watch: Watch, signals: FloatArray, problem: PolynomialProblem) -> tuple[FloatArray, FloatArray]:
    """Margins [batch] of whole trajectories: the worst time, for Reach the best; nan counts as nothing, and no
    time at all as infinitely good. And what they may be less by at times between those looked at.

    Both are estimates: margins bend between points of a period about as they bend there. The best of all times cannot
    be more than what is told of Reach, up to that estimate.
    """
    times = problem.point_times()
    margins = watch.monitor.point_margins(signals, times * problem.period)
    bends = np.zeros_like(margins)
    if problem.pieces > 1:
        bend = 0.5 * np.abs(margins[:, 2:] - 2.0 * margins[:, 1:-1] + margins[:, :-2])
        bends[:, 1:-1] = np.where(np.isfinite(bend), bend, 0.0)
        bends[:, 0], bends[:, -1] = bends[:, 1], bends[:, -2]
    active = (times >= watch.first) & (times <= watch.last)
    margins, bends = margins[:, active], bends[:, active]
    ends = watch.between(problem.pieces)
    if ends:
        extra = np.stack([problem.interpolated(signals, time) for time in ends], axis=1)
        margins = np.concatenate([margins, watch.monitor.point_margins(extra, np.array(ends) * problem.period)], axis=1)
        bends = np.pad(bends, ((0, 0), (0, len(ends))))
    if not margins.shape[1]:
        return np.full(len(signals), np.inf), np.zeros(len(signals))
    if watch.monitor.is_reach:
        spread = 0.0 if watch.is_at else bends
        return np.where(np.isnan(margins), -np.inf, margins + spread).max(axis=1), np.zeros(len(signals))
    known = np.where(np.isnan(margins), np.inf, margins)
    least = known.min(axis=1)
    return least, np.where(np.isfinite(least), least - (known - bends).min(axis=1), 0.0)
