"""Falsification for the polynomial engine: search among simulated trajectories, and prove what is found.

The search is floating point: random points and vertices of the initial set under random, extreme and constant
disturbances, then smaller and smaller random moves of the worst. What looks like a violation is followed once more from
exactly that point by the validated flow, with the disturbance of each sample held; only what is proved so counts.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.branching.meter import BudgetSpentError, Meter
from nnctrl.progress import Progress
from nnctrl.reachability.polynomial_flow import FlowSettings, Instant, PolynomialFlow, Segment
from nnctrl.reachability.validated_step import EnclosureError
from nnctrl.verification.falsification import Falsification
from nnctrl.verification.polynomial_problem import PolynomialProblem, Watch
from nnctrl.verification.verdict import Counterexample

BATCH = 256
ROUNDS = 6
"""Rounds of random moves around the worst trajectories, each of half the size of the one before."""

KEPT = 8
MOVES = 12
REPLAYS = 3
INSTANTS = 8
"""Instants of a validated step at which a violation is looked for."""

AGREEMENT = 1e-6
"""Relative distance from the validated flow that the simulated trajectory may have: it is not rounded outward."""

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
        found = [_trajectory_margins(watch, signals, problem) for watch in problem.watches]
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

    def _replay(self, watch: Watch, parameter: FloatArray, d: FloatArray, meter: Meter) -> Counterexample | None:
        problem = self.problem
        x0 = self._start(parameter)
        if x0 is None:
            return None
        flow = PolynomialFlow(problem.loop, 0, point_settings(self.settings, len(x0)))
        run = flow.run(flow.start(x0, np.zeros((len(x0), 0))), problem.samples, d if d.shape[1] else None)
        replay = _Replay(problem, watch)
        try:
            for segment in run.segments():
                meter.require()
                if replay.look(segment):
                    break
        except EnclosureError:
            # what is not enclosed is not proved
            replay.certain = False
        if not replay.certain:
            self.candidate = self.candidate or replay.counterexample(x0, d)
            return None
        return replay.counterexample(x0, d)

    def _start(self, parameter: FloatArray) -> FloatArray | None:
        """A state near that of `parameter` that certainly lies in the initial set, or None."""
        initial = self.problem.initial
        middle = 0.5 * initial.lower + 0.5 * initial.upper
        for pull in PULLS:
            x0 = initial.states(middle + (parameter - middle) * (1.0 - pull))
            if self.problem.initial_set.contains(x0).verdict == "inside":
                return x0
        return None


def point_settings(settings: FlowSettings, states: int) -> FlowSettings:
    """How a single trajectory is enclosed: no symbols but those of rounding and remainders."""
    return FlowSettings(1, 1, 4 * states, 2 * states, 0, settings.order, settings.tolerance)


def _trajectory_margins(watch: Watch, signals: FloatArray, problem: PolynomialProblem) -> FloatArray:
    """Margins [batch] of whole trajectories: the worst time, for Reach the best; nan counts as nothing."""
    times = problem.point_times()
    active = (times >= watch.first) & (times <= watch.last)
    margins = watch.monitor.point_margins(signals[:, active], times[active] * problem.period)
    nothing = -np.inf if watch.monitor.is_reach else np.inf
    margins = np.where(np.isnan(margins), nothing, margins)
    if not margins.shape[1]:
        return np.full(len(signals), np.inf)
    return np.asarray(margins.max(axis=1) if watch.monitor.is_reach else margins.min(axis=1))


class _Replay:
    """Whether a validated trajectory violates one requirement."""

    def __init__(self, problem: PolynomialProblem, watch: Watch) -> None:
        self.problem, self.watch = problem, watch
        self.certain, self.time, self.violation = False, 0.0, math.inf if watch.monitor.is_reach else -math.inf
        self.refuted = False
        self.ranges: dict[int, tuple[FloatArray, FloatArray]] = {}

    def look(self, segment: Segment) -> bool:
        """Take a segment in; whether nothing more is to be learned."""
        watch = self.watch
        if segment.first == int(segment.first):
            states = slice(0, self.problem.loop.plant.state_size)
            self.ranges[int(segment.first)] = segment.signals(segment.first, segment.first).rows(states).ranges()
        first, last = max(watch.first, segment.first), min(watch.last, segment.last)
        missing = isinstance(segment, Instant) and segment.first == self.problem.samples
        if first > last or (watch.monitor.needs_inputs and missing):
            return segment.first > watch.last
        if first == last == segment.last and not isinstance(segment, Instant):
            # the next segment begins with this instant, and with the input of that sample
            return False
        if watch.monitor.is_reach:
            self._never_reached(segment, first, last)
            return self.refuted
        if watch.inner_first > watch.inner_last:
            # the window is one time, which is somewhere in [first, last]
            return self._violated(segment, first, last)
        first, last = max(watch.inner_first, segment.first), min(watch.inner_last, segment.last)
        if first > last:
            return False
        instants = np.unique(np.linspace(first, last, 1 if first == last else INSTANTS + 1))
        return any(self._violated(segment, float(instant), float(instant)) for instant in instants)

    def _violated(self, segment: Segment, first: float, last: float) -> bool:
        """Whether the requirement is certainly violated at all times of [first, last]."""
        monitor = self.watch.monitor
        value = monitor.violation(segment.signals(first, last), self.problem.times(first, last))
        if monitor.violates(value):
            self.certain, self.time, self.violation = True, last, value
        return self.certain

    def _never_reached(self, segment: Segment, first: float, last: float) -> None:
        """A set that is to be reached within a time must be missed at all times."""
        parts = np.linspace(first, last, 1 if first == last else INSTANTS + 1)
        pairs = [(first, last)] if first == last else list(itertools.pairwise(parts))
        for begin, end in pairs:
            times = float(begin), float(end)
            value = self.watch.monitor.violation(segment.signals(*times), self.problem.times(*times))
            self.violation = min(self.violation, value)
            if not self.watch.monitor.violates(value):
                self.certain, self.refuted = False, True
                return
        self.certain, self.time = last >= self.watch.last, last

    def _check_agreement(self, states: FloatArray) -> None:
        """The simulator is made of other parts than the flow: if they disagree, one is wrong and nothing is told."""
        for k, (lower, upper) in self.ranges.items():
            if k >= len(states):
                continue
            excess = np.maximum(lower - states[k], states[k] - upper)
            allowed = AGREEMENT * (1.0 + np.abs(states[k]))
            if not np.isnan(excess).any() and (excess > allowed).any():
                raise RuntimeError(
                    f"the simulated state of sample {k} is {float(excess.max()):g} outside the validated flow"
                )

    def counterexample(self, x0: FloatArray, d: FloatArray) -> Counterexample:
        """The simulated trajectory, up to the sample at or after the violation if that is certain."""
        from nnctrl.systems.simulation import simulate

        loop, needs_inputs = self.problem.loop, self.watch.monitor.needs_inputs
        time = self.time if self.certain else float(self.problem.samples)
        steps = min(self.problem.samples, math.ceil(time) + int(needs_inputs and time == int(time)))
        w, noise = loop.split_disturbance(d[:steps])
        path = simulate(loop.plant, loop.controller, x0, steps, w, noise if noise.shape[-1] else None)
        self._check_agreement(path.x[0])
        return Counterexample(
            x0=x0,
            w=d[:steps],
            t=np.arange(steps + 1, dtype=np.float64) * self.problem.period,
            x=path.x[0],
            u=path.u[0],
            requirement=self.watch.monitor.id,
            violation=self.violation if self.certain else math.nan,
        )
