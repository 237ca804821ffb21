"""Table II: the Lipschitz constants that the first-order method is made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from benchmarks.hessian_paper_suite.closed_loops import NETWORKS, measure, problem_of
from benchmarks.hessian_paper_suite.methods import DEFAULT, LIPSCHITZ, Repeated, first_order
from nnctrl.suite import AbstractExperiment, Conditions, Expectation, Findings, Row

ACCURACIES = (1e-2, 1e-3)
"""The paper's text has lost them: the first is that of its configurations; the second is known of the double integrator
and assumed of the quadrotor.
"""

PAPER = {
    ("double integrator", 1e-2): {
        "naive": (2_400, 0.94, 0.008),
        "LipLT": (670, 0.53, 0.02),
        "LipSDP": (630, 1.36, 0.8),
    },
    ("double integrator", 1e-3): {
        "naive": (4_100, 1.39, 0.008),
        "LipLT": (2_200, 1.03, 0.02),
        "LipSDP": (2_200, 1.83, 0.8),
    },
    ("quadrotor", 1e-2): {
        "naive": (1_670_000, 710.6, 0.06),
        "LipLT": (930_000, 375.1, 0.16),
        "LipSDP": (460_000, 181.4, 7.4),
    },
    ("quadrotor", 1e-3): {
        "naive": (2_300_000, 954.2, 0.06),
        "LipLT": (1_700_000, 662.5, 0.17),
        "LipSDP": (1_100_000, 454.5, 7.5),
    },
}
"""Branches, run time and time of the constants in seconds."""


@dataclass(frozen=True)
class Table2(AbstractExperiment):
    """First order with each kind of constants, and the default bound, on `systems`; `steps` as in `Table1`."""

    systems: tuple[str, ...] = ("double integrator", "quadrotor")
    accuracies: tuple[float, ...] = ACCURACIES
    steps: int | None = None

    id: ClassVar[str] = "table2"
    title: ClassVar[str] = "Lipschitz constants of the first-order method (Table II)"
    networks: ClassVar[tuple[str, ...]] = NETWORKS

    def run(self, conditions: Conditions) -> Findings:
        """See `AbstractExperiment.run`."""
        rows: list[Row] = []
        expectations: list[Expectation] = []
        for system in self.systems:
            problem = problem_of(system, conditions.models, self.steps)
            for eps in self.accuracies:
                costs: dict[str, Repeated] = {}
                for name in LIPSCHITZ:
                    costs[name] = measure(problem, first_order(name), eps, conditions)
                    head: Row = {"system": system, "eps": eps, "method": "first order", "lipschitz": name}
                    rows.append({**head, **costs[name].row(), **_paper(system, eps, name)})
                default = measure(problem, DEFAULT, eps, conditions)
                rows.append({"system": system, "eps": eps, "method": DEFAULT.label, "lipschitz": None, **default.row()})
                expectations += expected(f"{system} with eps {eps:g}", costs)
        return Findings(tuple(rows), expectations=tuple(expectations))


def _paper(system: str, eps: float, name: str) -> Row:
    found = PAPER.get((system, eps), {}).get(name)
    if found is None:
        return {}
    branches, seconds, of_constants = found
    return {"paper_branches": branches, "paper_time_s": seconds, "paper_lipschitz_s": of_constants}


def expected(where: str, costs: dict[str, Repeated]) -> list[Expectation]:
    """Better constants should need fewer branches. A goal: a tighter step starts the next one from another box, whose
    search may be the longer one.
    """
    naive, liplt, lipsdp = (costs[name].branches for name in ("naive", "LipLT", "LipSDP"))
    counts = f"{lipsdp:.0f}, {liplt:.0f}, {naive:.0f}"
    sentence = f"on the {where} LipSDP takes at most the branches of LipLT, and LipLT those of naive ({counts})"
    return [Expectation(sentence, lipsdp <= liplt <= naive, binding=False)]
