"""Figure 9: reachable sets of both closed loops, and whether they keep clear of the obstacles."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from benchmarks.hessian_paper_suite.closed_loops import NETWORKS, ClosedLoopRun, problem_of, reach_loop
from benchmarks.hessian_paper_suite.methods import DEFAULT, Method, first_order, zeroth_order
from nnctrl.plotting.picture import png
from nnctrl.plotting.scene import Scene, Tracks
from nnctrl.reachability.flowpipe import Flowpipe, FlowpipeStep
from nnctrl.report.samples import sample_trajectories, signals_of
from nnctrl.sets.base import AbstractSet
from nnctrl.sets.distance import distance_lower_bound
from nnctrl.specs.spec import Avoid
from nnctrl.suite import AbstractExperiment, Conditions, Drawing, Findings, Row
from nnctrl.verification.decide import verify
from nnctrl.verification.problem import Problem
from nnctrl.verification.verdict import Verdict

SAMPLES = 40

RUNS = ((first_order(), 1e-2), (first_order(), 1e-3), (DEFAULT, 1e-2), (zeroth_order(), 1e-2))
"""Methods and the accuracy of every step."""

VERIFY = "nnctrl verify"
"""The row of the whole tool, which does not restart from rotated boxes."""

PAPER = {("first order", 1e-2): Verdict.VERIFIED, ("zeroth order", 1e-2): Verdict.UNKNOWN}
"""Whether collisions are excluded; the zeroth-order run ended at its memory threshold."""

NOTE = (
    "the paper's text has lost the heights of the obstacles, here 2 m: nothing is expected of rows that restart from "
    "rotated boxes, whose clearance is a matter of millimetres"
)


@dataclass(frozen=True)
class Fig9(AbstractExperiment):
    """The `runs` on the `systems`, `steps` steps of each (None: all); verdicts are about the quadrotor's obstacles."""

    systems: tuple[str, ...] = ("double integrator", "quadrotor")
    steps: int | None = None
    runs: tuple[tuple[Method, float], ...] = RUNS

    id: ClassVar[str] = "fig9"
    title: ClassVar[str] = "reachable sets of the closed loops (Figure 9)"
    networks: ClassVar[tuple[str, ...]] = NETWORKS

    def run(self, conditions: Conditions) -> Findings:
        """See `AbstractExperiment.run`."""
        rows: list[Row] = []
        drawings: list[Drawing] = []
        for system in self.systems:
            problem = problem_of(system, conditions.models, self.steps)
            for method, eps in self.runs:
                conditions.progress.update(f"fig9, {system}, {method.label}, eps {eps:g}")
                found = reach_loop(problem, method, eps, seed=0)
                flowpipe = flowpipe_of(problem, found)
                rows.append({"system": system, "method": method.label, "eps": eps, **_cost(found)})
                if obstacles_of(problem):
                    clearance = least_clearance(problem, flowpipe)
                    clear = clearance > 0.0 and len(found.found.steps) == problem.horizon
                    rows[-1] |= _verdicts(
                        Verdict.VERIFIED if clear else Verdict.UNKNOWN, PAPER.get((method.label, eps))
                    )
                    rows[-1]["clearance_m"] = clearance
                name = f"fig9-{system}-{method.label}-{eps:g}".replace(" ", "-").replace("(", "").replace(")", "")
                ended = f", ended by its {found.cost.stopped}" if found.cost.stopped else ""
                caption = f"{system}, {method.label}, eps {eps:g}{ended}: enclosures and sampled trajectories."
                drawings.append(Drawing(name, caption, _picture(problem, flowpipe)))
            if obstacles_of(problem):
                rows.append({"system": system, "method": VERIFY, **_verified(problem)})
        return Findings(tuple(rows), tuple(drawings), notes=(NOTE,))


def _verified(problem: Problem) -> Row:
    """The row of `nnctrl verify`, whose requirements are the obstacles."""
    result = verify(problem)
    margins = [row.margin_certified for row in result.requirements]
    row = _verdicts(result.verdict or Verdict.UNKNOWN, None, Verdict.VERIFIED)
    return {"steps": result.statistics.steps, "time_s": result.wall_s, **row, "clearance_m": min(margins)}


def _cost(run: ClosedLoopRun) -> Row:
    worst = run.found.bounds[-1]
    return {
        "steps": len(run.found.steps),
        "branches": run.cost.branches,
        "time_s": run.cost.time_s,
        "gap": run.found.gap,
        "width_of_sampled": float(np.max(worst.widths / worst.reached_widths)),
        "ended_by": run.cost.stopped,
    }


def _verdicts(verdict: Verdict, paper: Verdict | None, expected: Verdict | None = None) -> Row:
    return {
        "verdict": verdict.value,
        "expected_verdict": None if expected is None else expected.value,
        "paper_verdict": None if paper is None else paper.value,
    }


def flowpipe_of(problem: Problem, run: ClosedLoopRun) -> Flowpipe:
    """The initial set and the enclosures of the steps."""
    start = FlowpipeStep((0.0, 0.0), (problem.initial_set,))
    return Flowpipe(tuple(problem.closed_loop.plant.states), (start, *run.found.steps))


def obstacles_of(problem: Problem) -> list[tuple[tuple[str, ...], AbstractSet]]:
    """The sets that the problem avoids, with the names of the states that they are over."""
    avoided = [
        (problem.coordinates(item), item.target) for _, item in problem.requirements() if isinstance(item, Avoid)
    ]
    return [(names, target) for names, target in avoided if isinstance(target, AbstractSet)]


def least_clearance(problem: Problem, flowpipe: Flowpipe) -> float:
    """A certified lower bound of the distance between the enclosures and all obstacles; 0 claims nothing."""
    distances = [math.inf]
    for names, target in obstacles_of(problem):
        axes = np.eye(len(flowpipe.names))[flowpipe.coordinates(names)]
        distances += [
            distance_lower_bound(part.affine(axes), target).distance for step in flowpipe.steps for part in step.sets
        ]
    return min(distances)


def _picture(problem: Problem, flowpipe: Flowpipe) -> Callable[[], bytes]:
    def draw() -> bytes:
        samples = sample_trajectories(problem, SAMPLES, 0)
        return png(Scene(problem, flowpipe=flowpipe, samples=Tracks(samples.t, signals_of(problem, samples))))

    return draw
