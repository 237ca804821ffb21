"""The committed networks are the ones that their cards describe, and do what the cards say."""

import hashlib
import tomllib

import numpy as np
import pytest

from controllers.double_integrator_mpc import DoubleIntegratorMPC
from controllers.quadrotor6d_mpc import Quadrotor6DMPC
from controllers.trained import FOLDER, double_integrator, quadrotor6d_obstacles
from nnctrl.learning.evaluation import evaluate

TRAINED = {
    "double-integrator": (double_integrator, DoubleIntegratorMPC),
    "quadrotor6d-obstacles": (quadrotor6d_obstacles, Quadrotor6DMPC),
}


@pytest.fixture(params=sorted(TRAINED))
def name(request):
    return request.param


@pytest.fixture
def card(name):
    return tomllib.loads((FOLDER / f"{name}.toml").read_text())


def test_every_network_file_has_a_card_and_a_test():
    for suffix in ("onnx", "toml"):
        assert {path.stem for path in FOLDER.glob(f"*.{suffix}")} == set(TRAINED)


def test_card_is_about_this_file(name, card):
    digest = hashlib.sha256((FOLDER / card["file"]).read_bytes()).hexdigest()
    assert card["sha256"] == digest
    network = TRAINED[name][0]().network
    assert network.origin.sha256 == digest
    assert network.architecture() == card["network"]


def test_card_is_about_this_recipe(name, card):
    recipe = TRAINED[name][1].recipe()
    assert card["settings"] == {
        key: list(value) if isinstance(value, tuple) else value for key, value in recipe.settings.values().items()
    }
    assert card["horizon"] == recipe.horizon
    assert card["plant"] == recipe.plant.name
    assert card["initial_set"]["type"] == type(recipe.initial_set).__name__


def test_network_does_what_its_card_says(name, card):
    controller, recipe = TRAINED[name][0](), TRAINED[name][1].recipe()
    claim = card["evaluation"]
    judged = evaluate(controller, recipe.plant, recipe.initial_set, recipe.spec, recipe.horizon, count=500, seed=7)
    assert claim["success_rate"] == judged.success_rate == 1.0
    for id, margin in judged.margins.items():
        # the worst of 500 is hardly worse than the worst of the card's 10,000
        assert margin >= claim["margins"][id] - 0.01
        assert claim["margins"][id] >= 0.03
    assert (np.array(claim["input_lower"]) - 0.02 <= judged.input_lower).all()
    assert (judged.input_upper <= np.array(claim["input_upper"]) + 0.02).all()


def test_network_imitates_its_expert(name):
    controller, recipe = TRAINED[name][0](), TRAINED[name][1].recipe()
    for x in recipe.initial_set.sample(np.random.default_rng(0), 20):
        scale = recipe.expert.input_bounds.radius
        error = np.abs(controller.control(x) - recipe.expert.control(x)) / scale
        assert error.max() < 0.1
