"""Proof by parts: enclose the trajectories from parts of the initial set, and split the parts that stay open."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from nnctrl.branching.meter import Meter
from nnctrl.branching.splitting import halve, midpoints, splittable
from nnctrl.progress import Progress
from nnctrl.reachability.flowpipe import Flowpipe, FlowpipeStep
from nnctrl.reachability.partition import PartsResult, enclose_parts
from nnctrl.sets.box import Box
from nnctrl.sets.zonotope import Zonotope
from nnctrl.verification.branch_and_bound.compiled import CompiledProblem
from nnctrl.verification.branch_and_bound.falsify import Falsifier
from nnctrl.verification.engine import MOST_OPEN_PARTS, Outcome
from nnctrl.verification.falsification import Falsification
from nnctrl.verification.rows import falsified, rows
from nnctrl.verification.settings import BranchAndBoundSettings
from nnctrl.verification.verdict import Reason, Statistics, Verdict

PART_BATCH = 64
STORED_PARTS = 256
"""Closed parts whose sets are kept for the flowpipe; with more, pictures and files would not gain."""

LAST_LOOK_SHARE = 0.05
"""Part of the time budget that is spent, after it ran out, on what can be said about single requirements."""

Parts = tuple[Tensor, Tensor]
"""Lower and upper corners [batch, q] in the initial set's coordinates."""


@dataclass
class ProofByParts:
    """The open parts of the initial set, and what is known of the closed ones."""

    problem: CompiledProblem
    falsifier: Falsifier
    settings: BranchAndBoundSettings
    meter: Meter
    progress: Progress
    closed: int = 0
    splits: int = 0
    diverged: bool = False
    certified: list[float] = field(default_factory=list)
    sets: list[list[Zonotope | None]] = field(default_factory=list)

    def run(self) -> Outcome:
        """Until no part is open, a violation is proved, or something runs out."""
        initial = self.problem.initial
        self.certified = [math.inf] * len(self.problem.monitors)
        self.sets = [[] for _ in range(self.problem.horizon + 1)]
        waiting = [(initial.lower.unsqueeze(0), initial.upper.unsqueeze(0))]
        smallest = self.settings.smallest_part * (initial.upper - initial.lower)
        while waiting:
            lower, upper = waiting.pop()
            for first in range(PART_BATCH, len(lower), PART_BATCH):
                waiting.append((lower[first : first + PART_BATCH], upper[first : first + PART_BATCH]))
            lower, upper = lower[:PART_BATCH], upper[:PART_BATCH]
            result = self._enclose(lower, upper)
            if bool(result.closed.all()):
                continue
            open_parts = ~result.closed
            low, high, score = lower[open_parts], upper[open_parts], result.score[open_parts]
            stopped = self.meter.exhausted()
            if stopped:
                return self._unknown(Reason(stopped), [*waiting, (low, high)])
            found = self._look_for_violation(low, high)
            if found.counterexample is not None:
                return falsified(self.problem.monitors, found, self._statistics())
            children, stuck = split(low, high, score, smallest)
            if stuck:
                reason = Reason.ENCLOSURE_DIVERGED if self.diverged else Reason.SPLIT_LIMIT
                return self._unknown(reason, [*waiting, (low, high)])
            self.splits += len(low)
            met = ~initial.misses(*children)
            if bool(met.any()):
                waiting.append((children[0][met], children[1][met]))
        return self._verified()

    def _enclose(self, lower: Tensor, upper: Tensor) -> PartsResult:
        self.progress.update(f"{self.closed} parts closed, {self.splits} split")
        result = self._trajectories(lower, upper, self.meter, keep_sets=self.closed < STORED_PARTS)
        self.diverged = self.diverged or result.diverged
        self.closed += int(result.closed.sum())
        self.certified = _lesser(self.certified, result.margins[result.closed])
        for k, row in enumerate(result.sets):
            self.sets[k].extend(row)
        return result

    def _look_for_violation(self, lower: Tensor, upper: Tensor) -> Falsification:
        """Try the trajectories from the centres of open parts."""
        centres = midpoints(lower, upper)
        return self.falsifier.try_centres(centres[self.problem.initial.admits(centres)], self.meter)

    def _statistics(self) -> Statistics:
        return Statistics(nodes=self.meter.nodes, parts=self.closed, splits=self.splits, steps=self.problem.horizon)

    def _verified(self) -> Outcome:
        margins = self.falsifier.found(None).margins
        table = rows(self.problem.monitors, self.certified, margins, [Verdict.VERIFIED] * len(self.certified))
        return Outcome(
            Verdict.VERIFIED,
            Reason.PROVED,
            table,
            self._flowpipe(all_closed=True),
            statistics=self._statistics(),
            notes=self._notes(),
        )

    def _unknown(self, reason: Reason, waiting: list[Parts]) -> Outcome:
        """UNKNOWN as a whole, with what holds of single requirements all the same."""
        found = self.falsifier.found(None)
        lower, upper = torch.cat([low for low, _ in waiting]), torch.cat([high for _, high in waiting])
        certified = _lesser(self.certified, self._last_look(lower, upper))
        verdicts = [
            Verdict.VERIFIED if bool(monitor.holds(torch.tensor(low))) else Verdict.UNKNOWN
            for monitor, low in zip(self.problem.monitors, certified, strict=True)
        ]
        return Outcome(
            Verdict.UNKNOWN,
            reason,
            rows(self.problem.monitors, certified, found.margins, verdicts),
            self._flowpipe(all_closed=False) if self.closed else None,
            found.candidate,
            self._statistics(),
            (f"{len(lower)} parts of the initial set are open, {self.closed} are closed", *self._notes()),
            self._boxes(lower[:MOST_OPEN_PARTS], upper[:MOST_OPEN_PARTS]),
        )

    def _boxes(self, lower: Tensor, upper: Tensor) -> tuple[Box, ...]:
        """Boxes of plant states around parts [batch, q], up to rounding."""
        states, view = self.problem.chain.plant_size, self.problem.initial.view
        weight, bias = view.weight[:states], view.bias[:states]
        rising, falling = weight.clamp(min=0.0).T, weight.clamp(max=0.0).T
        lows, highs = lower @ rising + upper @ falling + bias, upper @ rising + lower @ falling + bias
        return tuple(Box(low, high) for low, high in zip(lows.numpy(), highs.numpy(), strict=True))

    def _last_look(self, lower: Tensor, upper: Tensor) -> Tensor:
        """Certified margins [batch, requirements] over the open parts, to the end even where one requirement fails."""
        meter, found = self.meter.share(LAST_LOOK_SHARE), []
        for first in range(0, len(lower), PART_BATCH):
            low, high = lower[first : first + PART_BATCH], upper[first : first + PART_BATCH]
            found.append(self._trajectories(low, high, meter, to_the_end=True).margins)
        self.meter.nodes += meter.nodes
        return torch.cat(found)

    def _trajectories(
        self, lower: Tensor, upper: Tensor, meter: Meter, *, keep_sets: bool = False, to_the_end: bool = False
    ) -> PartsResult:
        problem = self.problem
        with torch.no_grad():
            return enclose_parts(
                problem.chain,
                problem.initial,
                problem.monitors,
                lower,
                upper,
                problem.horizon,
                keep_sets=keep_sets,
                meter=meter,
                to_the_end=to_the_end,
            )

    def _notes(self) -> tuple[str, ...]:
        stored, shown, notes = len(self.sets[0]), len(self._finite_steps()), []
        if stored != self.closed:
            notes.append(f"the flowpipe shows {stored} of {self.closed} closed parts")
        if shown <= self.problem.horizon:
            notes.append(f"the flowpipe ends before step {shown}, where the enclosure of a part overflows")
        return tuple(notes)

    def _flowpipe(self, *, all_closed: bool) -> Flowpipe:
        steps = tuple(FlowpipeStep((float(k), float(k)), row) for k, row in enumerate(self._finite_steps()))
        whole = all_closed and len(self.sets[0]) == self.closed
        return Flowpipe(tuple(self.problem.closed_loop.plant.states), steps, whole)

    def _finite_steps(self) -> list[tuple[Zonotope, ...]]:
        """The sets of the steps before the first one at which some part has none: a step shows all or nothing."""
        rows = [tuple(part for part in row if part is not None) for row in self.sets]
        whole = [len(row) == len(known) for row, known in zip(self.sets, rows, strict=True)]
        return rows[: whole.index(False)] if False in whole else rows


def _lesser(certified: list[float], margins: Tensor) -> list[float]:
    """The least of what was known of each requirement and of `margins` [batch, requirements]."""
    if not len(margins):
        return certified
    return [min(known, float(new)) for known, new in zip(certified, margins.amin(0), strict=True)]


def split(lower: Tensor, upper: Tensor, score: Tensor, smallest: Tensor) -> tuple[Parts, bool]:
    """Halves of every part along its worst coordinate that is still wide enough; whether some part has none."""
    if not lower.shape[1]:
        return (lower, upper), True
    wide = ((upper - lower) > smallest) & splittable(lower, upper)
    relative = (upper - lower) / (smallest + 1e-300)
    scored = torch.where(score.amax(-1, keepdim=True) > 0.0, score, relative)
    axis = torch.where(wide, scored, -1.0).argmax(-1)
    return halve(lower, upper, axis), not bool(wide.any(-1).all())
