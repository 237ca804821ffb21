"""What a controller is wanted for: a problem whose network does not exist yet.

A `Task` is a `Problem` without its network. A `TaskDefinition` is the same for the registry: `nnctrl synthesize ID`
makes the network, `nnctrl verify ID --set network=FILE` decides about one that is at hand.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnctrl.errors import InputError, UnsupportedError, what_is
from nnctrl.networks.activations import Activation, Tanh
from nnctrl.networks.load import load_network
from nnctrl.networks.network import Network
from nnctrl.sets.base import AbstractSet
from nnctrl.specs.spec import Spec
from nnctrl.systems.closed_loop import ClosedLoop
from nnctrl.systems.composer import compose
from nnctrl.systems.controller import Controller
from nnctrl.systems.plant import Plant
from nnctrl.verification.problem import Problem, ProblemDefinition
from nnctrl.verification.settings import setting

if TYPE_CHECKING:
    from nnctrl.systems.switched import SwitchedLoop


@dataclass(frozen=True, eq=False)
class Task:
    """Find a network, from the states of `plant` to its inputs, for which `problem(network)` is VERIFIED.

    `initial_set`, `spec`, `horizon`, `settings` and `views` are those of `Problem`; `period` is the controller's, in
    seconds (None for the plant's own, which a continuous plant does not have). `hidden` and `activation` are the
    hidden layers that methods use which leave the choice to the task; `expert` the registered expert that a network
    may begin by imitating ("": none). Whatever is wrong with the task is an InputError here.
    """

    plant: Plant
    initial_set: AbstractSet
    spec: Spec
    horizon: float
    name: str
    period: float | None = None
    hidden: tuple[int, ...] = (32, 32)
    activation: Activation = field(default_factory=Tanh)
    expert: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)
    views: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.plant, Plant):
            raise InputError(f"the task's plant is {what_is(self.plant)}; give a Plant object such as LinearPlant(...)")
        if not isinstance(self.hidden, tuple) or not all(type(size) is int and size >= 1 for size in self.hidden):
            raise InputError(
                f"the task's hidden layers are {self.hidden!r}; give a tuple of whole numbers from 1 on, such as (32, "
                "32)"
            )
        if not isinstance(self.activation, Activation):
            raise InputError(
                f"the task's activation is {what_is(self.activation)}; give an Activation object such as Tanh()"
            )
        # a problem checks all that both have in common, the period among it
        _ = self.samples

    @property
    def samples(self) -> int:
        """The horizon in samples of the controller."""
        return self.idle_problem.samples

    @property
    def idle_problem(self) -> Problem:
        """The problem of the network that always gives 0, for whatever the weights do not decide."""
        return self.problem(constant_network(np.zeros(self.plant.input_size), self.plant.state_size))

    def problem(self, network: Network) -> Problem:
        """The question whether `network` does what is wanted; DimensionError if it does not fit the plant."""
        loop = compose(self.plant, Controller(network, period=self.period))
        return Problem(
            loop, self.initial_set, self.spec, self.horizon, self.name, settings=self.settings, views=self.views
        )


@dataclass(frozen=True)
class TaskDefinition(ProblemDefinition):
    """Base of registered problems that come without a network; a subclass says in `task` what is wanted."""

    network: Path | None = setting(None, "the network of the controller, as nnctrl synthesize writes it")

    network_source = "nnctrl synthesize makes one"

    @abstractmethod
    def task(self) -> Task:
        """What is wanted, for these values of the keys."""

    def build(self) -> Problem:
        """The problem with the network that was given; InputError if there is none."""
        return self.task().problem(load_network(self.required_network()))


def task_of(problem: Problem) -> Task:
    """The task whose solution the network of `problem` was meant to be; its weights play no part.

    UnsupportedError unless the network reads all states and its output is applied as it is, without delay.
    """
    loop: ClosedLoop | SwitchedLoop = problem.closed_loop
    controller = loop.controller
    if not isinstance(controller, Controller):
        raise UnsupportedError("the controller switches among networks; synthesis makes controllers with one network")
    surroundings = {
        "an observation map": controller.observation,
        "measurement noise": controller.noise,
        "an output map": controller.output,
        "a saturation": controller.saturation,
        "a delay": controller.delay or None,
        "a memory": controller.memory,
        "outputs to observe": None if controller.observes == "states" else controller.observes,
    }
    for what, part in surroundings.items():
        if part is not None:
            raise UnsupportedError(
                f"the controller of '{problem.name}' has {what}; synthesis makes networks that read the states and "
                "whose output is applied as it is: state a task without it"
            )
    return Task(
        loop.plant,
        problem.initial_set,
        problem.spec,
        problem.horizon,
        problem.name,
        controller.period,
        settings=problem.settings,
        views=problem.views,
    )


def constant_network(values: np.ndarray, inputs: int) -> Network:
    """The network that returns `values` [m] whatever its `inputs` numbers are."""
    return Network.from_layers([np.zeros((len(values), inputs))], [values], [])
