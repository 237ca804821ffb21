"""The way between plant states and composite states."""

from __future__ import annotations

import numpy as np
import pytest

from nnctrl.errors import DimensionError
from nnctrl.networks.activations import Tanh
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ellipsoid
from nnctrl.sets.zonotope import Zonotope
from nnctrl.systems.composer import compose
from tests.systems.loops import EVERYTHING, Parts, random_loop


def test_lift_appends_the_known_values() -> None:
    plant, controller = random_loop(EVERYTHING, Tanh())
    loop = compose(plant, controller)
    memory = controller.memory
    assert memory is not None
    np.testing.assert_array_equal(loop.rest, [*controller.initial_line.ravel(), *memory.start])
    box = Box([-1.0, 0.0, 0.1], [1.0, 0.0, 0.3])
    lifted = loop.lift(box)
    assert isinstance(lifted, Box)
    np.testing.assert_array_equal(lifted.lower, [*box.lower, *loop.rest])
    np.testing.assert_array_equal(lifted.upper, [*box.upper, *loop.rest])
    zonotope = loop.lift(Zonotope([0.1, 0.2, 0.3], np.ones((3, 2))))
    assert isinstance(zonotope, Zonotope)
    assert zonotope.generators.shape == (9, 2)
    np.testing.assert_array_equal(zonotope.centre[3:], loop.rest)
    ball = loop.lift(Ellipsoid(np.zeros(3), 1.0 * np.eye(3)))
    assert ball.dim == 9
    points = loop.start(Ellipsoid(np.zeros(3), 0.5 * np.eye(3)).sample(np.random.default_rng(0), 10))
    directions = np.random.default_rng(1).normal(size=(20, 9))
    assert (points @ directions.T <= ball.support(directions) + 1e-12).all()
    with pytest.raises(DimensionError, match="the initial set has dimension 2 but 'LinearPlant' has 3 states"):
        loop.lift(Box([0.0, 0.0], [1.0, 1.0]))


def test_lift_without_extra_states_is_the_set_itself() -> None:
    plant, controller = random_loop(Parts(), Tanh())
    box = Box([0.0] * 3, [1.0] * 3)
    assert compose(plant, controller).lift(box) is box


def test_project_and_start_are_inverse() -> None:
    plant, controller = random_loop(EVERYTHING, Tanh())
    loop = compose(plant, controller)
    x = np.random.default_rng(0).normal(size=(4, 5, 3))
    np.testing.assert_array_equal(loop.project(loop.start(x)), x)


def test_step_map_checks_its_names() -> None:
    import dataclasses

    plant, controller = random_loop(Parts(), Tanh())
    step = compose(plant, controller).step
    with pytest.raises(DimensionError, match="a step network maps 3 to 5 values, but the names make it 2 to 4"):
        dataclasses.replace(step, state_names=("x1", "x2"))
