"""Controllers: what fits together and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nnctrl.errors import DimensionError, InputError
from nnctrl.networks.layers import Affine
from nnctrl.networks.network import Network
from nnctrl.sets.box import Box
from nnctrl.systems.controller import Controller, Memory

NETWORK = Network.from_layers([np.ones((2, 3))], [np.zeros(2)], [])


def test_sizes_follow_from_the_parts() -> None:
    memory = Memory([[1.0]], [[0.1, 0.0]], [0.5])
    controller = Controller(
        NETWORK, observation=Affine(np.ones((2, 4)), np.zeros(2)), memory=memory, output=Affine(np.ones((1, 2)), [0.0])
    )
    assert (controller.observed_size, controller.view_size, controller.memory_size, controller.input_size) == (
        4,
        2,
        1,
        1,
    )
    # without a memory value the initial one is used
    np.testing.assert_array_equal(controller.control(np.ones((3, 2))), np.full((3, 1), 5.0))
    np.testing.assert_array_equal(controller.control(np.ones(2), np.zeros(1)), [4.0])
    np.testing.assert_array_equal(controller.next_memory(np.ones((3, 2)), np.ones((3, 1))), np.full((3, 1), 1.1))


def test_saturation_clips_and_delay_line_is_broadcast() -> None:
    controller = Controller(NETWORK, saturation=Box([-1.0, -2.0], [1.0, 0.5]), delay=2, initial_input=[0.1, 0.2])
    np.testing.assert_array_equal(controller.control(np.full(3, 10.0)), [1.0, 0.5])
    np.testing.assert_array_equal(controller.initial_line, [[0.1, 0.2], [0.1, 0.2]])
    assert Controller(NETWORK, delay=3).initial_line.tolist() == [[0.0, 0.0]] * 3
    assert Controller(NETWORK).initial_line.shape == (0, 2)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"delay": -1}, InputError, "the delay is -1; give a whole number"),
        ({"delay": 0.5}, InputError, "the delay is 0.5"),
        ({"observes": "inputs"}, InputError, "observes 'inputs'; choose 'states' or 'outputs'"),
        ({"period": 0.0}, InputError, "the period is 0.0"),
        (
            {"output": Affine(np.ones((1, 3)), [0.0])},
            DimensionError,
            "output map of the controller has size 3.*2 network outputs",
        ),
        (
            {"observation": Affine(np.ones((2, 3)), [0.0, 0.0])},
            DimensionError,
            "observation map.*size 2.*3 network inputs",
        ),
        ({"noise": Box([0.0], [1.0])}, DimensionError, "noise.*size 1.*3 observations"),
        ({"saturation": Box([0.0], [1.0])}, DimensionError, "saturation.*size 1.*2 inputs"),
        ({"memory": Memory([[1.0]], [[1.0]])}, DimensionError, "memory's H.*size 1.*2 observations"),
        ({"initial_input": [0.0, 0.0]}, DimensionError, "only with a delay"),
        ({"initial_input": [0.0], "delay": 1}, DimensionError, r"initial_input has shape \(1,\) for 2 inputs"),
    ],
)
def test_refusals(settings: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Controller(NETWORK, **settings)


def test_memory_and_observations_check_sizes() -> None:
    with pytest.raises(DimensionError, match=r"a memory has F \(1, 2\)"):
        Memory([[1.0, 0.0]], [[1.0]])
    with pytest.raises(DimensionError, match="takes 3 observations but was given 2"):
        Controller(NETWORK).control(np.ones(2))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network": 3}, "the controller's network is a int; give a Network"),
        ({"observation": np.eye(2)}, "the controller's observation is a ndarray; give a Affine"),
        ({"saturation": (-1.0, 1.0)}, "the controller's saturation is a tuple; give a Box"),
        ({"memory": ([[1.0]], [[1.0]])}, "the controller's memory is a tuple; give a Memory"),
    ],
)
def test_parts_of_the_wrong_type_are_named(settings: dict[str, Any], message: str) -> None:
    network = Network.from_layers([np.ones((1, 2))], [np.zeros(1)], [])
    with pytest.raises(InputError, match=message):
        Controller(**{"network": network, **settings})


def test_the_delay_may_be_a_numpy_integer() -> None:
    network = Network.from_layers([np.ones((1, 2))], [np.zeros(1)], [])
    assert Controller(network, delay=np.int64(2)).delay == 2  # type: ignore[arg-type]
