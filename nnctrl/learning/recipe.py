"""Recipes: everything that training a network takes, as data beside the expert that it imitates.

An expert that is registered under `nnctrl.experts` has a class method `recipe()` that returns one, which
`nnctrl train EXPERT` follows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from nnctrl.errors import InputError
from nnctrl.learning.imitation import ImitationResult, ImitationSettings, imitate
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
