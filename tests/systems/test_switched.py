"""Switched controllers: what they choose, against the definition in rational numbers, and what they refuse."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import numpy as np
import pytest

from nnctrl import ClosedLoop, LinearPlant, Network, simulate
from nnctrl.errors import DimensionError, InputError, UnknownNameError, UnsupportedError
from nnctrl.networks.layers import Affine
from nnctrl.networks.network import Origin
from nnctrl.systems.composer import compose
from nnctrl.systems.controller import Controller
from nnctrl.systems.switched import InputRule, SwitchedLoop
from tests.switched_loops import (
    BentPlant,
    counter,
    dyadic,
    exact_run,
    exact_scores,
    linear_plant,
    random_controller,
    threshold_controller,
    threshold_loop,
)


@pytest.mark.parametrize("seed", range(6))
def test_simulation_is_the_definition(seed: int) -> None:
    """Modes agree wherever the scores differ by more than rounding, and so do states and inputs."""
    rng = np.random.default_rng(100 + seed)
    for plant in (linear_plant(disturbed=True), BentPlant()):
        loop = compose(plant, random_controller(seed))
        assert isinstance(loop, SwitchedLoop)
        steps, x0 = 6, dyadic(rng, 5, 2, scale=2.0)
        w = dyadic(rng, 5, steps, 1, scale=0.125)
        found = simulate(loop.plant, loop.controller, x0, steps, w, parameters=None if plant.is_affine() else [0.125])
        modes = loop.controller.modes_along(found.x[:, :-1])
        for k in range(5):
            states, inputs, expected = exact_run(loop, x0[k], steps, w[k])
            for mode, x in zip(["b", *expected], states, strict=False):
                best, second = sorted(exact_scores(loop.controller, mode, x))[:-3:-1]
                assert best - second > Fraction(1, 10**9), "a seed without near ties was meant"
            assert [loop.controller.modes[m] for m in modes[k]] == expected
            np.testing.assert_allclose(found.x[k], np.array(states, dtype=float), rtol=0, atol=1e-12)
            assert found.u[k].tolist() == np.array(inputs, dtype=float).tolist()


def test_the_random_loops_use_every_part() -> None:
    """Otherwise the comparison above says little."""
    modes, inputs = set(), set()
    for seed in range(6):
        loop = compose(linear_plant(), random_controller(seed))
        for x0 in dyadic(np.random.default_rng(seed), 20, 2, scale=2.0):
            _, u, chosen = exact_run(loop, x0, 6)
            modes |= set(chosen)
            inputs |= {float(value) for (value,) in u}
    assert modes == {"a", "b", "c"}
    assert inputs == {-0.5, 0.125, 0.75, 0.25, -0.125, 0.5}


def test_of_equal_scores_the_first_counts() -> None:
    controller = threshold_controller(0.5, -1.0, 1.0)
    mode, u = controller.decide(np.zeros(3, dtype=np.intp), np.array([[0.25], [0.5], [0.75]]))
    assert mode.tolist() == [0, 0, 1]
    assert u.ravel().tolist() == [-1.0, -1.0, 1.0]


def test_of_several_rules_the_first_counts_and_half_spaces_are_closed() -> None:
    rules = (
        InputRule([1.0], 0.25, [5.0], previous="low", next="low"),
        InputRule([1.0], 0.375, [6.0], next="low"),
        InputRule([-1.0], -1.0, [7.0], previous="high"),
    )
    controller = threshold_controller(0.5, -1.0, 1.0, rules=rules)
    x = np.array([[0.25], [0.3], [0.375], [0.4], [1.0], [2.0]])
    _, low = controller.decide(np.zeros(6, dtype=np.intp), x)
    _, high = controller.decide(np.ones(6, dtype=np.intp), x)
    assert low.ravel().tolist() == [5.0, 6.0, 6.0, -1.0, 1.0, 1.0]
    assert high.ravel().tolist() == [6.0, 6.0, 6.0, -1.0, 7.0, 7.0]


def test_a_loop_is_simulated_as_it_is_composed() -> None:
    loop = threshold_loop(0.5, 1.0, -2.0)
    path = simulate(loop.plant, loop.controller, [[0.0], [0.75]], 3)
    assert path.x[..., 0].tolist() == [[0.0, 1.0, -1.0, 0.0], [0.75, -1.25, -0.25, 0.75]]
    assert loop.disturbance_names == ()
    assert compose(linear_plant(disturbed=True), random_controller(0)).disturbance_names == ("push",)


def test_one_network_still_makes_a_closed_loop() -> None:
    network = Network.from_layers([[[1.0, 0.0]]], [[0.0]], [])
    assert isinstance(compose(linear_plant(), Controller(network)), ClosedLoop)


def test_origins_become_one() -> None:
    controller = threshold_controller(0.0, 0.0, 1.0)
    assert controller.origin is None
    assert controller.architecture() == "2 modes (low, high), 1-2 affine"
    made = {
        name: dataclasses.replace(network, origin=Origin(f"{name}.onnx", digest))
        for (name, network), digest in zip(controller.networks.items(), ("0f" * 32, "1e" * 32), strict=True)
    }
    first = dataclasses.replace(controller, networks=made).origin
    assert first is not None
    assert first.source == "2 networks: low.onnx, high.onnx"
    swapped = {"low": dataclasses.replace(made["low"], origin=made["high"].origin), "high": made["high"]}
    second = dataclasses.replace(controller, networks=swapped).origin
    assert second is not None
    assert len(first.sha256) == len(second.sha256) == 64
    assert first.sha256 != second.sha256


ONE = Network.from_layers([[[1.0]]], [[0.0]], [])


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"initial": "hgih"}, UnknownNameError, "unknown mode 'hgih'; did you mean 'high'"),
        ({"inputs": {"low": [1.0]}}, InputError, "the inputs are for the modes low, the networks for low, high"),
        ({"inputs": {"low": [1.0], "high": [1.0, 2.0]}}, DimensionError, r"have \[1, 2\] entries"),
        ({"networks": {"low": ONE, "high": ONE}}, DimensionError, "mode 'low' maps 1 to 1 values.* 2 modes"),
        ({"networks": {}}, InputError, "give a dictionary with an entry for every mode"),
        ({"networks": {"low": 1, "high": 2}}, InputError, "the network of mode 'low' is an int"),
        ({"rules": (InputRule([1.0], 0.0, [0.0], next="middle"),)}, UnknownNameError, "unknown mode 'middle'"),
        ({"rules": (InputRule([1.0, 0.0], 0.0, [0.0]),)}, DimensionError, r"read \[1, 2\] states"),
        ({"rules": ("stop",)}, InputError, "a rule is a str; give an InputRule"),
        ({"observation": "all"}, InputError, "the observation is a str; give an Affine"),
        ({"observation": Affine.identity(2)}, DimensionError, "there are 2 observations"),
        ({"period": -1.0}, InputError, "the period is -1.0"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        dataclasses.replace(threshold_controller(0.0, 0.0, 1.0), **changes)  # type: ignore[arg-type]


def test_a_rule_needs_finite_numbers() -> None:
    with pytest.raises(InputError, match="the bound of an input rule is nan"):
        InputRule([1.0], float("nan"), [0.0])


def test_plants_that_do_not_fit_are_refused() -> None:
    controller = threshold_controller(0.0, 0.0, 1.0)
    continuous = LinearPlant(A=[[0.0]], B=[[1.0]])
    with pytest.raises(UnsupportedError, match="is continuous, but switched controllers are for discrete plants"):
        compose(continuous, controller)
    with pytest.raises(UnsupportedError, match="is continuous, but switched controllers are for discrete plants"):
        simulate(continuous, controller, [0.0], 1)
    with pytest.raises(DimensionError, match=r"reads 1 states but 'LinearPlant' has 2 \(p, v\)"):
        compose(linear_plant(), controller)
    wide = LinearPlant(A=[[1.0]], B=[[1.0, 1.0]], dt=1.0)
    with pytest.raises(DimensionError, match="commands 1 inputs but 'LinearPlant' has 2"):
        compose(wide, controller)
    with pytest.raises(InputError, match=r"period is 0\.5 s but the dt of 'LinearPlant' is 1\.0 s"):
        compose(counter(), dataclasses.replace(controller, period=0.5))
    free = LinearPlant(A=[[1.0]], B=[[1.0]], E=[[1.0]], disturbances=["gust"], dt=1.0)
    with pytest.raises(InputError, match="the disturbance 'gust' of 'LinearPlant' has no range"):
        compose(free, controller)
