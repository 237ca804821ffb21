"""The composed step is the closed loop: as simulated, and within its radii exactly."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest

from nnctrl.errors import AlgebraicLoopError, DimensionError, InputError
from nnctrl.networks.activations import Relu, Tanh
from nnctrl.networks.layers import Affine
from nnctrl.networks.network import Network, Origin
from nnctrl.sets.box import Box
from nnctrl.systems.affine_form import AffineForm, Range
from nnctrl.systems.composer import compose
from nnctrl.systems.controller import Controller, Memory
from nnctrl.systems.linear_plant import LinearPlant
from nnctrl.systems.plant import Plant
from nnctrl.systems.simulation import simulate
from nnctrl.systems.unroll import unroll
from tests.systems.loops import (
    EVERYTHING,
    ExactLoop,
    Parts,
    contains,
    exact_network,
    network_ranges,
    random_loop,
    rational,
    strip_radii,
)

VARIANTS = [
    Parts(),
    Parts(disturbance=True, outputs=True),
    Parts(observation=True, noise=True),
    Parts(noise=True),
    Parts(output=True, saturation=True),
    Parts(memory=True, noise=True),
    *(Parts(delay=delay, disturbance=True, saturation=True) for delay in (1, 2, 3)),
    Parts(outputs=True, observes="outputs"),
    Parts(outputs=True, observes="outputs", delay=1, memory=True, disturbance=True),
    EVERYTHING,
]
variants = pytest.mark.parametrize("parts", VARIANTS, ids=lambda p: ",".join(k for k, v in vars(p).items() if v))


@variants
def test_composed_step_equals_simulation(parts: Parts) -> None:
    plant, controller = random_loop(parts, Tanh())
    loop = compose(plant, controller)
    rng = np.random.default_rng(1)
    batch, steps = 6, 8
    x0 = rng.normal(size=(batch, plant.state_size))
    d = np.zeros((batch, steps, 0))
    if loop.step.disturbance is not None:
        d = loop.step.disturbance.sample(rng, batch * steps).reshape(batch, steps, -1)
    w, noise = loop.split_disturbance(d)
    truth = simulate(plant, controller, x0, steps, w, noise if parts.noise else None)
    z = z0 = loop.start(x0)
    results = []
    for k in range(steps):
        results.append(np.concatenate(loop.step(z, d[:, k]), axis=-1))
        z = results[-1][:, : loop.step.state_size]
    composed = loop.trajectory(z0, np.stack(results, axis=1), d)
    for name in ("t", "x", "u", "y"):
        ours, theirs = getattr(composed, name), getattr(truth, name)
        assert ours.shape == theirs.shape
        assert np.max(abs(ours - theirs), initial=0.0) <= 1e-12 * max(1.0, np.max(abs(theirs), initial=0.0))


@variants
@pytest.mark.parametrize("seed", [0, 1])
def test_radii_contain_the_exact_loop(parts: Parts, seed: int) -> None:
    plant, controller = random_loop(parts, Relu(), seed)
    loop = compose(plant, controller)
    rng = np.random.default_rng(seed)
    scale = [1.0, 1e-8, 1e6][seed % 3]
    misses = 0
    for _ in range(4):
        exact = ExactLoop(plant, controller, rational(scale * rng.normal(size=plant.state_size)))
        for _ in range(3):
            d = loop.step.disturbance.sample(rng, 1)[0] if loop.step.disturbance is not None else np.zeros(0)
            w, noise = map(rational, loop.split_disturbance(d))
            before = [*exact.z, *rational(d)]
            u, y = exact.step(w, noise)
            truth = [*exact.z, *u, *y]
            assert contains(network_ranges(loop.step.network, before), truth)
            misses += not contains(network_ranges(strip_radii(loop.step.network), before), truth)
    # the radii are needed where B W is multiplied out; a saturated or delayed input reaches B exactly
    assert misses > 0 or parts.saturation


def test_everything_around_one_network_is_one_block() -> None:
    plant, controller = random_loop(EVERYTHING, Tanh())
    step = compose(plant, controller).step
    assert len(step.network.blocks) == 1
    block = step.network.blocks[0]
    # two hidden layers and the saturation, nothing else, and no lane passes by
    assert [layer.size for layer in block.activations] == [5, 4, 2]
    assert all(len(layer.nonlinear_lanes) == layer.size for layer in block.activations)


def test_plain_loop_keeps_plant_and_first_layer_exact() -> None:
    plant, controller = random_loop(Parts(disturbance=True), Tanh())
    block = compose(plant, controller).step.network.blocks[0]
    n, m = plant.state_size, plant.input_size
    assert block.feedthrough is not None
    assert block.feedthrough.is_exact
    assert block.affines[0].is_exact
    dynamics = plant.affine()
    np.testing.assert_array_equal(block.feedthrough.weight[:n], np.hstack([dynamics.A, dynamics.E]))
    np.testing.assert_array_equal(block.affines[-1].weight[n:], controller.network.blocks[0].affines[-1].weight)
    assert block.affines[-1].weight_radius is not None
    np.testing.assert_array_equal(block.affines[-1].weight_radius[n : n + m], 0.0)


class UncertainMass(Plant):
    """A mass known to ten percent, pushed by a disturbed force."""

    states = {"p": "m", "v": "m/s"}
    inputs = {"force": "N"}
    disturbances = {"wind": "N"}
    outputs = {"momentum": "N s"}
    parameters = {"mass": (0.9, 1.1), "drag": 0.3, "tilt": (0.1, 0.2)}
    ranges = {"wind": (-0.1, 0.1)}
    dt = 0.1

    def dynamics(self, x: Any, u: Any, w: Any, p: Any) -> Any:
        return x[0] + 0.1 * x[1], x[1] + 0.1 * (u[0] + w[0] - p["drag"] * x[1]) / p["mass"] + 0.1 * p["tilt"]

    def output(self, x: Any, p: Any) -> Any:
        return (p["mass"] * x[1] - p["tilt"],)


def test_interval_parameters_widen_the_radii() -> None:
    plant = UncertainMass()
    rng = np.random.default_rng(0)
    controller = Controller(
        Network.from_layers([rng.normal(size=(4, 2)), rng.normal(size=(1, 4))], [np.zeros(4), np.zeros(1)], Relu())
    )
    whole = compose(plant, controller).step.network
    for mass in [0.9, 1.1, *rng.uniform(0.9, 1.1, 5)]:
        fixed = compose(UncertainMass(parameters={"mass": float(mass)}), controller).step.network
        for _ in range(5):
            point = rational(rng.normal(size=3))
            inner, outer = network_ranges(fixed, point), network_ranges(whole, point)
            assert all(a <= low and high <= b for (low, high), (a, b) in zip(inner, outer, strict=True))


@pytest.mark.parametrize(("mass", "tilt"), [(0.9, 0.1), (1.0, 0.2), (1.07, 0.13), (1.1, 0.2)])
def test_interval_parameters_contain_the_exact_loop(mass: float, tilt: float) -> None:
    plant = UncertainMass()
    rng = np.random.default_rng(1)
    controller = Controller(
        Network.from_layers([rng.normal(size=(4, 2)), rng.normal(size=(1, 4))], [np.zeros(4), np.zeros(1)], Relu())
    )
    step = compose(plant, controller).step
    for _ in range(5):
        x, w = rational(rng.normal(size=2)), rational(rng.uniform(-0.1, 0.1, 1))
        u = exact_network(controller.network, x)
        arguments = [x, u, w, rational([mass, 0.3, tilt])]
        forms = [[AffineForm(Range(v, v)) for v in argument] for argument in arguments]
        truth = [
            form.offset.low for tape in (plant.tape, plant.output_tape) for form in tape.evaluate(forms)[0].values()
        ]
        ranges = network_ranges(step.network, [*x, *w])
        assert contains(ranges, [*truth[:2], *u, truth[2]])


def test_names_and_rows() -> None:
    plant, controller = random_loop(EVERYTHING, Tanh())
    loop = compose(plant, controller)
    step = loop.step
    queue = tuple(f"u{j}.queued{k}" for k, j in itertools.product((1, 2), (1, 2)))
    assert step.state_names == ("x1", "x2", "x3", *queue, "memory1", "memory2")
    assert step.input_names == ("u1", "u2")
    assert step.output_names == ("y1", "y2")
    assert step.disturbance_names == ("w1", "w2", "noise1", "noise2")
    assert step.row("u1") == step.state_size
    assert step.row("y2") == step.state_size + 3
    with pytest.raises(InputError, match="did you mean 'y2'"):
        step.row("y22")
    assert step.disturbance is not None
    np.testing.assert_array_equal(step.disturbance.lower, [-0.5, -0.5, -0.1, -0.1])


def test_refusals_name_the_rule() -> None:
    network = Network.from_layers([np.eye(2)], [np.zeros(2)], [])
    continuous = LinearPlant(np.eye(2), np.eye(2))
    with pytest.raises(InputError, match="'LinearPlant' is continuous; give the controller a period"):
        compose(continuous, Controller(network))
    windy = LinearPlant(np.eye(2), np.eye(2), E=np.eye(2), dt=1.0)
    with pytest.raises(InputError, match="disturbance 'w1' of 'LinearPlant' has no range"):
        compose(windy, Controller(network))
    plant = LinearPlant(np.eye(2), np.eye(2), dt=1.0)
    with pytest.raises(InputError, match=r"period is 0.5 s but the dt of 'LinearPlant' is 1.0 s"):
        compose(plant, Controller(network, period=0.5))
    with pytest.raises(DimensionError, match=r"reads 3 values but 'LinearPlant' has 2 states \(x1, x2\)"):
        compose(plant, Controller(network, observation=Affine(np.ones((2, 3)), np.zeros(2))))
    with pytest.raises(DimensionError, match=r"commands 1 inputs but 'LinearPlant' has 2"):
        compose(plant, Controller(network, output=Affine([[1.0, 1.0]], [0.0])))
    with pytest.raises(InputError, match="observes outputs but 'LinearPlant' declares none"):
        compose(plant, Controller(network, observes="outputs"))
    through = LinearPlant(np.eye(2), np.eye(2), C=np.eye(2), D=np.eye(2), dt=1.0)
    with pytest.raises(
        AlgebraicLoopError, match=r"the output 'y1' of 'LinearPlant' .* y1 -> controller -> u1, u2 -> y1"
    ):
        compose(through, Controller(network, observes="outputs"))
    compose(through, Controller(network, observes="outputs", delay=1))


def test_the_origin_of_the_controllers_network_is_kept() -> None:
    plant, controller = random_loop(EVERYTHING, Tanh())
    origin = Origin("controller.onnx", "ab" * 32)
    known = dataclasses.replace(controller, network=dataclasses.replace(controller.network, origin=origin))
    step = compose(plant, known).step
    assert step.network.origin == origin
    assert unroll(step, 2).origin == origin


def test_wide_noise_and_no_disturbance_box() -> None:
    plant, controller = random_loop(Parts(), Tanh())
    assert compose(plant, controller).step.disturbance is None
    noisy = Controller(controller.network, noise=Box(-np.ones(3), np.ones(3)))
    box = compose(plant, noisy).step.disturbance
    assert box is not None
    assert box.dim == 3


class Accelerometer(Plant):
    """Position and acceleration are measured; the acceleration follows the input at once."""

    states = {"p": "m", "v": "m/s"}
    inputs = {"u": "m/s^2"}
    outputs = {"position": "m", "acceleration": "m/s^2"}
    parameters = {"direct": 0.0}
    dt = 0.1

    def dynamics(self, x: Any, u: Any) -> Any:
        return x[0] + 0.1 * x[1], x[1] + 0.1 * u[0]

    def output(self, x: Any, u: Any, p: Any) -> Any:
        return x[0] + p["direct"] * u[0], u[0]


@pytest.mark.parametrize("gain", [1.0, 0.3], ids=["selection", "scaled"])
def test_an_output_that_is_not_observed_may_depend_on_the_input(gain: float) -> None:
    network = Network.from_layers([np.ones((3, 1)), np.ones((1, 3))], [np.zeros(3), np.zeros(1)], Tanh())
    controller = Controller(network, observation=Affine.linear([[gain, 0.0]]), observes="outputs")
    loop = compose(Accelerometer(), controller)
    x0 = np.array([[0.3, -0.2]])
    z, u, y = loop.step(x0)
    found = simulate(loop.plant, controller, x0, 1)
    np.testing.assert_allclose(z, found.x[:, 1], atol=1e-15)
    np.testing.assert_allclose(u, found.u[:, 0], atol=1e-15)
    np.testing.assert_allclose(y, found.y[:, 0], atol=1e-15)
    with pytest.raises(AlgebraicLoopError, match=r"the output 'acceleration' .* acceleration -> controller -> u"):
        compose(Accelerometer(), Controller(network, observation=Affine.linear([[1.0, 1.0]]), observes="outputs"))
    with pytest.raises(AlgebraicLoopError, match="the output 'position'"):
        compose(Accelerometer(parameters={"direct": 0.5}), controller)


def test_names_of_delay_lines_and_memories_must_not_meet_the_plants() -> None:
    plant = LinearPlant(np.eye(1), np.eye(1), states=["memory1"], dt=1.0)
    network = Network.from_layers([np.ones((1, 2))], [np.zeros(1)], [])
    with pytest.raises(InputError, match="two signals named 'memory1'; rename the one of the plant"):
        compose(plant, Controller(network, memory=Memory([[1.0]], [[1.0]])))


def test_the_wrong_things_are_named() -> None:
    plant = LinearPlant(np.eye(1), np.eye(1), dt=1.0)
    network = Network.from_layers([np.ones((1, 1))], [np.zeros(1)], [])
    with pytest.raises(InputError, match="the controller is a Network; give a Controller object"):
        compose(plant, network)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="the plant is the class Accelerometer; give a Plant object"):
        compose(Accelerometer, Controller(network))  # type: ignore[arg-type]
