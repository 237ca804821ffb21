"""Table III: which coordinate of a box to cut, on the double integrator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from benchmarks.hessian_paper import PaperDoubleIntegrator
from benchmarks.hessian_paper_suite.closed_loops import measure, problem_of
from benchmarks.hessian_paper_suite.methods import DEFAULT, PAPER_BRANCHING, Method, first_order
from nnctrl.branching.splitting import BestBoundSplit, Branching
from nnctrl.suite import AbstractExperiment, Conditions, Expectation, Findings, Row

PAPER: dict[tuple[float, str], Row] = {
    (1e-2, "longest edge"): {"paper_branches": 678.8, "paper_time_s": 0.52},
    (1e-2, "best bound"): {"paper_branches": 714, "paper_time_s": 1.74},
    (1e-3, "longest edge"): {"paper_branches": 2_250, "paper_time_s": 1.0},
    (1e-3, "best bound"): {"paper_branches": 2_240, "paper_time_s": 5.01},
}

RULES: dict[str, Method] = {
    "longest edge": first_order("LipLT", PAPER_BRANCHING),
    "best bound": first_order("LipLT", Branching(BestBoundSplit(), pieces=2, refresh=0)),
    "blame": DEFAULT,
}
"""The paper's two rules with its method, and the default method with its own."""


@dataclass(frozen=True)
class Table3(AbstractExperiment):
    """The rules on `steps` steps of the double integrator (None: all)."""

    accuracies: tuple[float, ...] = (1e-2, 1e-3)
    steps: int | None = None

    id: ClassVar[str] = "table3"
    title: ClassVar[str] = "branching rules on the double integrator (Table III)"
    networks: ClassVar[tuple[str, ...]] = PaperDoubleIntegrator.network_files

    def run(self, conditions: Conditions) -> Findings:
        """See `AbstractExperiment.run`."""
        problem = problem_of("double integrator", conditions.models, self.steps)
        rows: list[Row] = []
        expectations: list[Expectation] = []
        for eps in self.accuracies:
            costs = {rule: measure(problem, method, eps, conditions) for rule, method in RULES.items()}
            for rule, method in RULES.items():
                head: Row = {"eps": eps, "rule": rule, "method": method.label}
                rows.append({**head, **costs[rule].row(), **PAPER.get((eps, rule), {})})
            longest, best = costs["longest edge"], costs["best bound"]
            counts = f"{best.nodes:.0f} for {best.branches:.0f} branches, {longest.nodes:.0f}"
            expectations.append(
                Expectation(
                    f"with eps {eps:g} the best-bound rule computes more bounds than the longest edge ({counts})",
                    best.nodes > longest.nodes,
                )
            )
        return Findings(tuple(rows), expectations=tuple(expectations))
