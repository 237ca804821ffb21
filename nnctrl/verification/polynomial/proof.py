"""Proof by parts: which parts of the initial set are open, what is known of the closed ones, and how it ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.branching.meter import BudgetSpentError, Meter
from nnctrl.progress import Progress
from nnctrl.reachability.polynomial_flow import FlowSettings
from nnctrl.sets.box import Box
from nnctrl.verification.engine import MOST_OPEN_PARTS, Outcome
from nnctrl.verification.polynomial.falsify import PolynomialFalsifier
from nnctrl.verification.polynomial.parts import Judgement, PartJudge, TimedSet
from nnctrl.verification.polynomial.problem import PolynomialProblem
from nnctrl.verification.polynomial.reach import flowpipe_of, reason_of, split, trouble
from nnctrl.verification.polynomial.workers import Part, PartWorkers, can_fork, part_workers
from nnctrl.verification.rows import falsified, rows
from nnctrl.verification.settings import PolynomialSettings
from nnctrl.verification.verdict import Reason, Statistics, Verdict

STORED_PARTS = 64
"""Closed parts whose sets are kept for the flowpipe."""

ALONE_S = 2.0
"""Seconds after which the parts that are open are followed in several processes: forking takes some too."""

LAST_LOOK_SHARE = 0.05
"""Part of the time budget that is spent, after it ran out, on what can be said about single requirements."""


@dataclass
class PolynomialProof:
    """The open parts of the initial set, and what is known of the closed ones."""

    problem: PolynomialProblem
    falsifier: PolynomialFalsifier
    flow: FlowSettings
    settings: PolynomialSettings
    meter: Meter
    progress: Progress
    closed: int = 0
    splits: int = 0
    segments: int = 0
    sets: list[list[TimedSet]] = field(default_factory=list)
    last: Judgement | None = None

    def run(self) -> Outcome:
        """Until no part is open, a violation is proved, or something runs out."""
        initial = self.problem.initial
        self.certified = np.full(len(self.problem.watches), math.inf)
        waiting: list[Part] = [(initial.lower, initial.upper)]
        self.judge = PartJudge(self.problem, self.flow, self.meter)
        outcome = self._alone(waiting)
        if outcome is None and waiting:
            with part_workers(self.judge, self.meter.jobs) as workers:
                outcome = self._together(waiting, workers)
        return self._verified() if outcome is None else outcome

    def _alone(self, waiting: list[Part]) -> Outcome | None:
        """Follow parts one by one until none waits, something ends the proof, or it is time for more processes."""
        several = self.meter.jobs > 1 and can_fork()
        while waiting and not (several and len(waiting) > 1 and self.meter.elapsed() > ALONE_S):
            part = waiting.pop()
            self._show(len(waiting) + 1)
            stopped = self.meter.exhausted()
            if stopped:
                return self._unknown(Reason(stopped), [*waiting, part])
            self.judge.keep_sets = self.closed < STORED_PARTS
            try:
                found = self.judge.judge(*part)
            except BudgetSpentError as error:
                return self._unknown(Reason(error.reason), [*waiting, part])
            outcome = self._take(part, found, waiting)
            if outcome is not None:
                return outcome
        return None

    def _together(self, waiting: list[Part], workers: PartWorkers) -> Outcome | None:
        """The same in several processes."""
        while waiting or workers.pending:
            while waiting and workers.has_room():
                self.meter.nodes += 1
                workers.give(waiting.pop())
            self._show(len(waiting) + len(workers.pending))
            stopped = self.meter.exhausted()
            if stopped:
                return self._unknown(Reason(stopped), [*waiting, *workers.pending])
            try:
                for part, found in workers.results():
                    outcome = self._take(part, found, waiting, others=workers.pending)
                    if outcome is not None:
                        return outcome
            except BudgetSpentError as error:
                return self._unknown(Reason(error.reason), [*waiting, *workers.pending])
            except BrokenProcessPool:
                # workers end by themselves only when the machine ends them
                return self._unknown(Reason.MEMORY_BUDGET, [*waiting, *workers.pending])
        return None

    def _show(self, left: int) -> None:
        self.progress.update(f"{self.closed} parts closed, {self.splits} split, {left} waiting")

    def _take(self, part: Part, found: Judgement, waiting: list[Part], others: Sequence[Part] = ()) -> Outcome | None:
        """Book what following a part told, and put its halves among those that wait; an outcome ends the proof."""
        self.segments += found.segments
        if found.open is None:
            self.closed += 1
            self.certified = np.minimum(self.certified, found.margins)
            if found.sets and len(self.sets) < STORED_PARTS:
                self.sets.append(found.sets)
            return None
        self.last = found
        proved = self._look_for_violation(*part)
        if proved is not None:
            return proved
        initial = self.problem.initial
        children = split(*part, found.scores, self.settings.smallest_part * (initial.upper - initial.lower))
        if not children:
            return self._unknown(reason_of(found) or Reason.SPLIT_LIMIT, [*waiting, *others, part])
        self.splits += 1
        waiting += [child for child in children if not initial.misses(*child)]
        return None

    def _verified(self) -> Outcome:
        margins = self.falsifier.found(None).margins
        table = rows(self.problem.monitors, list(self.certified), margins, [Verdict.VERIFIED] * len(margins))
        pipe = flowpipe_of(self.problem, self.sets, whole=len(self.sets) == self.closed)
        return Outcome(
            Verdict.VERIFIED, Reason.PROVED, table, pipe, statistics=self._statistics(), notes=tuple(self._notes())
        )

    def _look_for_violation(self, lower: FloatArray, upper: FloatArray) -> Outcome | None:
        """Try the trajectory from the centre of an open part."""
        centre = np.clip(0.5 * lower + 0.5 * upper, lower, upper)[None]
        if self.problem.initial.misses(centre[0], centre[0]):
            return None
        found = self.falsifier.try_parameters(centre, self.meter)
        if found.counterexample is None:
            return None
        return falsified(self.problem.monitors, found, self._statistics())

    def _unknown(self, reason: Reason, waiting: list[Part]) -> Outcome:
        """UNKNOWN as a whole, with what holds of single requirements all the same."""
        found = self.falsifier.found(None)
        certified = np.minimum(self.certified, self._last_look(waiting))
        verdicts = [
            Verdict.VERIFIED if bool(watch.monitor.holds(float(low))) and low < math.inf else Verdict.UNKNOWN
            for watch, low in zip(self.problem.watches, certified, strict=True)
        ]
        notes = [f"{len(waiting)} parts of the initial set are open, {self.closed} are closed", *self._notes()]
        if self.last is not None:
            notes += trouble(self.problem, self.last)
        return Outcome(
            Verdict.UNKNOWN,
            reason,
            rows(self.problem.monitors, list(certified), found.margins, verdicts),
            flowpipe_of(self.problem, self.sets, whole=False) if self.sets else None,
            found.candidate,
            self._statistics(),
            tuple(notes),
            tuple(self._box(part) for part in waiting[:MOST_OPEN_PARTS]),
        )

    def _box(self, part: Part) -> Box:
        """The box of plant states around a part, up to rounding."""
        centre, generators, radius = self.problem.initial.rows(*part)
        reach = np.abs(generators).sum(axis=1) + radius
        return Box(centre - reach, centre + reach)

    def _last_look(self, waiting: list[Part]) -> FloatArray:
        """Certified margins over the open parts, to the end even where one requirement fails."""
        judge = PartJudge(self.problem, self.flow, self.meter.share(LAST_LOOK_SHARE), keep_sets=False)
        least = np.full(len(self.problem.watches), math.inf)
        try:
            for lower, upper in waiting:
                least = np.minimum(least, judge.judge(lower, upper, to_the_end=True).margins)
        except BudgetSpentError:
            return np.full(len(least), -math.inf)
        return least

    def _statistics(self) -> Statistics:
        return Statistics(nodes=self.meter.nodes, parts=self.closed, splits=self.splits, steps=self.segments)

    def _notes(self) -> list[str]:
        hidden = self.closed - len(self.sets)
        return [f"the flowpipe shows {len(self.sets)} of {self.closed} closed parts"] if hidden > 0 else []
