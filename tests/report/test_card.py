import dataclasses
import hashlib
import tomllib

import numpy as np

from nnctrl.learning.imitation import ImitationSettings
from nnctrl.learning.recipe import Recipe
from nnctrl.report.card import card_text
from nnctrl.sets.box import Box
from nnctrl.specs.spec import Spec, Stay
from nnctrl.systems.expert import Expert, traced
from nnctrl.systems.linear_plant import LinearPlant

START = Box(np.array([1.0]), np.array([2.0]))


class Braking(Expert):
    """u = -gain x, with a box and a tuple among its arguments."""

    def __init__(self, gain=0.5, zone=START, weights=(1.0, 2.0), unkept=None):
        self.gain, self.zone, self.weights = gain, zone, weights

    def control(self, x):
        return -self.gain * x

    def law(self):
        return traced(self.control, 1)


def train(spec):
    settings = ImitationSettings(hidden=(3,), trajectories=3, rounds=1, epochs=1, iterations=5, evaluations=10)
    recipe = Recipe(Braking(), LinearPlant(A=[[1.0]], B=[[1.0]], dt=1.0), START, 2, settings, spec)
    return recipe, recipe.train()


def test_card_holds_what_is_needed_to_judge_and_repeat_the_training():
    recipe, result = train(Spec((Stay(target=START, name="range"),)))
    card = tomllib.loads(card_text("nnctrl train braking", recipe, result, "net.onnx", b"weights"))
    assert card["file"] == "net.onnx"
    assert card["sha256"] == hashlib.sha256(b"weights").hexdigest()
    assert card["network"] == "1-3-1 tanh"
    assert card["expert"] == {
        "type": "Braking",
        "gain": 0.5,
        "weights": [1.0, 2.0],
        "zone": {"type": "Box", "lower": [1.0], "upper": [2.0]},
    }
    assert card["initial_set"] == {"type": "Box", "lower": [1.0], "upper": [2.0]}
    assert card["settings"]["hidden"] == [3]
    assert card["settings"]["seed"] == 0
    assert card["training"]["labelled"] == [12]
    assert card["evaluation"]["count"] == 10
    assert set(card["evaluation"]["margins"]) == {"range"}
    initial, loop = card["imitation_error"]
    assert initial["about"] == "initial set"
    assert loop["about"] == "boxes about the states of 3 trajectories at each of 2 samples"
    for error in (initial, loop):
        assert error["attained"][0] <= error["certified"][0]
        assert error["sampled"][0] <= error["certified"][0] + 1e-12
    assert card["trained_by"] == "nnctrl train braking"
    assert set(card["processor"]) == {"machine", "vectors"}
    assert {"python", "torch", "casadi"} <= set(card["versions"])


def test_card_of_a_result_that_was_not_evaluated_has_no_evaluation():
    recipe, result = train(Spec((Stay(target=START),)))
    unjudged = dataclasses.replace(result, report=dataclasses.replace(result.report, evaluation=None))
    assert "evaluation" not in tomllib.loads(
        card_text("nnctrl train braking", recipe, unjudged, "net.onnx", b"weights")
    )
