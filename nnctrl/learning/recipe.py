"""Recipes: everything that training a network takes, as data beside the expert that it imitates.

An expert that is registered under `nnctrl.experts` has a class method `recipe()` that returns one, which
`nnctrl train EXPERT` follows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from nnctrl import registry
from nnctrl.errors import InputError
from nnctrl.learning.imitation import ImitationResult, ImitationSettings, imitate
from nnctrl.learning.task import Task
from nnctrl.networks.activations import Activation, Tanh
from nnctrl.progress import Progress
from nnctrl.sets.base import AbstractSet
from nnctrl.specs.spec import Spec
from nnctrl.systems.expert import Expert
from nnctrl.systems.plant import Plant


@dataclass(frozen=True, eq=False)
class Recipe:
    """Imitate `expert` on `plant` along `horizon` samples from `initial_set`; judge the result by `spec`.

    `activation` is that of the network's hidden layers. The times of `spec` are steps for a discrete plant and seconds
    for a continuous one, which is sampled at the expert's period.
    """

    expert: Expert
    plant: Plant
    initial_set: AbstractSet
    horizon: int
    settings: ImitationSettings
    spec: Spec
    activation: Activation = field(default_factory=Tanh)

    def updated(self, values: Mapping[str, object]) -> Recipe:
        """A copy with other settings, by name; text is read as the setting's type (UnknownNameError, InputError)."""
        return dataclasses.replace(self, settings=self.settings.updated(values))

    def train(self, progress: Progress | None = None) -> ImitationResult:
        """Follow the recipe; see `imitate`."""
        return imitate(
            self.expert,
            self.plant,
            self.initial_set,
            self.horizon,
            self.settings,
            self.spec,
            progress,
            activation=self.activation,
        )


def recipe_of(name: str, expert: object) -> Recipe:
    """The recipe of what is registered as the expert `name`; InputError if it has none."""
    make: Callable[[], object] | None = getattr(expert, "recipe", None)
    recipe = make() if callable(make) else None
    if not isinstance(recipe, Recipe):
        raise InputError(
            f"the expert '{name}' has no training recipe; give its class a class method `recipe` that returns a "
            "nnctrl.learning.recipe.Recipe"
        )
    return recipe


def recipe_for(task: Task, hidden: tuple[int, ...] | None, seed: int) -> Recipe:
    """The recipe of the task's expert for the task: its plant, set, horizon and requirements, and its hidden layers
    unless others are given. InputError if the expert has no recipe, or is one for another plant or period.
    """
    recipe = recipe_of(task.expert, registry.load("experts", task.expert))
    _check_same_plant(task, recipe.plant)
    theirs, ours = (
        plant.dt if period is None else period
        for plant, period in ((recipe.plant, recipe.expert.period), (task.plant, task.period))
    )
    if theirs != ours:
        # the dt of a continuous plant is 0
        acts = f"acts every {theirs} s" if theirs else "has no sample period"
        raise InputError(
            f"the expert '{task.expert}' {acts}, but the controller acts every {ours} s; give an expert with "
            "the same period"
        )
    return dataclasses.replace(
        recipe.updated({"hidden": task.hidden if hidden is None else hidden, "seed": seed}),
        plant=task.plant,
        initial_set=task.initial_set,
        horizon=task.samples,
        spec=task.spec,
        activation=task.activation,
    )


def _check_same_plant(task: Task, plant: Plant) -> None:
    """InputError unless the `plant` of the task's expert has the task's dynamics; periods are another matter."""
    sizes = [(one.state_size, one.input_size) for one in (plant, task.plant)]
    if sizes[0] != sizes[1]:
        raise InputError(
            f"the expert '{task.expert}' is for {plant.name} with {sizes[0][0]} states and {sizes[0][1]} inputs, but "
            f"{task.plant.name} has {sizes[1][0]} and {sizes[1][1]}; give an expert for this plant"
        )
    kinds = [(type(one), one.is_discrete) for one in (plant, task.plant)]
    if kinds[0] != kinds[1]:
        theirs, ours = (f"a {'discrete' if kind[1] else 'continuous'} {kind[0].__name__}" for kind in kinds)
        raise InputError(
            f"the expert '{task.expert}' is for {theirs}, but the task has {ours}; give an expert for this plant"
        )
    if plant.tape != task.plant.tape:
        raise InputError(
            f"the expert '{task.expert}' is for a {plant.name} with other dynamics than the task's; give an expert for "
            "this plant, or the plant that the expert is for"
        )
