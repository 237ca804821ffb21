"""Unrolling: K blocks that are K steps, exactly."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from nnctrl.errors import InputError
from nnctrl.networks.activations import Relu, Tanh
from nnctrl.networks.layers import Affine
from nnctrl.networks.network import Network
from nnctrl.systems.composer import compose
from nnctrl.systems.controller import Controller
from nnctrl.systems.linear_plant import LinearPlant
from nnctrl.systems.unroll import unroll
from tests.systems.loops import EVERYTHING, ExactLoop, Parts, contains, network_ranges, random_loop, rational

variants = pytest.mark.parametrize("parts", [Parts(), Parts(disturbance=True, outputs=True), EVERYTHING])


@variants
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_unrolled_equals_repeated_step(parts: Parts, steps: int) -> None:
    plant, controller = random_loop(parts, Tanh())
    step = compose(plant, controller).step
    network = unroll(step, steps)
    assert len(network.blocks) == steps
    rng = np.random.default_rng(0)
    z0 = rng.normal(size=(7, step.state_size))
    d = rng.uniform(-0.1, 0.1, (7, steps, step.disturbance_size))
    z, u, y = z0, None, None
    for k in range(steps):
        z, u, y = step(z, d[:, k])
    assert u is not None
    assert y is not None
    result = network(np.concatenate([z0, d.reshape(7, -1)], axis=1))
    np.testing.assert_allclose(result, np.concatenate([z, u, y], axis=1), rtol=1e-12, atol=1e-13)


def test_unrolled_radii_contain_the_exact_loop() -> None:
    plant, controller = random_loop(EVERYTHING, Relu(), 4)
    loop = compose(plant, controller)
    rng = np.random.default_rng(0)
    assert loop.step.disturbance is not None
    d = loop.step.disturbance.sample(rng, 3)
    exact = ExactLoop(plant, controller, rational(rng.normal(size=3)))
    start = [*exact.z, *rational(d.ravel())]
    for sample in d:
        u, y = exact.step(*map(rational, loop.split_disturbance(sample)))
    assert contains(network_ranges(unroll(loop.step, 3), start), [*exact.z, *u, *y])


def test_no_new_rounding() -> None:
    plant, controller = random_loop(Parts(disturbance=True), Tanh())
    step = compose(plant, controller).step
    last = unroll(step, 3).blocks[-1]
    for ours, theirs in zip(last.affines, step.network.blocks[0].affines, strict=True):
        np.testing.assert_array_equal(ours.weight, theirs.weight)


def test_affine_loops_unroll_too() -> None:
    plant = LinearPlant([[0.5]], [[1.0]], E=[[1.0]], ranges={"w1": (-1.0, 1.0)}, dt=1.0)
    step = compose(plant, Controller(Network.from_layers([[[-0.25]]], [[0.0]], []))).step
    network = unroll(step, 2)
    np.testing.assert_array_equal(network(np.array([4.0, 1.0, 3.0])), [0.25 * 2.0 + 3.0, -0.5])
    with_skip = dataclasses.replace(
        step,
        network=Network(
            (dataclasses.replace(step.network.blocks[0], feedthrough=Affine.linear([[1.0, 0.0], [0.0, 0.0]])),)
        ),
    )
    np.testing.assert_array_equal(unroll(with_skip, 2)(np.array([4.0, 1.0, 3.0])), [1.25 * 6.0 + 3.0, -1.5])


def test_steps_are_checked() -> None:
    plant, controller = random_loop(Parts(), Tanh())
    with pytest.raises(InputError, match="over 0 steps; give 1 or more"):
        unroll(compose(plant, controller).step, 0)
