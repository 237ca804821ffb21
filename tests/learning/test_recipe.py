import dataclasses

import numpy as np
import pytest

from nnctrl.errors import InputError, UnknownNameError
from nnctrl.learning.imitation import ImitationSettings
from nnctrl.learning.recipe import Recipe, recipe_of
from nnctrl.networks.activations import Sigmoid
from nnctrl.sets.box import Box
from nnctrl.specs.spec import Spec, Stay
from nnctrl.systems.expert import Expert
from nnctrl.systems.linear_plant import LinearPlant


class Braking(Expert):
    """u = -x / 2."""

    def control(self, x):
        return -x / 2

    @classmethod
    def recipe(cls):
        start = Box(np.array([1.0]), np.array([2.0]))
        settings = ImitationSettings(hidden=(3,), trajectories=4, rounds=1, epochs=2, iterations=20, evaluations=20)
        spec = Spec((Stay(target=Box(np.array([-1.0]), np.array([3.0])), name="range"),))
        return Recipe(cls(), LinearPlant(A=[[1.0]], B=[[1.0]], dt=1.0), start, 3, settings, spec)


class Bare(Expert):
    """Has no recipe."""

    def control(self, x):
        return x


def test_a_recipe_is_found_beside_its_expert():
    recipe = recipe_of("braking", Braking)
    assert isinstance(recipe, Recipe)
    assert isinstance(recipe.expert, Braking)


@pytest.mark.parametrize("expert", [Bare, Bare(), type("Wrong", (), {"recipe": staticmethod(lambda: 3)})])
def test_an_expert_without_a_recipe_is_refused_with_the_way_to_give_it_one(expert):
    with pytest.raises(InputError, match="the expert 'bare' has no training recipe; give its class a class method"):
        recipe_of("bare", expert)


def test_settings_are_changed_by_name():
    recipe = Braking.recipe().updated({"seed": "3", "hidden": "4,4", "weight_decay": 1e-3})
    assert recipe.settings.seed == 3
    assert recipe.settings.hidden == (4, 4)
    assert recipe.settings.weight_decay == 1e-3
    assert recipe.settings.trajectories == Braking.recipe().settings.trajectories
    with pytest.raises(UnknownNameError, match="did you mean 'seed'"):
        recipe.updated({"sead": "3"})


def test_the_activation_is_part_of_the_recipe_and_survives_other_settings():
    recipe = dataclasses.replace(Braking.recipe(), activation=Sigmoid()).updated({"seed": "3"})
    assert recipe.train().network.architecture() == "1-3-1 sigmoid"


def test_training_follows_the_recipe():
    result = Braking.recipe().train()
    assert result.network.architecture() == "1-3-1 tanh"
    assert result.report.evaluation.count == 20
    assert set(result.report.evaluation.margins) == {"range"}
