"""What every method of synthesis does: it attempts a task and says how it went. It has no say about the verdict."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from nnctrl.branching.meter import Meter
from nnctrl.learning.task import Task
from nnctrl.networks.network import Network
from nnctrl.progress import Progress
from nnctrl.systems.expert import Expert
from nnctrl.verification.settings import LARGEST_SEED, Settings, setting


@dataclass(frozen=True)
class CurvePoint:
    """One point of a training curve: wall-clock `seconds`, the share `size` of the initial set that is trained on, the
    `loss`, and the bound on the greatest `violation` of the requirements on that share (at most 0 where they hold).
    """

    seconds: float
    size: float
    loss: float
    violation: float


@dataclass(frozen=True, eq=False)
class Attempt:
    """What a method came to.

    `network`: the best one, None if there is none that is worth verifying. `reason`: why the method stopped, one or two
    sentences. `impossible`: the method proved that no controller at all does what is wanted, and `reason` is the proof.
    `curve`: how training went; empty for methods that do not train. `before`: a network on the way, for comparison:
    what the method had before it looked at sets. `notes`: further sentences.
    """

    network: Network | None
    reason: str
    impossible: bool = False
    curve: tuple[CurvePoint, ...] = ()
    before: Network | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SynthesisSettings(Settings):
    """What every method takes; methods add keys of their own."""

    hidden: tuple[int, ...] | None = setting(
        None, "sizes of the hidden layers; by default those of the task", minimum=1, maximum=10_000
    )
    seed: int = setting(0, "seed of all random numbers", minimum=0, maximum=LARGEST_SEED)


class AbstractMethod(ABC):
    """A method of synthesis. Implementations have no state."""

    id: ClassVar[str]
    settings_type: ClassVar[type[SynthesisSettings]]

    @abstractmethod
    def objection(self, task: Task) -> str | None:
        """Why this method cannot treat a task, with what to use instead; None if it can."""

    @abstractmethod
    def attempt(
        self,
        task: Task,
        settings: SynthesisSettings,
        meter: Meter,
        progress: Progress,
        *,
        expert: Expert | None = None,
        start: Network | None = None,
    ) -> Attempt:
        """Try to make the network within the time of `meter`; the same settings and machine give the same weights,
        unless time runs out.

        `expert`: a controller to imitate to begin with. `start`: a network to begin with; it has the hidden layers that
        the result is to have.
        """
