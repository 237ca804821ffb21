"""A task that a gain solves or does not, a method that says whatever it is told, and experts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nnctrl.branching.meter import Meter
from nnctrl.learning.imitation import ImitationSettings
from nnctrl.learning.method import AbstractMethod, Attempt, CurvePoint, SynthesisSettings
from nnctrl.learning.recipe import Recipe
from nnctrl.learning.task import Task
from nnctrl.networks.activations import Tanh
from nnctrl.networks.network import Network
from nnctrl.progress import Progress
from nnctrl.sets.box import Box
from nnctrl.specs.spec import Reach, Spec, Stay
from nnctrl.systems.expert import Expert
from nnctrl.systems.linear_plant import LinearPlant
from nnctrl.verification.settings import setting


def braking_task(goal: float = 0.3, expert: str = "") -> Task:
    """x+ = x + u from [1, 2] into [-goal, goal] at step 3 with |u| <= 1.5."""
    spec = Spec(
        (
            Reach(Box([-goal], [goal]), at=3, name="rest"),
            Stay(Box([-1.5], [1.5]), on=("u1",), name="input"),
        )
    )
    return Task(
        LinearPlant([[1.0]], [[1.0]], dt=1.0), Box([1.0], [2.0]), spec, 3, "braking", hidden=(4,), expert=expert
    )


def braking(gain: float) -> Network:
    """u is about -gain x, by four neurons near 0: from 2 the state is about 2 (1 - gain)^3 at step 3."""
    first = np.full((4, 1), 0.01)
    return Network.from_layers([first, np.full((1, 4), -25.0 * gain)], [np.zeros(4), np.zeros(1)], Tanh())


@dataclass(frozen=True)
class ToldSettings(SynthesisSettings):
    praise: str = setting("it is perfect", "what to say of the network")


class ToldMethod(AbstractMethod):
    """Returns the network that it was made with, and remembers what it was asked."""

    id: ClassVar[str] = "told"
    settings_type: ClassVar[type[SynthesisSettings]] = ToldSettings

    def __init__(self, network: Network | None, does: Callable[[Meter], None] = lambda meter: None) -> None:
        self.network, self.does = network, does
        self.starts: list[Network | None] = []
        self.experts: list[Expert | None] = []
        self.meters: list[Meter] = []

    def objection(self, task: Task) -> str | None:
        return "it wants one state" if task.plant.state_size > 1 else None

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
        assert isinstance(settings, ToldSettings)
        self.starts.append(start)
        self.experts.append(expert)
        self.meters.append(meter)
        self.does(meter)
        curve = tuple(CurvePoint(0.1 * k, 0.25 * k, 10.0**-k, 1.0 - 0.4 * k) for k in range(5))
        return Attempt(self.network, settings.praise, curve=curve)


class Brake(Expert):
    """u = -0.45 x, which ends at a third of the start."""

    @classmethod
    def recipe(cls) -> Recipe:
        settings = ImitationSettings(hidden=(9, 9), trajectories=8, rounds=1, epochs=5, iterations=50)
        plant = LinearPlant([[1.0]], [[1.0]], dt=1.0)
        return Recipe(cls(), plant, Box([0.0], [9.0]), 99, settings, Spec((Stay(Box([-1.0], [1.0])),)))

    def control(self, x: np.ndarray) -> np.ndarray:
        return -0.45 * x


class Flat(Expert):
    """An expert of another plant."""

    @classmethod
    def recipe(cls) -> Recipe:
        plant = LinearPlant(np.eye(2), np.eye(2), dt=1.0)
        return Recipe(cls(), plant, Box([0, 0], [1, 1]), 3, ImitationSettings(), Spec((Stay(Box([-1, -1], [1, 1])),)))

    def control(self, x: np.ndarray) -> np.ndarray:
        return -x


class Unwritten(Expert):
    """An expert without a recipe."""

    def control(self, x: np.ndarray) -> np.ndarray:
        return -x


def weight(network: Network | None) -> float:
    assert network is not None
    return float(network.blocks[0].affines[1].weight[0, 0])
