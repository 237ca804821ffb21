"""The contract checker passes good plants and controllers, and finds each kind of fault."""

from __future__ import annotations

import itertools
from typing import Any

import casadi
import numpy as np
import pytest

from nnctrl._typing import FloatArray
from nnctrl.errors import InputError, UnsupportedError
from nnctrl.networks.activations import Tanh
from nnctrl.networks.layers import Affine
from nnctrl.networks.network import Network
from nnctrl.sets.box import Box
from nnctrl.systems.check import check_controller, check_plant
from nnctrl.systems.controller import Controller
from nnctrl.systems.expert import Expert
from nnctrl.systems.linear_plant import LinearPlant
from nnctrl.systems.plant import AffineDynamics, Plant
from tests.systems.loops import EVERYTHING, random_loop
from tests.systems.test_composer import UncertainMass
from tests.systems.test_plant import Cart, Pendulum


@pytest.mark.parametrize("plant", [Pendulum(), Cart(), UncertainMass(), random_loop(EVERYTHING, Tanh())[0]])
def test_good_plants_pass(plant: Plant) -> None:
    assert check_plant(plant) == []


class Faulty(Plant):
    states = {"a": "1"}
    inputs = {"u": "1"}
    dt = 1.0

    def dynamics(self, x: Any, u: Any) -> Any:
        return (x[0] + u[0],)


class Impure(Faulty):
    def __init__(self) -> None:
        super().__init__()
        self.count = itertools.count()

    def dynamics(self, x: Any, u: Any) -> Any:
        return (next(self.count) * x[0] + u[0],)


class ImpureOutput(Faulty):
    outputs = {"y": "m"}
    calls = []

    def output(self, x: Any) -> Any:
        self.calls.append(0)
        return (x[0] * len(self.calls),)


class DividesByZero(Faulty):
    parameters = {"d": (1.0, 2.0)}

    def dynamics(self, x: Any, u: Any, p: Any) -> Any:
        return (x[0] / (p["d"] - 1.5) + u[0],)


class FarOut(Faulty):
    def dynamics(self, x: Any, u: Any) -> Any:
        return (x[0] + 1e7 + u[0],)


class Undefined(Faulty):
    def dynamics(self, x: Any, u: Any) -> Any:
        return (casadi.log(x[0]) + u[0],)


class Kinked(Faulty):
    ranges = {"a": (-1e-9, 1e-9)}

    def dynamics(self, x: Any, u: Any) -> Any:
        return (casadi.sqrt(x[0] ** 2 + 1e-30) + u[0],)


class Windy(Faulty):
    disturbances = {"wind": "N"}


class WrongMatrices(Faulty):
    def affine(self) -> AffineDynamics:
        return AffineDynamics(Affine([[1.0, 1.0 + 1e-15]], [0.0]), None, 1, 1)


class Unnamed(Faulty):
    def __init__(self) -> None:
        self.states = {"": "1"}


@pytest.mark.parametrize(
    ("plant", "finding"),
    [
        (Impure(), "dynamics returns another expression on every call"),
        (ImpureOutput(), "output returns another expression on every call"),
        (DividesByZero(), "divide by a quantity that ranges over"),
        (Undefined(), "dynamics is not finite at"),
        (Kinked(), "the Jacobian is off finite differences"),
        (Windy(), "disturbance 'wind' has no range"),
        (WrongMatrices(), "row 0 of affine\\(\\) does not contain the dynamics"),
        (Unnamed(), "give a name and a unit"),
    ],
)
def test_faulty_plants_are_found(plant: Plant, finding: str) -> None:
    with pytest.raises(AssertionError, match=finding):
        assert check_plant(plant) == []


class Limited(Faulty):
    def dynamics(self, x: Any, u: Any) -> Any:
        return (casadi.fmin(x[0], 0.5) + u[0],)


def test_large_values_are_no_fault() -> None:
    """Rounding of a difference of large values is not a wrong Jacobian."""
    assert check_plant(FarOut()) == []


def test_kinks_are_allowed_but_have_no_jacobian() -> None:
    assert check_plant(Limited()) == []
    with pytest.raises(UnsupportedError, match="'Limited_dynamics_jacobian' uses"):
        Limited().jacobian(np.ones(1), np.ones(1))


def test_good_controllers_pass() -> None:
    plant, controller = random_loop(EVERYTHING, Tanh())
    assert check_controller(controller) == []
    assert check_controller(controller, plant) == []


class Feedback(Expert):
    input_bounds = Box([-0.5], [0.5])

    def control(self, x: FloatArray) -> FloatArray:
        return np.clip(-x[:1], -0.5, 0.5)


class Loose(Feedback):
    def control(self, x: FloatArray) -> FloatArray:
        return -x[:1]


class Drifting(Feedback):
    def __init__(self) -> None:
        self.count = itertools.count()

    def control(self, x: FloatArray) -> FloatArray:
        return np.array([1e-3 * next(self.count)])


class Meddling(Feedback):
    def control(self, x: FloatArray) -> FloatArray:
        u = x[:1].copy()
        x *= 0.5
        return np.clip(u, -0.5, 0.5)


class Picky(Feedback):
    def control(self, x: FloatArray) -> FloatArray:
        if x[0] < 0.0:
            raise InputError("no input exists here")
        return super().control(x)


class Hopeless(Feedback):
    def control(self, x: FloatArray) -> FloatArray:
        raise InputError("no input exists")


class Broken(Feedback):
    def control(self, x: FloatArray) -> FloatArray:
        return np.array([np.nan])


class Short(Feedback):
    def control(self, x: FloatArray) -> FloatArray:
        return np.zeros(2)


def test_experts_are_checked_at_states_of_the_plant() -> None:
    plant = LinearPlant(np.eye(2), np.ones((2, 1)), dt=1.0)
    assert check_controller(Feedback(), plant) == []
    assert check_controller(Picky(), plant) == []
    for expert, finding in [
        (Loose(), "inputs outside its input_bounds"),
        (Drifting(), "other inputs when asked again"),
        (Meddling(), "changes the array"),
        (Hopeless(), "no input at any of 16 random states"),
        (Broken(), "not finite"),
        (Short(), r"it must give \(16, 1\)"),
    ]:
        with pytest.raises(AssertionError, match=finding):
            assert check_controller(expert, plant) == []
    assert check_controller(Feedback()) == ["an expert is checked at states of a plant; pass the plant"]
    continuous = LinearPlant(np.eye(2), np.ones((2, 1)))
    assert "is continuous; give the controller a period" in check_controller(Feedback(), continuous)[0]


def test_a_controller_that_does_not_fit_is_found() -> None:
    plant = LinearPlant(np.eye(2), np.ones((2, 1)), dt=1.0)
    controller = Controller(Network.from_layers([np.ones((1, 3))], [[0.0]], []))
    assert "reads 3 values" in check_controller(controller, plant)[0]
    huge = Controller(Network.from_layers([np.full((1, 2), 1e308)], [[1.7e308]], []))
    with np.errstate(over="ignore"):
        assert "not finite" in check_controller(huge, plant)[0]
