"""What the problems of this folder share: a trained network on the task that the recipe of its expert states."""

from __future__ import annotations

from nnctrl import Controller, Problem, compose
from nnctrl.learning.recipe import Recipe


def imitation_problem(
    name: str, recipe: Recipe, controller: Controller, horizon: float, views: tuple[tuple[str, str], ...]
) -> Problem:
    """The problem `name` with the plant, the initial set and the requirements of `recipe`, up to `horizon` seconds."""
    loop = compose(recipe.plant, controller)
    return Problem(loop, recipe.initial_set, recipe.spec, horizon, name, views=views)
