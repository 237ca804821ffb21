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

from nnctrl.progress import Progress
from nnctrl.verification.compiled import CompiledProblem
from nnctrl.verification.replay import replay
from nnctrl.verification.verdict import Counterexample

DESCENT_STEPS = 25
WORST_KEPT = 8
REPLAYS = 12


@dataclass(frozen=True, eq=False)
class Falsification:
    """What the search saw: per requirement the least margin of a simulated trajectory, and a proved counterexample or
    a candidate.

    `candidate` violates in floating point only; at most one of the two is set.
    """

    margins: list[float]
    counterexample: Counterexample | None
    candidate: Counterexample | None


class Falsifier:
    """Searches the initial set of a compiled problem; deterministic for a seed."""

    def __init__(self, problem: CompiledProblem, *, samples: int, seed: int) -> None:
        self.problem = problem
        self.samples = samples
        self.generator = torch.Generator().manual_seed(seed)
        self.margins = [math.inf] * len(problem.monitors)

    def run(self, progress: Progress) -> Falsification:
        """Sample, descend, replay."""
        progress.update("looking for a counterexample")
        parameters = self.problem.initial.sample(self.generator, self.samples)
        noise = self._noise(len(parameters))
        found = self.try_points(parameters, noise)
        if found.counterexample is not None:
            return found
        starts = self._worst(parameters, noise)
        return self.try_points(*self._descend(*starts)) if starts is not None else found

    def try_points(self, parameters: Tensor, noise: Tensor) -> Falsification:
        """Simulate from `parameters` [batch, q] under `noise` [batch, steps, w] and replay what violates, worst
        first.
        """
        if not len(parameters):
            return Falsification(self.margins, None, None)
        with torch.no_grad():
            signals = self.problem.signals(parameters, noise)
        candidate: Counterexample | None = None
        for number, monitor in enumerate(self.problem.monitors):
            margins = monitor.trajectory_margin(signals)
            self.margins[number] = min(self.margins[number], float(margins.min()))
            for index in torch.argsort(margins)[:REPLAYS].tolist():
                if monitor.holds(margins[index]):
                    break
                proved, trajectory = replay(self.problem, monitor, parameters[index], noise[index])
                if proved:
                    return Falsification(self.margins, trajectory, None)
                candidate = candidate or trajectory
        return Falsification(self.margins, None, candidate)

    def _noise(self, count: int) -> Tensor:
        low, high = self.problem.chain.disturbance_lower, self.problem.chain.disturbance_upper
        unit = torch.rand(count, self.problem.horizon, len(low), generator=self.generator, dtype=torch.float64)
        unit[: count // 2] = torch.round(unit[: count // 2])
        return torch.minimum(torch.maximum(low + unit * (high - low), low), high)

    def _worst(self, parameters: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor] | None:
        """Starting points for the descent: for every requirement the samples with the least margins, and which
        requirement.
        """
        if not len(parameters):
            return None
        with torch.no_grad():
            signals = self.problem.signals(parameters, noise)
            rows, which = [], []
            for number, monitor in enumerate(self.problem.monitors):
                order = torch.argsort(monitor.trajectory_margin(signals))[:WORST_KEPT]
                rows.append(order)
                which.append(torch.full_like(order, number))
        index = torch.cat(rows)
        return parameters[index], noise[index], torch.cat(which)

    def _descend(self, parameters: Tensor, noise: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
        """Projected sign-gradient steps of shrinking size on each point's own requirement; the best point of each
        path.
        """
        start, chain = self.problem.initial, self.problem.chain
        sizes = (start.upper - start.lower, chain.disturbance_upper - chain.disturbance_lower)
        best, best_margin, step = (parameters, noise), torch.full((len(which),), torch.inf, dtype=torch.float64), 0.25
        point = (parameters, noise)
        for _ in range(DESCENT_STEPS):
            variables = [part.detach().requires_grad_(True) for part in point]
            with torch.enable_grad():
                signals = self.problem.signals(*variables)
                margins = torch.stack([monitor.trajectory_margin(signals) for monitor in self.problem.monitors])
                own = margins.gather(0, which.unsqueeze(0)).squeeze(0)
                gradients = torch.autograd.grad(own.sum(), variables, allow_unused=True, materialize_grads=True)
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
