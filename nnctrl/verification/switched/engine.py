"""The engine `switched`: branches of polynomial zonotopes, for discrete plants under switched controllers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.branching.meter import BudgetSpentError, Meter
from nnctrl.errors import UnsupportedError
from nnctrl.progress import Progress
from nnctrl.reachability.flowpipe import Flowpipe, FlowpipeStep
from nnctrl.sets.box import Box
from nnctrl.verification.engine import AbstractEngine, Outcome
from nnctrl.verification.problem import Problem
from nnctrl.verification.rows import falsified, rows, searched
from nnctrl.verification.settings import Settings, setting
from nnctrl.verification.switched.falsify import SwitchedFalsifier
from nnctrl.verification.switched.parts import Judgement, PartJudge
from nnctrl.verification.switched.problem import SwitchedProblem
from nnctrl.verification.verdict import Reason, Statistics, Verdict

FALSIFY_SAMPLES = 256
FALSIFY_SHARE = 0.05
"""Part of the time budget that verify looks for a counterexample before it begins to enclose."""

LAST_LOOK_SHARE = 0.05
"""Part of the time budget that is spent, after it ran out, on what can be said about single requirements."""

STORED_PARTS = 64
"""Closed parts whose boxes are kept for the flowpipe."""

FEW_SYMBOLS, HIGH_DEGREE, LOW_DEGREE = 3, 3, 2
"""Polynomials in the symbols of an initial set with few free coordinates have the high degree, others the low one."""

GENERATORS_PER_STATE, LEAST_GENERATORS = 16, 120
"""Independent symbols that are left at each sample."""


@dataclass(frozen=True)
class SwitchedSettings(Settings):
    """What the engine `switched` takes."""

    branches: int = setting(
        16, "branches of a part beyond which those of a mode are joined; at least one for each mode", minimum=1
    )
    smallest_part: float = setting(
        2.0**-12, "verify splits the initial set down to parts of this relative edge length", above=0.0, maximum=1.0
    )


class SwitchedEngine(AbstractEngine):
    """Branches of modes and polynomial zonotopes over the symbols of the initial set; discrete plants.

    Parts of the initial set are followed one by one, and split where a requirement stays open.
    """

    id: ClassVar[str] = "switched"
    arithmetic: ClassVar[str] = (
        "float64, rounded outward; tanh, exp, sin and the like of the libraries assumed within 4 ulp"
    )
    settings_type: ClassVar[type[Settings]] = SwitchedSettings
    treats_switched: ClassVar[bool] = True

    def objection(self, problem: Problem) -> str | None:
        """An initial set or an operation that has no polynomial zonotope."""
        try:
            SwitchedProblem.of(problem)
        except UnsupportedError as error:
            return str(error)
        return None

    def verify(self, problem: Problem, settings: Settings, meter: Meter, progress: Progress) -> Outcome:
        """See `AbstractEngine.verify`."""
        compiled = SwitchedProblem.of(problem)
        falsifier = SwitchedFalsifier(compiled, samples=FALSIFY_SAMPLES, seed=0)
        found = falsifier.run(meter.share(FALSIFY_SHARE), progress)
        if found.counterexample is not None:
            return falsified(compiled.monitors, found, Statistics(steps=compiled.horizon))
        return SwitchedProof(compiled, falsifier, _own(settings), meter, progress).run()

    def falsify(
        self, problem: Problem, settings: Settings, meter: Meter, progress: Progress, *, samples: int, seed: int
    ) -> Outcome:
        """See `AbstractEngine.falsify`."""
        compiled = SwitchedProblem.of(problem)
        found = SwitchedFalsifier(compiled, samples=samples, seed=seed).run(meter, progress)
        return searched(compiled.monitors, found, meter, Statistics(steps=compiled.horizon))

    def reach(self, problem: Problem, settings: Settings, meter: Meter, progress: Progress) -> Outcome:
        """See `AbstractEngine.reach`: the flowpipe of the whole initial set as one part."""
        compiled = replace(SwitchedProblem.of(problem), monitors=())
        try:
            found = _judge(compiled, _own(settings), meter).judge(compiled.initial.lower, compiled.initial.upper)
        except BudgetSpentError as error:
            return Outcome(None, Reason(error.reason), statistics=Statistics(parts=1))
        statistics = Statistics(nodes=meter.nodes, parts=1, steps=found.steps)
        reason = Reason.ENCLOSURE_DIVERGED if found.diverged else None
        notes = (_modes_note(compiled, found.modes), *_trouble(found))
        return Outcome(None, reason, flowpipe=_flowpipe(compiled, [found.boxes]), statistics=statistics, notes=notes)


@dataclass
class SwitchedProof:
    """The open parts of the initial set, and what is known of the closed ones."""

    problem: SwitchedProblem
    falsifier: SwitchedFalsifier
    settings: SwitchedSettings
    meter: Meter
    progress: Progress
    closed: int = 0
    splits: int = 0
    steps: int = 0
    modes: frozenset[int] = frozenset()
    boxes: list[list[tuple[Box, ...]]] = field(default_factory=list)
    last: Judgement | None = None

    def run(self) -> Outcome:
        """Until no part is open, a violation is proved, or something runs out."""
        initial = self.problem.initial
        self.certified = np.full(len(self.problem.monitors), math.inf)
        smallest = self.settings.smallest_part * (initial.upper - initial.lower)
        waiting = [(initial.lower, initial.upper)]
        judge = _judge(self.problem, self.settings, self.meter)
        while waiting:
            lower, upper = waiting.pop()
            stopped = self.meter.exhausted()
            if stopped:
                return self._unknown(Reason(stopped), [*waiting, (lower, upper)])
            self.progress.update(f"{self.closed} parts closed, {self.splits} split, {len(waiting) + 1} waiting")
            try:
                found = judge.judge(lower, upper)
            except BudgetSpentError as error:
                return self._unknown(Reason(error.reason), [*waiting, (lower, upper)])
            self.steps += found.steps
            if found.open is None:
                self._close(found)
                continue
            self.last = found
            proved = self._look_for_violation(lower, upper)
            if proved is not None:
                return proved
            children = halves(lower, upper, found.shares, smallest)
            if not children:
                reason = Reason.ENCLOSURE_DIVERGED if found.diverged else Reason.SPLIT_LIMIT
                return self._unknown(reason, [*waiting, (lower, upper)])
            self.splits += 1
            waiting += [part for part in children if not initial.misses(*part)]
        margins = self.falsifier.found(None).margins
        table = rows(self.problem.monitors, list(self.certified), margins, [Verdict.VERIFIED] * len(margins))
        pipe = _flowpipe(self.problem, self.boxes, whole=len(self.boxes) == self.closed)
        notes = (_modes_note(self.problem, self.modes), *self._notes())
        return Outcome(Verdict.VERIFIED, Reason.PROVED, table, pipe, statistics=self._statistics(), notes=notes)

    def _close(self, found: Judgement) -> None:
        self.closed += 1
        self.certified = np.minimum(self.certified, found.margins)
        self.modes |= found.modes
        if len(self.boxes) < STORED_PARTS:
            self.boxes.append(found.boxes)

    def _look_for_violation(self, lower: FloatArray, upper: FloatArray) -> Outcome | None:
        """Try the trajectory from the centre of an open part."""
        centre = np.clip(0.5 * lower + 0.5 * upper, lower, upper)[None]
        found = self.falsifier.try_parameters(centre, self.meter)
        if found.counterexample is None:
            return None
        return falsified(self.problem.monitors, found, self._statistics())

    def _unknown(self, reason: Reason, waiting: list[tuple[FloatArray, FloatArray]]) -> Outcome:
        """UNKNOWN as a whole, with what holds of single requirements all the same."""
        found = self.falsifier.found(None)
        certified = np.minimum(self.certified, self._last_look(waiting))
        verdicts = [
            Verdict.VERIFIED if bool(monitor.holds(float(low))) and low < math.inf else Verdict.UNKNOWN
            for monitor, low in zip(self.problem.monitors, certified, strict=True)
        ]
        notes = [f"{len(waiting)} parts of the initial set are open, {self.closed} are closed", *self._notes()]
        if self.last is not None:
            notes += _trouble(self.last)
        return Outcome(
            Verdict.UNKNOWN,
            reason,
            rows(self.problem.monitors, list(certified), found.margins, verdicts),
            _flowpipe(self.problem, self.boxes, whole=False) if self.boxes else None,
            found.candidate,
            self._statistics(),
            tuple(notes),
        )

    def _last_look(self, waiting: list[tuple[FloatArray, FloatArray]]) -> FloatArray:
        """Certified margins over the open parts, to the end even where one requirement fails."""
        judge = _judge(self.problem, self.settings, self.meter.share(LAST_LOOK_SHARE))
        least = np.full(len(self.problem.monitors), math.inf)
        try:
            for lower, upper in waiting:
                least = np.minimum(least, judge.judge(lower, upper, to_the_end=True).margins)
        except BudgetSpentError:
            return np.full(len(least), -math.inf)
        return least

    def _statistics(self) -> Statistics:
        return Statistics(nodes=self.meter.nodes, parts=self.closed, splits=self.splits, steps=self.steps)

    def _notes(self) -> list[str]:
        hidden = self.closed - len(self.boxes)
        return [f"the flowpipe shows {len(self.boxes)} of {self.closed} closed parts"] if hidden > 0 else []


def _judge(problem: SwitchedProblem, settings: SwitchedSettings, meter: Meter) -> PartJudge:
    degree = HIGH_DEGREE if problem.initial.size <= FEW_SYMBOLS else LOW_DEGREE
    generators = max(LEAST_GENERATORS, GENERATORS_PER_STATE * problem.loop.plant.state_size)
    return PartJudge(problem, degree, generators, max(settings.branches, len(problem.loop.controller.modes)), meter)


def _flowpipe(problem: SwitchedProblem, parts: list[list[tuple[Box, ...]]], *, whole: bool = True) -> Flowpipe:
    """The boxes of all branches of the given parts, step by step."""
    steps = [
        FlowpipeStep((float(time), float(time)), tuple(box for boxes in together for box in boxes))
        for time, together in enumerate(zip(*parts, strict=True))
    ]
    return Flowpipe(tuple(problem.loop.plant.states), tuple(steps), whole)


def _modes_note(problem: SwitchedProblem, modes: frozenset[int]) -> str:
    names = problem.loop.controller.modes
    return f"modes that are chosen: at most {', '.join(names[mode] for mode in sorted(modes))}"


def _trouble(found: Judgement) -> tuple[str, ...]:
    """Where an enclosure ended, as a sentence."""
    return (
        (f"the enclosure diverged, or left where the plant is defined, at step {found.time}",) if found.diverged else ()
    )


def halves(
    lower: FloatArray, upper: FloatArray, shares: FloatArray, smallest: FloatArray
) -> list[tuple[FloatArray, FloatArray]]:
    """Halves [s] along the coordinate with the largest share that is still wide enough; none if none is."""
    middle = 0.5 * lower + 0.5 * upper
    wide = (upper - lower > smallest) & (middle > lower) & (middle < upper)
    if not wide.any():
        return []
    axis = int(np.argmax(np.where(wide, shares, -1.0)))
    below, above = upper.copy(), lower.copy()
    below[axis] = above[axis] = middle[axis]
    return [(lower, below), (above, upper)]


def _own(settings: Settings) -> SwitchedSettings:
    if not isinstance(settings, SwitchedSettings):
        raise TypeError(f"the engine takes SwitchedSettings, not {type(settings).__name__}")
    return settings
