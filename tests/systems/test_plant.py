"""Plants: what ten lines give, and what mistakes are told."""

from __future__ import annotations

import math
import pickle
from typing import Any

import casadi
import numpy as np
import pytest
import torch

from nnctrl.errors import InputError, UnknownNameError, UnsupportedError
from nnctrl.systems.plant import Plant


class Pendulum(Plant):
    states = {"theta": "rad", "omega": "rad/s"}
    inputs = {"torque": "N m"}

    def dynamics(self, x, u):  # as short as a user writes it
        return x[1], 2 * casadi.sin(x[0]) + 8 * u[0]


class Cart(Plant):
    """A discrete plant with everything: disturbance, parameters, outputs."""

    states = {"p": "m", "v": "m/s"}
    inputs = {"force": "N"}
    disturbances = {"wind": "N"}
    outputs = {"power": "W", "position": "m"}
    parameters = {"mass": (1.0, 3.0), "period": 0.5}
    ranges = {"wind": (-1.0, 1.0)}
    dt = 0.5

    def dynamics(self, x: Any, u: Any, w: Any, p: Any) -> Any:
        return x[0] + p["period"] * x[1], x[1] + p["period"] * (u[0] + w[0]) / p["mass"]

    def output(self, x: Any, u: Any) -> Any:
        return u[0] * x[1], x[0]


def test_a_pendulum_in_ten_lines() -> None:
    plant = Pendulum()
    assert (plant.state_size, plant.input_size, plant.disturbance_size, plant.output_size) == (2, 1, 0, 0)
    assert plant.name == "Pendulum"
    assert not plant.is_discrete
    x, u = np.array([[0.3, -1.0], [2.0, 0.5]]), np.array([[0.1], [0.2]])
    expected = np.stack([x[:, 1], 2 * np.sin(x[:, 0]) + 8 * u[:, 0]], axis=1)
    np.testing.assert_allclose(plant.vector_field(x, u), expected, rtol=1e-15)
    tensors = plant.vector_field(torch.from_numpy(x), torch.from_numpy(u))
    np.testing.assert_allclose(tensors.numpy(), expected, rtol=1e-15)
    np.testing.assert_allclose(plant.jacobian(x, u)[1], [[0, 1, 0], [2 * np.cos(2.0), 0, 8]], rtol=1e-15)
    assert plant.measure(x, u).shape == (2, 0)
    assert pickle.loads(pickle.dumps(plant)).tape == plant.tape  # noqa: S301 (our own bytes)
    assert not plant.is_affine()
    with pytest.raises(UnsupportedError, match=r"'Pendulum': the dynamics are not affine.*operation 'sin'"):
        plant.affine()
    with pytest.raises(UnsupportedError, match="'Pendulum' is continuous and has no step"):
        plant.step(x, u)


def test_a_discrete_plant_with_everything() -> None:
    plant = Cart()
    x, u, w = np.array([1.0, 2.0]), np.array([4.0]), np.array([0.5])
    np.testing.assert_allclose(plant.step(x, u), [2.0, 3.0])
    np.testing.assert_allclose(plant.step(x, u, w), [2.0, 3.125])
    np.testing.assert_allclose(plant.step(x, u, w, [1.0, 0.5]), [2.0, 4.25])
    np.testing.assert_allclose(plant.measure(x, u), [8.0, 1.0])
    np.testing.assert_array_equal(plant.nominal_parameters, [2.0, 0.5])
    assert plant.jacobian(np.ones((3, 4, 2)), u).shape == (3, 4, 2, 4)
    with pytest.raises(UnsupportedError, match="'Cart' is discrete and has no vector field"):
        plant.vector_field(x, u)
    with pytest.raises(UnsupportedError, match="operation 'product'"):
        plant.affine()


def test_one_object_may_override_one_parameter_and_range() -> None:
    plant = Cart(parameters={"mass": 2.0}, ranges={"p": (0.0, 10.0)}, dt=0.1)
    np.testing.assert_array_equal(np.array(plant.parameter_bounds), [[2.0, 0.5], [2.0, 0.5]])
    assert plant.ranges == {"wind": (-1.0, 1.0), "p": (0.0, 10.0)}
    assert plant.dt == 0.1
    assert Cart().parameters["mass"] == (1.0, 3.0)
    with pytest.raises(UnknownNameError, match="unknown parameter of 'Cart' 'mas'; did you mean 'mass'"):
        Cart(parameters={"mas": 1.0})
    with pytest.raises(UnknownNameError, match="did you mean 'wind'"):
        Cart(ranges={"winds": (0.0, 1.0)})


class Affine(Cart):
    outputs = {"momentum": "N s"}

    def output(self, x: Any, p: Any) -> Any:
        return (p["mass"] * x[1] + 1,)


def test_affine_matrices_and_radii() -> None:
    dynamics = Affine().affine()
    np.testing.assert_array_equal(dynamics.A, [[1, 0.5], [0, 1]])
    np.testing.assert_allclose(dynamics.B, [[0], [(0.5 + 0.5 / 3) / 2]])
    np.testing.assert_array_equal(dynamics.B, dynamics.E)
    np.testing.assert_array_equal(dynamics.c, [0, 0])
    assert dynamics.state.weight_radius is not None
    np.testing.assert_allclose(dynamics.state.weight_radius[1], [0, 0, 1 / 6, 1 / 6])
    assert not dynamics.state.weight_radius[0].any()
    assert dynamics.output is not None
    np.testing.assert_array_equal(dynamics.output.weight, [[0, 2, 0, 0]])
    assert dynamics.output.bias.tolist() == [1.0]
    assert Affine(parameters={"mass": 2.0}).affine().state.is_exact


def test_casadi_function_serves_models() -> None:
    function = Cart().casadi_function()
    value = function([1.0, 2.0], 4.0, 0.5, [2.0, 0.5])
    np.testing.assert_allclose(np.array(value).ravel(), [2.0, 3.125])


def broken(dynamics: Any, **attributes: Any) -> type[Plant]:
    base = {"states": {"a": "m", "b": "m"}, "inputs": {"u": "N"}, "dynamics": dynamics}
    return type("Broken", (Plant,), base | attributes)


@pytest.mark.parametrize(
    ("dynamics", "message"),
    [
        (lambda self, x, u: (x[0],), r"'dynamics' of 'Broken' returns 1 expressions for 2 names \(a, b\)"),
        (lambda self, x, u: (x[0], "b"), "returns 'b' among its expressions"),
        (lambda self, x, u: (x[0], x), "every entry must be a scalar"),
        (lambda self, x, u: None, "returns NoneType; return a tuple"),
        (lambda self, x, u: (x[0], x[7]), "cannot be evaluated on CasADi expressions .*valid indices"),
        (lambda self, x, u: (x[0], 1 if x[0] > 0 else 0), "no if on signals"),
        (lambda self, x, y: (x[0], y), "takes an argument 'y'; name its arguments among x, u, w, p"),
        (lambda self, x, u, p: (x[0], p["mass"]), "unknown parameter of 'Broken' 'mass'"),
        (lambda self, x, u: list(x), r"cannot be evaluated .*\(CasADi matrices are not iterable by design\)"),
        (lambda self, x, u: (x[0], x["b"]), r"for overloaded function 'SX_get', You have: '\(SX,bool,str\)'"),
        (lambda self, x, u: (x[0], x.b), "'SX' object has no attribute 'b'"),
        (lambda self, x, u: (x[0], 1 / 0), "division by zero"),
        (lambda self, x, u: (x[0], casadi.SX.sym("g")), "'Broken_dynamics' contains the free variable g"),
        (lambda self, x, u: (x[0], math.sin(x[0])), "constant nan; use finite numbers, and casadi's functions"),
        (lambda self, x, u: (x[0], casadi.MX.sym("m")), "every entry must be a scalar"),
    ],
)
def test_mistakes_in_dynamics_are_one_sentence(dynamics: Any, message: str) -> None:
    plant = broken(dynamics)()
    with pytest.raises(InputError, match=message) as caught:
        _ = plant.tape
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"dt": "0.1"}, "dt of 'Broken' is 0.1; give 0.0 for continuous time"),
        ({"parameters": ("mass",)}, r"parameters of 'Broken' are \('mass',\); give a dictionary"),
        ({"inputs": {"a": "N"}}, "has the name 'a' among its states and its inputs; names must differ"),
        ({"states": {}}, "declares no states"),
        ({"states": {"a": ""}}, "states of 'Broken' contain 'a': ''; give a name and a unit"),
        ({"states": ["a", "b"]}, "give a dictionary of names and units"),
        ({"parameters": {"k": (2.0, 1.0)}}, r"'k' of 'Broken' is \(2.0, 1.0\); give finite numbers with low <= high"),
        ({"parameters": {"k": math.nan}}, "give finite numbers"),
        ({"parameters": {"k": "heavy"}}, "'k' of 'Broken' is 'heavy'; give a number or a pair"),
        ({"dt": -1.0}, "dt of 'Broken' is -1.0"),
        ({"outputs": {"y": "m"}}, "only one of `outputs`"),
    ],
)
def test_mistakes_in_declarations_are_told_at_once(attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        broken(lambda self, x, u: (x[0], x[1]), **attributes)()


def test_constants_and_columns_are_allowed() -> None:
    class Still(Plant):
        states = {"a": "m", "b": "m"}
        dt = 1.0

        def dynamics(self, x: Any) -> Any:
            return casadi.vertcat(x[0], 2)

    np.testing.assert_array_equal(Still().step(np.ones((3, 2)), np.zeros(0)), [[1, 2]] * 3)


def test_signals_may_be_constructor_arguments() -> None:
    class Chain(Plant):
        dt = 1.0

        def dynamics(self, x: Any, u: Any) -> Any:
            rows = x.numel()
            return tuple(x[k + 1] if k + 1 < rows else u[0] for k in range(rows))

    plant = Chain(states={"a": "1", "b": "1", "c": "1"}, inputs={"u": "1"})
    np.testing.assert_array_equal(plant.affine().A, np.eye(3, k=1))
