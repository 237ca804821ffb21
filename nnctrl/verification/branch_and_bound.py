"""The engine for discrete affine plants: falsify, enclose, split what is open, repeat.

VERIFIED: the parts whose enclosures satisfy every requirement cover the initial set. FALSIFIED: an outward-rounded
replay proves a violation. UNKNOWN: neither within the budget; the reason says what ran out.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from nnctrl import registry
from nnctrl.branching.meter import Meter
from nnctrl.branching.splitting import BlameSplit, halve, midpoints, splittable
from nnctrl.progress import Progress
from nnctrl.reachability.discrete import DiscreteReachability, DiscreteReachSettings
from nnctrl.reachability.flowpipe import Flowpipe, FlowpipeStep
from nnctrl.reachability.partition import PartsResult, enclose_parts
from nnctrl.sets.zonotope import Zonotope
from nnctrl.verification.compiled import CompiledProblem
from nnctrl.verification.engine import AbstractEngine, Outcome
from nnctrl.verification.falsify import Falsification, Falsifier
from nnctrl.verification.problem import Problem
from nnctrl.verification.settings import BranchAndBoundSettings, Settings
from nnctrl.verification.verdict import Counterexample, Reason, RequirementResult, Statistics, Verdict

PART_BATCH = 64
STORED_PARTS = 256
"""Closed parts whose sets are kept for the flowpipe; with more, pictures and files would not gain."""
FALSIFY_SAMPLES = 2000


class BranchAndBoundEngine(AbstractEngine):
    """Branch and bound on the initial set with neuron-exact Taylor forms; discrete plants with affine dynamics."""

    id: ClassVar[str] = "branch-and-bound"
    arithmetic: ClassVar[str] = "float64, rounded outward; tanh, exp and log of the libraries assumed within 4 ulp"
    settings_type: ClassVar[type[Settings]] = BranchAndBoundSettings

    def objection(self, problem: Problem) -> str | None:
        """Continuous plants are not treated (those that are not affine are refused when the loop is composed)."""
        if problem.is_discrete:
            return None
        return (
            f"the plant '{problem.closed_loop.plant.name}' is continuous, which the engine {self.id} does not treat; "
            "discretise it (LinearPlant.discretise)"
        )

    def verify(self, problem: Problem, settings: Settings, meter: Meter, progress: Progress) -> Outcome:
        """See `AbstractEngine.verify`."""
        compiled = CompiledProblem.of(problem)
        falsifier = Falsifier(compiled, samples=FALSIFY_SAMPLES, seed=0)
        found = falsifier.run(progress)
        if found.counterexample is not None:
            return _falsified(compiled, found, Statistics(steps=compiled.horizon))
        return _Partition(compiled, falsifier, found, _own(settings), meter, progress).run()

    def falsify(
        self, problem: Problem, settings: Settings, meter: Meter, progress: Progress, *, samples: int, seed: int
    ) -> Outcome:
        """See `AbstractEngine.falsify`."""
        compiled = CompiledProblem.of(problem)
        found = Falsifier(compiled, samples=samples, seed=seed).run(progress)
        if found.counterexample is not None:
            return _falsified(compiled, found, Statistics(steps=compiled.horizon))
        reason = Reason.SOLVER_INACCURATE if found.candidate is not None else Reason.SAMPLE_BUDGET
        rows = _rows(
            compiled, [math.nan] * len(compiled.monitors), found.margins, [Verdict.UNKNOWN] * len(compiled.monitors)
        )
        return Outcome(Verdict.UNKNOWN, reason, rows, counterexample=found.candidate)

    def reach(self, problem: Problem, settings: Settings, meter: Meter, progress: Progress) -> Outcome:
        """See `AbstractEngine.reach`: support functions in principal directions of every step."""
        compiled, own = CompiledProblem.of(problem), _own(settings)
        loop = compiled.closed_loop
        search = DiscreteReachability(
            loop.step,
            loop.plant.state_size,
            compiled.initial,
            DiscreteReachSettings(own.mode, own.eps, registry.load("bounds", own.bound)(), BlameSplit()),
            meter,
        )
        found = search.run(compiled.horizon, progress)
        start = FlowpipeStep((0.0, 0.0), (compiled.initial_set,))
        reason = None if found.stopped is None else Reason(found.stopped)
        if len(found.steps) < compiled.horizon:
            reason = reason or Reason.ENCLOSURE_DIVERGED
        statistics = Statistics(
            nodes=found.nodes,
            directions=2 * search.size,
            gap=found.gap,
            parts=1,
            steps=len(found.steps),
        )
        worst = max((float((b.widths / b.attained_widths).max()) for b in found.bounds[-1:]), default=math.nan)
        note = f"last step: certified widths along the principal directions at most {worst:.3g} times the attained ones"
        return Outcome(
            None,
            reason,
            flowpipe=Flowpipe(tuple(loop.plant.states), (start, *found.steps)),
            statistics=statistics,
            notes=(note,),
        )


def _own(settings: Settings) -> BranchAndBoundSettings:
    if not isinstance(settings, BranchAndBoundSettings):
        raise TypeError(f"the engine takes BranchAndBoundSettings, not {type(settings).__name__}")
    return settings


@dataclass
class _Partition:
    """The open parts of the initial set, and what is known of the closed ones."""

    problem: CompiledProblem
    falsifier: Falsifier
    found: Falsification
    settings: BranchAndBoundSettings
    meter: Meter
    progress: Progress
    parts: int = 0
    splits: int = 0
    diverged: bool = False
    certified: list[float] = field(default_factory=list)
    sets: list[list[Zonotope]] = field(default_factory=list)

    def run(self) -> Outcome:
        """Until no part is open, a violation is proved, or something runs out."""
        initial = self.problem.initial
        self.certified = [math.inf] * len(self.problem.monitors)
        self.sets = [[] for _ in range(self.problem.horizon + 1)]
        waiting = [(initial.lower.unsqueeze(0), initial.upper.unsqueeze(0))]
        smallest = self.settings.smallest_part * (initial.upper - initial.lower)
        while waiting:
            stopped = self.meter.exhausted()
            if stopped:
                return self._unknown(Reason(stopped), waiting)
            lower, upper = waiting.pop()
            for first in range(PART_BATCH, len(lower), PART_BATCH):
                waiting.append((lower[first : first + PART_BATCH], upper[first : first + PART_BATCH]))
            lower, upper = lower[:PART_BATCH], upper[:PART_BATCH]
            result = self._enclose(lower, upper)
            open_parts = ~result.closed
            if not bool(open_parts.any()):
                continue
            low, high, score = lower[open_parts], upper[open_parts], result.score[open_parts]
            if self._violated(low, high):
                return _falsified(self.problem, self.found, self._statistics())
            children, stuck = _split(low, high, score, smallest)
            if stuck:
                reason = Reason.ENCLOSURE_DIVERGED if self.diverged else Reason.SPLIT_LIMIT
                return self._unknown(reason, [*waiting, (low, high)])
            self.splits += len(low)
            missed = initial.misses(*children)
            waiting.append((children[0][~missed], children[1][~missed]))
        return self._verified()

    def _enclose(self, lower: Tensor, upper: Tensor) -> PartsResult:
        problem = self.problem
        self.progress.update(f"{self.parts} parts closed, {self.splits} split")
        with torch.no_grad():
            result = enclose_parts(
                problem.chain,
                problem.initial,
                problem.monitors,
                lower,
                upper,
                problem.horizon,
                keep_sets=self.parts < STORED_PARTS,
            )
        self.meter.nodes += result.nodes
        self.diverged = self.diverged or result.diverged
        self.parts += int(result.closed.sum())
        for number in range(len(problem.monitors)):
            margins = result.margins[result.closed, number]
            if len(margins):
                self.certified[number] = min(self.certified[number], float(margins.min()))
        for k, row in enumerate(result.sets):
            self.sets[k].extend(row)
        return result

    def _violated(self, lower: Tensor, upper: Tensor) -> bool:
        """Whether the trajectory from the centre of an open part is a proved counterexample."""
        centres = midpoints(lower, upper)
        centres = centres[self.problem.initial.admits(centres)]
        chain = self.problem.chain
        middle = midpoints(chain.disturbance_lower, chain.disturbance_upper)
        found = self.falsifier.try_points(centres, middle.expand(len(centres), self.problem.horizon, -1))
        # a candidate that no replay proved is worth reporting if nothing better comes
        self.found = dataclasses.replace(found, candidate=found.candidate or self.found.candidate)
        return found.counterexample is not None

    def _statistics(self) -> Statistics:
        return Statistics(nodes=self.meter.nodes, parts=self.parts, splits=self.splits, steps=self.problem.horizon)

    def _verified(self) -> Outcome:
        rows = _rows(self.problem, self.certified, self.found.margins, [Verdict.VERIFIED] * len(self.certified))
        return Outcome(
            Verdict.VERIFIED, Reason.PROVED, rows, self._flowpipe(), statistics=self._statistics(), notes=self._notes()
        )

    def _unknown(self, reason: Reason, waiting: list[tuple[Tensor, Tensor]]) -> Outcome:
        """UNKNOWN, with one last look at what is open: which requirements hold there all the same."""
        count = len(self.certified)
        rows = _rows(self.problem, [math.nan] * count, self.found.margins, [Verdict.UNKNOWN] * count)
        open_parts = sum(len(lower) for lower, _ in waiting)
        return Outcome(
            Verdict.UNKNOWN,
            reason,
            rows,
            self._flowpipe() if self.parts else None,
            self.found.candidate,
            self._statistics(),
            (f"{open_parts} parts of the initial set are open, {self.parts} are closed", *self._notes()),
        )

    def _notes(self) -> tuple[str, ...]:
        stored = len(self.sets[0])
        return () if stored == self.parts else (f"the flowpipe shows {stored} of {self.parts} closed parts",)

    def _flowpipe(self) -> Flowpipe:
        steps = tuple(FlowpipeStep((float(k), float(k)), tuple(row)) for k, row in enumerate(self.sets))
        return Flowpipe(tuple(self.problem.closed_loop.plant.states), steps)


def _split(lower: Tensor, upper: Tensor, score: Tensor, smallest: Tensor) -> tuple[tuple[Tensor, Tensor], bool]:
    """Halves of every part along its worst coordinate that is still wide enough; whether some part has none."""
    wide = ((upper - lower) > smallest) & splittable(lower, upper)
    relative = (upper - lower) / (smallest + 1e-300)
    scored = torch.where(score.amax(-1, keepdim=True) > 0.0, score, relative)
    axis = torch.where(wide, scored, -1.0).argmax(-1)
    return halve(lower, upper, axis), not bool(wide.any(-1).all())


def _rows(
    problem: CompiledProblem, certified: list[float], sampled: list[float], verdicts: list[Verdict]
) -> tuple[RequirementResult, ...]:
    return tuple(
        RequirementResult(monitor.id, monitor.describe(), verdict, low, high)
        for monitor, low, high, verdict in zip(problem.monitors, certified, sampled, verdicts, strict=True)
    )


def _falsified(problem: CompiledProblem, found: Falsification, statistics: Statistics) -> Outcome:
    point: Counterexample | None = found.counterexample
    if point is None:
        raise ValueError("a falsified outcome needs its counterexample")
    verdicts = [Verdict.FALSIFIED if m.id == point.requirement else Verdict.UNKNOWN for m in problem.monitors]
    rows = _rows(problem, [math.nan] * len(verdicts), found.margins, verdicts)
    return Outcome(Verdict.FALSIFIED, Reason.COUNTEREXAMPLE, rows, counterexample=point, statistics=statistics)
