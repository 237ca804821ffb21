"""Flowpipes without a verdict: as many parts as the user allows, cut where the enclosure is least explained."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.branching.meter import BudgetSpentError
from nnctrl.progress import Progress
from nnctrl.reachability.flowpipe import Flowpipe, FlowpipeStep
from nnctrl.sets.cutting import support_by_cutting
from nnctrl.sets.rounding import TINY
from nnctrl.verification.engine import Outcome
from nnctrl.verification.polynomial.parts import Judgement, PartJudge, TimedSet
from nnctrl.verification.polynomial.problem import PolynomialProblem
from nnctrl.verification.verdict import Reason, Statistics

SAMPLES = 512
"""Simulated trajectories that the widths at the horizon are compared with."""

CUTS = 16
"""Cuts of the symbols' box when those widths are bounded."""

SMALLEST_PART = 2.0**-20


@dataclass(order=True)
class _Leaf:
    """A part, first those whose enclosure at the horizon depends least on the symbols of the initial set."""

    urgency: float
    number: int
    lower: FloatArray = field(compare=False)
    upper: FloatArray = field(compare=False)
    found: Judgement = field(compare=False)


@dataclass
class PolynomialReach:
    """One flowpipe, of at most `parts` parts."""

    problem: PolynomialProblem
    judge: PartJudge
    parts: int
    progress: Progress

    def run(self) -> Outcome:
        """Enclose, and cut the part that is least explained while there may be more parts."""
        initial, leaves = self.problem.initial, list[_Leaf]()
        reason: Reason | None = None
        try:
            self._add(leaves, initial.lower, initial.upper)
            while len(leaves) < self.parts and math.isfinite(leaves[0].urgency):
                self.progress.update(f"{len(leaves)} of {self.parts} parts", len(leaves), self.parts)
                worst = leaves[0]
                smallest = SMALLEST_PART * (initial.upper - initial.lower)
                children = split(worst.lower, worst.upper, worst.found.scores, smallest)
                if not children:
                    break
                found = [(child, self.judge.judge(*child)) for child in children if not initial.misses(*child)]
                heapq.heappop(leaves)
                for child, judgement in found:
                    self._push(leaves, *child, judgement)
        except BudgetSpentError as error:
            reason = Reason(error.reason)
        if not leaves:
            return Outcome(None, reason, statistics=Statistics(nodes=1, parts=1))
        ended = [leaf.found for leaf in leaves if reason_of(leaf.found) is not None]
        if ended:
            reason = reason_of(ended[0])
        notes = trouble(self.problem, ended[0]) if ended else self._width_note([leaf.found for leaf in leaves])
        pipe = flowpipe_of(self.problem, [leaf.found.sets for leaf in leaves], whole=not ended)
        segments = sum(leaf.found.segments for leaf in leaves)
        statistics = Statistics(nodes=self.judge.meter.nodes, parts=len(leaves), steps=segments)
        return Outcome(None, reason, flowpipe=pipe, statistics=statistics, notes=notes)

    def _add(self, leaves: list[_Leaf], lower: FloatArray, upper: FloatArray) -> None:
        self._push(leaves, lower, upper, self.judge.judge(lower, upper))

    def _push(self, leaves: list[_Leaf], lower: FloatArray, upper: FloatArray, found: Judgement) -> None:
        urgency = -math.inf if found.end is None else -self._unexplained(found)
        number = self.judge.meter.nodes * self.parts + len(leaves)
        heapq.heappush(leaves, _Leaf(urgency, number, lower, upper, found))

    def _unexplained(self, found: Judgement) -> float:
        """How much of the widths at the horizon is not linear in the symbols of the initial set, at most."""
        rows = found.end
        if rows is None:
            return math.inf
        low, high = rows.ranges()
        linear = np.abs(rows.coefficients[:, rows.basis.linear[: self.problem.initial.size]]).sum(axis=1)
        return float(np.max(0.5 * (high - low) - linear, initial=0.0, where=np.isfinite(high - low)))

    def _width_note(self, found: list[Judgement]) -> tuple[str, ...]:
        """How wide the sets at the horizon are together, compared with simulated trajectories."""
        states = self.problem.loop.plant.state_size
        axes = np.concatenate([np.eye(states), -np.eye(states)])
        ends = [support_by_cutting(judgement.end, axes, CUTS) for judgement in found if judgement.end is not None]
        width = np.max(ends, axis=0).reshape(2, states).sum(axis=0)
        simulated = self._simulated_width()
        moving = simulated > 1e-9 * np.abs(ends[0]).reshape(2, states).max(axis=0)
        if not moving.any() or not np.isfinite(simulated).all():
            return ()
        ratios = np.where(moving, width / (simulated + TINY), 0.0)
        name = list(self.problem.loop.plant.states)[int(np.argmax(ratios))]
        return (f"widths of the states at the horizon: at most {ratios.max():.3g} times the simulated ones ({name})",)

    def _simulated_width(self) -> FloatArray:
        problem, rng = self.problem, np.random.default_rng(0)
        initial, box = problem.initial, problem.loop.step.disturbance
        unit = rng.random((SAMPLES, initial.size))
        unit[: SAMPLES // 2] = np.round(unit[: SAMPLES // 2])
        parameters = np.clip(initial.lower + unit * (initial.upper - initial.lower), initial.lower, initial.upper)
        low, high = (np.zeros(0), np.zeros(0)) if box is None else (box.lower, box.upper)
        constant = np.round(rng.random((SAMPLES, 1, len(low))))
        d = np.broadcast_to(np.clip(low + constant * (high - low), low, high), (SAMPLES, problem.samples, len(low)))
        last = problem.simulated(initial.states(parameters), d)[:, -1, : problem.loop.plant.state_size]
        return np.asarray(last.max(axis=0) - last.min(axis=0))


def flowpipe_of(problem: PolynomialProblem, parts: Sequence[Sequence[TimedSet]], *, whole: bool = True) -> Flowpipe:
    """The sets of all parts; of several parts a row for each period, since their steps may differ."""
    rows: dict[int, list[TimedSet]] = {}
    for part in parts:
        for number, item in enumerate(part):
            rows.setdefault(number if len(parts) == 1 else math.floor(item[0]), []).append(item)
    steps = []
    for _, found in sorted(rows.items()):
        times = min(first for first, _, _ in found) * problem.period, max(last for _, last, _ in found) * problem.period
        steps.append(FlowpipeStep(times, tuple(zonotope for _, _, zonotope in found)))
    return Flowpipe(tuple(problem.loop.plant.states), tuple(steps), whole)


def reason_of(found: Judgement) -> Reason | None:
    """Why an enclosure ended, None if it did not."""
    if found.problem is not None:
        return Reason.DOMAIN_LEFT
    return Reason.ENCLOSURE_DIVERGED if found.diverged else None


def trouble(problem: PolynomialProblem, found: Judgement) -> tuple[str, ...]:
    """Where an enclosure ended, as a sentence."""
    time = found.time * problem.period
    unit = "s" if not problem.loop.plant.is_discrete else "steps"
    if found.problem is not None:
        return (f"the operation '{found.problem}' is not defined on all of the enclosure after {time:g} {unit}",)
    return (f"the enclosure diverged after {time:g} {unit}",) if found.diverged else ()


def split(
    lower: FloatArray, upper: FloatArray, scores: FloatArray, smallest: FloatArray
) -> list[tuple[FloatArray, FloatArray]]:
    """Halves along the coordinate with the largest score that is still wide enough; none if none is."""
    middle = 0.5 * lower + 0.5 * upper
    wide = (upper - lower > smallest) & (middle > lower) & (middle < upper)
    if not wide.any():
        return []
    relative = (upper - lower) / (smallest + np.finfo(np.float64).tiny)
    chosen = np.where(wide, scores if (scores[wide] > 0.0).any() else relative, -1.0)
    axis = int(np.argmax(chosen))
    below, above = upper.copy(), lower.copy()
    below[axis] = above[axis] = middle[axis]
    return [(lower, below), (above, upper)]
