"""Why the branches of the tables are fewer than the paper's: one choice after the other is taken back.

A script beside the suite: `python -m benchmarks.hessian_paper_suite.counts DIR` with the folder of the published
networks. Each row includes those above it; first order with LipLT, root-only norms, eps 0.01, seed 0.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from benchmarks.hessian_paper import PaperDoubleIntegrator, PaperQuadrotor6D
from nnctrl.bounds.base import UpperBound
from nnctrl.bounds.expansion import Expansion
from nnctrl.bounds.first_order import FirstOrderBound
from nnctrl.bounds.hessian import hessian_norm
from nnctrl.bounds.interval import midpoint_radius
from nnctrl.bounds.layered import LayeredView, Ranges
from nnctrl.bounds.norms import vector_norm_up
from nnctrl.bounds.view import NetworkView
from nnctrl.branching.meter import Meter
from nnctrl.branching.splitting import Branching, LongestEdge
from nnctrl.progress import SilentProgress
from nnctrl.reachability.discrete import DiscreteReachability, DiscreteReachSettings
from nnctrl.sets.rounding import widen_up
from nnctrl.verification.branch_and_bound.compiled import CompiledProblem
from nnctrl.verification.problem import Problem

EPS = 1e-2
NODES = 2_000_000


class LayerCurvature(Ranges):
    """Every neuron of a layer with the largest curvature of the layer."""

    @property
    def curvatures(self) -> tuple[tuple[Tensor, Tensor], ...]:
        """The largest absolute value, both ways."""
        peaks = [torch.maximum(low.abs(), high.abs()).amax(-1, keepdim=True) for low, high in super().curvatures]
        whole = [peak.expand_as(low) for peak, (low, _) in zip(peaks, super().curvatures, strict=True)]
        return tuple((-peak, peak) for peak in whole)


class LayerSlopes(LayerCurvature):
    """And with the least and largest slopes of the layer."""

    @property
    def slopes(self) -> tuple[tuple[Tensor, Tensor], ...]:
        """Those of the layer."""
        return tuple(
            (low.amin(-1, keepdim=True).expand_as(low), high.amax(-1, keepdim=True).expand_as(high))
            for low, high in super().slopes
        )


@dataclass(frozen=True)
class Coarser(FirstOrderBound):
    """First order with coarser facts, and perhaps over the ball around the box."""

    kind: type[Ranges] = Ranges
    around: bool = False

    def local_facts(self, view: NetworkView, lower: Tensor, upper: Tensor, directions: Tensor) -> Tensor:
        """The Hessian's norm from the coarser ranges."""
        net = LayeredView.of(view)
        found = net.ranges(lower, upper)
        ranges = self.kind(found.activations, found.intervals)
        return hessian_norm(net, ranges, directions, self.lipschitz, self.tail).unsqueeze(-1)

    def _about(self, found: Expansion, point: Tensor, lower: Tensor, upper: Tensor, curvature: Tensor) -> Tensor:
        if not self.around:
            return super()._about(found, point, lower, upper, curvature)
        _, radius = midpoint_radius(lower, upper)
        reach = vector_norm_up(radius, 2.0)
        slope = vector_norm_up(found.gradient.abs() + found.gradient_error, 2.0)
        return widen_up(found.value_high + widen_up(slope * reach + 0.5 * curvature * reach * reach, 8.0), 4.0)


@dataclass(frozen=True)
class CentresOnly(Coarser):
    """And a search that sees the values at centres only: its slopes point nowhere."""

    def upper_from(
        self, view: NetworkView, lower: Tensor, upper: Tensor, directions: Tensor, facts: Tensor
    ) -> UpperBound:
        """The corner that a zero slope points to is the centre."""
        found = super().upper_from(view, lower, upper, directions, facts)
        return found._replace(slope=torch.zeros_like(found.slope))


ROWS: list[tuple[str, FirstOrderBound]] = [
    ("as in the tables", FirstOrderBound()),
    ("tails by the recursion only", FirstOrderBound(tail="recursion")),
    ("largest curvature of a layer times largest tail", Coarser(tail="recursion", kind=LayerCurvature)),
    ("largest slope of a layer", Coarser(tail="recursion", kind=LayerSlopes)),
    ("maximum over the ball around a box", Coarser(tail="recursion", kind=LayerSlopes, around=True)),
    ("attained values at centres only, over boxes", CentresOnly(tail="recursion", kind=LayerSlopes)),
    ("attained values at centres only, over balls", CentresOnly(tail="recursion", kind=LayerSlopes, around=True)),
]


def branches(problem: Problem, bound: FirstOrderBound) -> str:
    """Branches of a per-step run, or how many there were when the budget ended."""
    compiled = CompiledProblem.of(problem)
    settings = DiscreteReachSettings("per-step", EPS, bound, Branching(LongestEdge(), 2, 0))
    loop = compiled.closed_loop
    search = DiscreteReachability(
        loop.step, loop.plant.state_size, compiled.initial, settings, Meter(allowed_nodes=NODES)
    )
    if not isinstance(bound, CentresOnly):
        found = search.run(compiled.horizon, SilentProgress())
        return f"{'> ' if found.stopped else ''}{found.branches:,}"
    from nnctrl.branching import search as module

    def centre_only(view: Any, lower: Tensor, upper: Tensor, directions: Tensor, starts: Tensor, ball: Any) -> Any:
        return first(view, lower, upper, directions, (0.5 * lower + 0.5 * upper).unsqueeze(0), ball)

    first: Callable[..., Any] = module._first_incumbents
    with patch.object(module, "ASCENT_STEPS", 0), patch.object(module, "_first_incumbents", centre_only):
        found = search.run(compiled.horizon, SilentProgress())
    return f"{'> ' if found.stopped else ''}{found.branches:,}"


def main(folder: Path) -> None:
    """Print the table as Markdown."""
    networks = ("doubleIntegratorTanh-2-10-5-5-1.pth", "Quad-6-32-32-3.pth")
    kinds = (PaperDoubleIntegrator, PaperQuadrotor6D)
    problems = [kind(network=folder / name).build() for kind, name in zip(kinds, networks, strict=True)]
    print("| | double integrator | quadrotor |\n|---|---|---|")
    for words, bound in ROWS:
        print(f"| {words} | {' | '.join(branches(problem, bound) for problem in problems)} |", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
