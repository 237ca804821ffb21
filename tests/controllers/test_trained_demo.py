"""The small networks for continuous plants are the ones that their cards describe, and do what the cards say."""

from __future__ import annotations

import hashlib
import platform
import tomllib
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np
import pytest
import torch

from controllers.trained import DEMO
from nnctrl import Controller, registry
from nnctrl.learning.evaluation import evaluate
from nnctrl.learning.recipe import Recipe, recipe_of
from nnctrl.report.training import network_bytes

EXPERTS = {
    "acc": "feedback",
    "airplane": "lqr",
    "attitude": "feedback",
    "cartpole": "lqr",
    "docking": "feedback",
    "double-pendulum": "lqr",
    "nav": "look-ahead",
    "quad": "lqr",
    "single-pendulum": "lqr",
    "tora": "lqr",
    "unicycle": "look-ahead",
}

TOO_GENTLE = "airplane"
"""Its task is one that it fails."""


@pytest.fixture(params=EXPERTS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@cache
def card_of(name: str) -> dict[str, Any]:
    return tomllib.loads((DEMO / f"{name}.toml").read_text())


@cache
def recipe_for(name: str) -> Recipe:
    expert = f"demo/{name}-{EXPERTS[name]}"
    return recipe_of(expert, registry.load("experts", expert))


def controller_of(name: str) -> Controller:
    controller = registry.load("controllers", f"demo/{name}")()
    assert isinstance(controller, Controller)
    return controller


def test_every_network_file_has_a_card_and_a_test() -> None:
    for suffix in ("onnx", "toml"):
        assert {path.stem for path in DEMO.glob(f"*.{suffix}")} == set(EXPERTS)


def test_every_registered_expert_and_controller_has_a_network() -> None:
    for kind, wanted in (
        ("experts", {f"demo/{name}-{law}" for name, law in EXPERTS.items()}),
        ("controllers", {f"demo/{name}" for name in EXPERTS}),
    ):
        assert {id for id in registry.names(kind) if id.startswith("demo/")} == wanted


def test_card_is_about_this_file(name: str) -> None:
    card, controller = card_of(name), controller_of(name)
    digest = hashlib.sha256((DEMO / card["file"]).read_bytes()).hexdigest()
    assert card["sha256"] == digest
    assert controller.network.origin is not None
    assert controller.network.origin.sha256 == digest
    assert controller.network.architecture() == card["network"]
    entry = getattr(registry.load("controllers", f"demo/{name}"), "__doc__", "")
    assert entry.startswith(card["network"])


def test_card_is_about_this_recipe(name: str) -> None:
    card, recipe = card_of(name), recipe_for(name)
    assert card["settings"] == {
        key: list(value) if isinstance(value, tuple) else value for key, value in recipe.settings.values().items()
    }
    assert card["trained_by"] == f"nnctrl train demo/{name}-{EXPERTS[name]} --output {name}.onnx"
    assert card["horizon"] == recipe.horizon
    assert card["plant"] == recipe.plant.name
    bounds = recipe.initial_set.bounding_box()
    assert card["initial_set"] == {"type": "Box", "lower": bounds.lower.tolist(), "upper": bounds.upper.tolist()}
    assert card["network"].endswith(recipe.activation.name)
    assert controller_of(name).period == recipe.expert.period == card["expert"]["period"]
    for key, value in card["expert"].items():
        if key != "type":
            own = getattr(recipe.expert, key)
            assert (list(own) if isinstance(own, tuple) else own) == value


def test_network_does_what_its_card_says(name: str) -> None:
    recipe, claim = recipe_for(name), card_of(name)["evaluation"]
    task = recipe.plant, recipe.initial_set, recipe.spec, recipe.horizon
    judged = evaluate(controller_of(name), *task, count=100, seed=7)
    if name == TOO_GENTLE:
        assert 0.5 < claim["success_rate"] < 1.0
        assert 0.5 < judged.success_rate < 1.0
        return
    assert claim["success_rate"] == judged.success_rate == 1.0
    for id, margin in judged.margins.items():
        # the worst of 100 is hardly worse than the worst of the card's 2000
        assert margin >= claim["margins"][id] - 0.02
        assert claim["margins"][id] >= 0.03


def test_network_imitates_its_expert(name: str) -> None:
    recipe, controller = recipe_for(name), controller_of(name)
    assert recipe.expert.input_bounds is not None
    for x in recipe.initial_set.sample(np.random.default_rng(0), 20):
        error = np.abs(controller.control(x) - recipe.expert.control(x)) / recipe.expert.input_bounds.radius
        assert error.max() < 0.1


def test_expert_meets_the_specification_that_its_imitation_is_judged_by(name: str) -> None:
    recipe = recipe_for(name)
    judged = evaluate(recipe.expert, recipe.plant, recipe.initial_set, recipe.spec, recipe.horizon, count=20, seed=0)
    assert (judged.success_rate == 1.0) is (name != TOO_GENTLE)
    assert recipe.expert.input_bounds is not None
    assert (judged.input_lower >= recipe.expert.input_bounds.lower).all()
    assert (judged.input_upper <= recipe.expert.input_bounds.upper).all()


@pytest.mark.slow
def test_training_again_gives_the_same_file(name: str) -> None:
    card, recipe = card_of(name), recipe_for(name)
    processor = {"machine": platform.machine(), "vectors": torch.backends.cpu.get_cpu_capability()}
    versions = {package: version(package) for package in ("numpy", "scipy", "torch", "casadi")}
    if card["processor"] != processor or card["versions"] != {**versions, "python": platform.python_version()}:
        pytest.skip("the card was written with another processor or other versions")
    onnx = network_bytes(f"demo/{name}-{EXPERTS[name]}", recipe, recipe.train())
    assert onnx == (DEMO / f"{name}.onnx").read_bytes()
