"""What an engine is: something that encloses a problem's trajectories and decides its requirements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

from nnctrl.branching.meter import Meter
from nnctrl.progress import Progress
from nnctrl.reachability.flowpipe import Flowpipe
from nnctrl.sets.box import Box
from nnctrl.verification.problem import Problem
from nnctrl.verification.settings import Settings
from nnctrl.verification.verdict import Counterexample, Reason, RequirementResult, Statistics, Verdict

MOST_OPEN_PARTS = 256
"""Open parts that are told: more say nothing new about where the initial set is difficult."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What an engine found; `decide` makes a Result of it. For `reach` the verdict is None; `open_parts` as there."""

    verdict: Verdict | None
    reason: Reason | None
    requirements: tuple[RequirementResult, ...] = ()
    flowpipe: Flowpipe | None = None
    counterexample: Counterexample | None = None
    statistics: Statistics = field(default_factory=Statistics)
    notes: tuple[str, ...] = ()
    open_parts: tuple[Box, ...] = ()


class AbstractEngine(ABC):
    """An engine: `settings_type` declares its keys, and the three verbs share a meter that watches the budget."""

    id: ClassVar[str]
    arithmetic: ClassVar[str]
    settings_type: ClassVar[type[Settings]]
    treats_switched: ClassVar[bool] = False
    """Whether the engine takes loops whose controller switches among networks, and no others."""

    def refusal(self, problem: Problem) -> str | None:
        """Why this engine cannot treat `problem`, as a sentence, or None: the kind of loop, then its own objection."""
        if problem.is_switched == self.treats_switched:
            return self.objection(problem)
        if problem.is_switched:
            return f"the controller switches among networks, which the engine {self.id} does not treat; use switched"
        return (
            f"the controller has one network, but the engine {self.id} treats controllers that switch among several; "
            "use branch-and-bound or polynomial"
        )

    @abstractmethod
    def objection(self, problem: Problem) -> str | None:
        """Why this engine cannot treat `problem`, whose loop is of its kind, as a sentence, or None."""

    @abstractmethod
    def verify(self, problem: Problem, settings: Settings, meter: Meter, progress: Progress) -> Outcome:
        """Decide all requirements within the budget of `meter`; VERIFIED and FALSIFIED only with a proof."""

    @abstractmethod
    def reach(self, problem: Problem, settings: Settings, meter: Meter, progress: Progress) -> Outcome:
        """Enclose all trajectories, without a verdict."""

    @abstractmethod
    def falsify(
        self, problem: Problem, settings: Settings, meter: Meter, progress: Progress, *, samples: int, seed: int
    ) -> Outcome:
        """Look for a proved counterexample only."""
