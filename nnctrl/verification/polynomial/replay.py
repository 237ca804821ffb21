"""Replays of the polynomial engine: a trajectory from one point, enclosed, and what it proves of a requirement."""

from __future__ import annotations

import itertools
import math

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.reachability.polynomial_flow import FlowSettings, Instant, Segment
from nnctrl.verification.polynomial.problem import PolynomialProblem, Watch
from nnctrl.verification.verdict import Counterexample

INSTANTS = 8
"""Instants of a validated step at which a violation is looked for."""

AGREEMENT = 1e-6
"""Relative distance from the validated flow that the simulated trajectory may have: it is not rounded outward."""


def point_settings(settings: FlowSettings, states: int) -> FlowSettings:
    """How a single trajectory is enclosed: no symbols but those of rounding and remainders."""
    return FlowSettings(1, 1, 4 * states, 2 * states, 0, settings.order, settings.tolerance)


class Replay:
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
        return self._violated_at(segment, np.unique(np.linspace(first, last, 1 if first == last else INSTANTS + 1)))

    def _violated_at(self, segment: Segment, instants: FloatArray) -> bool:
        """Whether the requirement is certainly violated at one of the instants, or where it would be most so."""
        values = []
        for instant in instants:
            values.append(self._violation(segment, float(instant), float(instant)))
            if self.certain:
                return True
        peak = _vertex(instants, np.array(values))
        return peak is not None and self._violated(segment, peak, peak)

    def _violated(self, segment: Segment, first: float, last: float) -> bool:
        """Whether the requirement is certainly violated at all times of [first, last]."""
        self._violation(segment, first, last)
        return self.certain

    def _violation(self, segment: Segment, first: float, last: float) -> float:
        """Lower bound of the violation at all times of [first, last]; it is kept if it is one."""
        monitor = self.watch.monitor
        value = monitor.violation(segment.signals(first, last), self.problem.times(first, last))
        if monitor.violates(value):
            self.certain, self.time, self.violation = True, last, value
        return value

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


def _vertex(times: FloatArray, values: FloatArray) -> float | None:
    """Where a parabola through the largest of the values and its neighbours is largest, if that is between them."""
    best = int(np.argmax(values))
    if not 0 < best < len(values) - 1 or not np.isfinite(values[best - 1 : best + 2]).all():
        return None
    rise, fall = values[best] - values[best - 1], values[best] - values[best + 1]
    if not rise + fall > 0.0:
        return None
    step = 0.5 * float(times[best + 1] - times[best - 1])
    peak = float(times[best]) + 0.5 * step * float((rise - fall) / (rise + fall))
    return min(max(peak, float(times[best - 1])), float(times[best + 1]))
