"""Table I: branches and time of the zeroth- and the first-order method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from benchmarks.hessian_paper_suite.closed_loops import NETWORKS, measure, problem_of
from benchmarks.hessian_paper_suite.methods import DEFAULT, Method, Repeated, first_order, zeroth_order
from nnctrl.suite import AbstractExperiment, Conditions, Expectation, Findings, Row

EPS = 1e-2
"""Lost in the paper's text; Table II has the same figures of the first-order method under its first accuracy."""

PAPER: dict[tuple[str, str], Row] = {
    ("double integrator", "zeroth order"): {"paper_branches": 1_900, "paper_time_s": 0.95},
    ("double integrator", "first order"): {"paper_branches": 600, "paper_time_s": 0.4},
    ("quadrotor", "zeroth order"): {"paper_branches": 4_890_000, "paper_time_s": 678.5},
    ("quadrotor", "first order"): {"paper_branches": 930_000, "paper_time_s": 385.8},
}

FACTOR = 10.0
"""The default bound is to take that many times fewer nodes than the first-order one."""

BINDING = ("quadrotor",)
"""On the double integrator the bound is a goal: 20 of a run's nodes are the roots of its five steps."""


@dataclass(frozen=True)
class Table1(AbstractExperiment):
    """Both orders and the default bound on the closed loops `systems`, `steps` steps of each (None: all)."""

    systems: tuple[str, ...] = ("double integrator", "quadrotor")
    steps: int | None = None
    methods: tuple[Method, ...] = (zeroth_order(), first_order(), DEFAULT)

    id: ClassVar[str] = "table1"
    title: ClassVar[str] = "zeroth- against first-order reachability (Table I)"
    networks: ClassVar[tuple[str, ...]] = NETWORKS

    def run(self, conditions: Conditions) -> Findings:
        """See `AbstractExperiment.run`."""
        rows: list[Row] = []
        expectations: list[Expectation] = []
        for system in self.systems:
            problem = problem_of(system, conditions.models, self.steps)
            costs: dict[str, Repeated] = {}
            for method in self.methods:
                costs[method.label] = measure(problem, method, EPS, conditions)
                head: Row = {"system": system, "eps": EPS, "method": method.label, "lipschitz": method.lipschitz}
                paper = PAPER.get((system, method.label), {})
                rows.append({**head, **costs[method.label].row(), **paper})
            expectations += expected(system, costs)
        return Findings(tuple(rows), expectations=tuple(expectations))


def expected(system: str, costs: dict[str, Repeated]) -> list[Expectation]:
    """First order needs fewer branches than zeroth, the default bound a fraction of the first order's nodes."""
    zeroth, first, default = (costs[label] for label in ("zeroth order", "first order", DEFAULT.label))
    fewer = f"on the {system} first order takes fewer branches ({first.branches:.0f}) than zeroth"
    ratio = first.nodes / default.nodes
    factor = f"on the {system} the default bound takes {FACTOR:g} times fewer nodes than first order ({ratio:.1f})"
    return [
        Expectation(f"{fewer} ({zeroth.branches:.0f})", first.stopped is None and first.branches < zeroth.branches),
        Expectation(factor, ratio >= FACTOR, binding=system in BINDING),
    ]
