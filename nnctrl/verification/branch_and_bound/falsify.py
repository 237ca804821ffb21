"""Falsification: look for a trajectory that violates a requirement, and prove that it does.

Samples first, then projected gradient descent of the margins through the closed loop, for disturbances too. What looks
like a violation is replayed with outward rounding from exactly the initial state and disturbances that are reported;
only a violation that survives the replay counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nnctrl.branching.meter import BudgetSpentError, Meter
from nnctrl.progress import Progress
from nnctrl.specs.monitor import Monitor
from nnctrl.verification.branch_and_bound.compiled import CompiledProblem
from nnctrl.verification.branch_and_bound.replay import replay
from nnctrl.verification.falsification import Falsification
from nnctrl.verification.verdict import Counterexample

DESCENT_STEPS = 25
WORST_KEPT = 8
REPLAYS = 12
STEPS_AT_ONCE = 100_000
"""Simulated steps in one batch of samples: it bounds the memory."""

REPLAY_SHARE = 0.1
"""Part of the time budget that one replay may take, even when the search for its trajectory has used it up."""


@dataclass(frozen=True, eq=False)
class _Points:
    """Parameters [batch, q] of initial states with disturbances [batch, steps, w], and their `margins` [batch]."""

    parameters: Tensor
    noise: Tensor
    margins: Tensor

    def worst(self, count: int) -> _Points:
        """The `count` with the least margins."""
        order = torch.argsort(self.margins)[:count]
        return _Points(self.parameters[order], self.noise[order], self.margins[order])

    def joined(self, other: _Points) -> _Points:
        """Both."""
        pairs = ((self.parameters, other.parameters), (self.noise, other.noise), (self.margins, other.margins))
        return _Points(*(torch.cat(pair) for pair in pairs))


class Falsifier:
    """Searches the initial set of a compiled problem; deterministic for a seed unless a budget cuts it short.

    It remembers the least margins of all that it simulated and the first candidate that no replay proved.
    """

    def __init__(self, problem: CompiledProblem, *, samples: int, seed: int) -> None:
        self.problem = problem
        self.samples = samples
        self.generator = torch.Generator().manual_seed(seed)
        self.margins = [math.inf] * len(problem.monitors)
        self.candidate: Counterexample | None = None
        self._worst: list[_Points | None] = [None] * len(problem.monitors)

    def run(self, meter: Meter, progress: Progress) -> Falsification:
        """Sample, descend, replay, until a violation is proved or `meter` is exhausted."""
        try:
            return self.found(self._search(meter, progress))
        except BudgetSpentError:
            return self.found(None)

    def _search(self, meter: Meter, progress: Progress) -> Counterexample | None:
        batch = max(16, STEPS_AT_ONCE // self.problem.horizon)
        for drawn in range(0, self.samples, batch):
            meter.require()
            progress.update("looking for a counterexample", drawn, self.samples)
            parameters = self.problem.initial.sample(self.generator, min(batch, self.samples - drawn))
            proved = self._simulate_and_replay(parameters, self._noise(len(parameters)), meter)
            if proved is not None:
                return proved
        starts = [(number, points) for number, points in enumerate(self._worst) if points is not None]
        if not starts:
            return None
        progress.update("following the gradients of the margins")
        return self._simulate_and_replay(*self._descend(starts, meter), meter)

    def try_centres(self, parameters: Tensor, meter: Meter) -> Falsification:
        """Simulate from `parameters` [batch, q] under the middle of the disturbances, and replay what violates."""
        chain = self.problem.chain
        middle = 0.5 * chain.disturbance_lower + 0.5 * chain.disturbance_upper
        noise = middle.expand(len(parameters), self.problem.horizon, -1)
        try:
            return self.found(self._simulate_and_replay(parameters, noise, meter))
        except BudgetSpentError:
            return self.found(None)

    def found(self, proved: Counterexample | None) -> Falsification:
        """What is known so far; the margin of a requirement that no finished simulation speaks of is nan."""
        margins = [margin if math.isfinite(margin) else math.nan for margin in self.margins]
        return Falsification(margins, proved, None if proved is not None else self.candidate)

    def _simulate_and_replay(self, parameters: Tensor, noise: Tensor, meter: Meter) -> Counterexample | None:
        """A proved counterexample among these trajectories, or None; the worst of them are kept for the descent."""
        if not len(parameters):
            return None
        with torch.no_grad():
            signals = self.problem.signals(parameters, noise, meter)
            all_margins = [monitor.trajectory_margin(signals) for monitor in self.problem.monitors]
        for number, margins in enumerate(all_margins):
            self.margins[number] = min(self.margins[number], float(margins.min()))
            points, kept = _Points(parameters, noise, margins).worst(WORST_KEPT), self._worst[number]
            self._worst[number] = points if kept is None else kept.joined(points).worst(WORST_KEPT)
        for monitor, margins in zip(self.problem.monitors, all_margins, strict=True):
            proved = self._replay_worst(monitor, _Points(parameters, noise, margins).worst(REPLAYS), meter)
            if proved is not None:
                return proved
        return None

    def _replay_worst(self, monitor: Monitor, points: _Points, meter: Meter) -> Counterexample | None:
        """Replay what violates `monitor`, worst first."""
        for parameter, noise, margin in zip(points.parameters, points.noise, points.margins, strict=True):
            if monitor.holds(margin) or (self.candidate is not None and meter.exhausted()):
                return None
            proved, trajectory = replay(self.problem, monitor, parameter, noise, meter.share(REPLAY_SHARE))
            if proved:
                return trajectory
            self.candidate = self.candidate or trajectory
        return None

    def _noise(self, count: int) -> Tensor:
        low, high = self.problem.chain.disturbance_lower, self.problem.chain.disturbance_upper
        unit = torch.rand(count, self.problem.horizon, len(low), generator=self.generator, dtype=torch.float64)
        unit[: count // 2] = torch.round(unit[: count // 2])
        return torch.minimum(torch.maximum(low + unit * (high - low), low), high)

    def _descend(self, starts: list[tuple[int, _Points]], meter: Meter) -> tuple[Tensor, Tensor]:
        """Projected sign-gradient steps of shrinking size on each point's own requirement; the best point of each
        path.
        """
        which = torch.cat([torch.full((len(points.margins),), number) for number, points in starts])
        point = (
            torch.cat([points.parameters for _, points in starts]),
            torch.cat([points.noise for _, points in starts]),
        )
        start, chain = self.problem.initial, self.problem.chain
        sizes = (start.upper - start.lower, chain.disturbance_upper - chain.disturbance_lower)
        best, best_margin, step = point, torch.full((len(which),), torch.inf, dtype=torch.float64), 0.25
        for _ in range(DESCENT_STEPS):
            variables = (point[0].detach().requires_grad_(True), point[1].detach().requires_grad_(True))
            try:
                with torch.enable_grad():
                    signals = self.problem.signals(*variables, meter)
                    margins = torch.stack([monitor.trajectory_margin(signals) for monitor in self.problem.monitors])
                    own = margins.gather(0, which.unsqueeze(0)).squeeze(0)
                    # a margin may depend on nothing at all (an inequality without variables)
                    total = own.sum() + 0.0 * sum(part.sum() for part in variables)
                    gradients = torch.autograd.grad(total, variables, allow_unused=True, materialize_grads=True)
            except BudgetSpentError:
                break
            better = own.detach() < best_margin
            best_margin = torch.where(better, own.detach(), best_margin)
            best = (
                torch.where(better.view(-1, 1), point[0], best[0]),
                torch.where(better.view(-1, 1, 1), point[1], best[1]),
            )
            moved = [p - step * size * torch.sign(g) for p, size, g in zip(point, sizes, gradients, strict=True)]
            inside = torch.minimum(torch.maximum(moved[0], start.lower), start.upper)
            admitted = start.admits(inside).view(-1, 1)
            point = (
                torch.where(admitted, inside, point[0]),
                torch.minimum(torch.maximum(moved[1], chain.disturbance_lower), chain.disturbance_upper),
            )
            step *= 0.85
        return best
