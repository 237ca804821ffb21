"""The engine `branch-and-bound`, for discrete plants.

What it does is in `runs`, which computes with torch and is loaded when the engine runs: to ask an
engine for its keys or its objection should take no time.
"""

from __future__ import annotations

from typing import ClassVar

from nnctrl.branching.meter import Meter
from nnctrl.progress import Progress
from nnctrl.verification.engine import AbstractEngine, Outcome
from nnctrl.verification.problem import Problem
from nnctrl.verification.settings import BranchAndBoundSettings, Settings


class BranchAndBoundEngine(AbstractEngine):
    """Branch and bound on the initial set with neuron-exact Taylor forms; discrete plants."""

    id: ClassVar[str] = "branch-and-bound"
    arithmetic: ClassVar[str] = (
        "float64, rounded outward; tanh, exp, sin and the like of the libraries assumed within 4 ulp"
    )
    settings_type: ClassVar[type[Settings]] = BranchAndBoundSettings

    def objection(self, problem: Problem) -> str | None:
        """Continuous plants are not treated."""
        if problem.is_discrete:
            return None
        return (
            f"the plant '{problem.closed_loop.plant.name}' is continuous, which the engine {self.id} does not treat; "
            "discretise it (LinearPlant.discretise)"
        )

    def verify(self, problem: Problem, settings: Settings, meter: Meter, progress: Progress) -> Outcome:
        """See `AbstractEngine.verify`."""
        from nnctrl.verification.branch_and_bound import runs

        return runs.verify(problem, settings, meter, progress)

    def falsify(
        self, problem: Problem, settings: Settings, meter: Meter, progress: Progress, *, samples: int, seed: int
    ) -> Outcome:
        """See `AbstractEngine.falsify`."""
        from nnctrl.verification.branch_and_bound import runs

        return runs.falsify(problem, settings, meter, progress, samples=samples, seed=seed)

    def reach(self, problem: Problem, settings: Settings, meter: Meter, progress: Progress) -> Outcome:
        """See `AbstractEngine.reach`: support functions in principal directions of every step."""
        from nnctrl.verification.branch_and_bound import runs

        return runs.reach(problem, settings, meter, progress)
