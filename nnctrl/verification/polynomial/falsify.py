"""Falsification for the engine `polynomial`: the common search, and replays by the validated flow.

A trajectory that looks like a violation is followed from exactly its initial state, with the disturbance of each sample
held; only what is proved so counts.
"""

from __future__ import annotations

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.branching.meter import Meter
from nnctrl.errors import InputError
from nnctrl.reachability.polynomial_flow import FlowSettings, PolynomialFlow
from nnctrl.reachability.validated_step import EnclosureError
from nnctrl.verification.polynomial.problem import PolynomialProblem, Watch
from nnctrl.verification.polynomial.replay import Replay, point_settings
from nnctrl.verification.trajectory_search import REPLAYS, AbstractTrajectorySearch
from nnctrl.verification.verdict import Counterexample


class PolynomialFalsifier(AbstractTrajectorySearch):
    """The search of a compiled problem."""

    def __init__(self, problem: PolynomialProblem, settings: FlowSettings, *, samples: int, seed: int) -> None:
        box = problem.loop.step.disturbance
        ends = (np.zeros(0), np.zeros(0)) if box is None else (box.lower, box.upper)
        super().__init__(
            problem.initial_set, problem.initial, problem.monitors, ends, problem.samples, samples=samples, seed=seed
        )
        self.problem, self.settings = problem, settings

    def judged(self, parameters: FloatArray, d: FloatArray) -> list[FloatArray]:
        """See `AbstractTrajectorySearch.judged`."""
        signals = self.problem.simulated(self.initial.states(parameters), d)
        return [_trajectory_margins(watch, signals, self.problem)[0] for watch in self.problem.watches]

    def replay(self, number: int, x0: FloatArray, d: FloatArray, meter: Meter) -> Counterexample | None:
        """See `AbstractTrajectorySearch.replay`."""
        return self._replayed(self.problem.watches[number], x0, d, meter, keep=True)

    def last_try(self, meter: Meter) -> Counterexample | None:
        """A violation at times that simulations do not show, of the worst trajectories they do show."""
        problem = self.problem
        for number, (watch, kept) in enumerate(zip(problem.watches, self.worst, strict=True)):
            if kept is None:
                continue
            points = kept.worst(REPLAYS)
            signals = problem.simulated(problem.initial.states(points.parameters), points.d)
            margins, less = _trajectory_margins(watch, signals, problem)
            for row in np.flatnonzero(watch.monitor.holds(margins) & ~watch.monitor.holds(margins - less)):
                meter.require()
                x0 = self.start(points.parameters[row])
                proved = None if x0 is None else self._replayed(watch, x0, points.d[row], meter, keep=False)
                if proved is not None:
                    self.margins[number] = min(self.margins[number], 0.0)
                    return proved
        return None

    def _replayed(
        self, watch: Watch, x0: FloatArray, d: FloatArray, meter: Meter, *, keep: bool
    ) -> Counterexample | None:
        """A proved counterexample, or None; `keep`: then the trajectory is remembered as a candidate."""
        problem = self.problem
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
