"""The method `cegis`: certified training in a loop with the verifier."""

from __future__ import annotations

from typing import ClassVar

from nnctrl.branching.meter import Meter
from nnctrl.learning.cegis.checkpoint import Checkpoint
from nnctrl.learning.cegis.loop import CounterexampleLoop
from nnctrl.learning.certified.method import CertifiedMethod
from nnctrl.learning.method import AbstractMethod, Attempt, SynthesisSettings
from nnctrl.learning.task import Task
from nnctrl.networks.network import Network
from nnctrl.progress import Progress
from nnctrl.systems.expert import Expert


class CegisMethod(AbstractMethod):
    """Rounds of certified training, each with the counterexamples and open parts that verification has found so far;
    the keys are those of certified training.
    """

    id: ClassVar[str] = "cegis"
    settings_type: ClassVar[type[SynthesisSettings]] = CertifiedMethod.settings_type

    def objection(self, task: Task) -> str | None:
        """That of certified training."""
        return CertifiedMethod().objection(task)

    def attempt(
        self,
        task: Task,
        settings: SynthesisSettings,
        meter: Meter,
        progress: Progress,
        *,
        expert: Expert | None = None,
        start: Network | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> Attempt:
        """See `AbstractMethod.attempt`; goes on from `checkpoint` if it has a state, and keeps its own there."""
        return CounterexampleLoop(task, settings, CertifiedMethod(), meter, progress, checkpoint).run(start, expert)
