"""Every registered bound contains the real function, with zero tolerance."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from nnctrl import registry
from nnctrl.bounds.base import AbstractBound
from nnctrl.bounds.view import NetworkView
from nnctrl.networks.activations import Identity, Relu, Sigmoid, Tanh
from nnctrl.networks.layers import ActivationLayer, Affine
from nnctrl.networks.network import Block, Network
from nnctrl.sets.zonotope import Zonotope
from nnctrl.systems.absorb import absorb
from tests.bounds.containment import assert_contains, assert_contains_rotated, network_for
from tests.random_networks import random_box

BOUNDS: list[AbstractBound] = [registry.load("bounds", name)() for name in registry.names("bounds")]


@pytest.mark.parametrize("bound", BOUNDS, ids=lambda b: type(b).__name__)
@pytest.mark.parametrize("seed", range(60))
def test_bound_contains_the_function(bound: AbstractBound, seed: int) -> None:
    rng = np.random.default_rng(seed)
    assert_contains(bound, network_for(bound, rng), rng)


@pytest.mark.parametrize("bound", BOUNDS, ids=lambda b: type(b).__name__)
@pytest.mark.parametrize("seed", range(20))
def test_bound_contains_several_blocks(bound: AbstractBound, seed: int) -> None:
    rng = np.random.default_rng(1000 + seed)
    assert_contains(bound, network_for(bound, rng, blocks=3, scale=0.8), rng)


@pytest.mark.parametrize("bound", BOUNDS, ids=lambda b: type(b).__name__)
@pytest.mark.parametrize("seed", range(40))
def test_bound_contains_the_function_over_rotated_boxes(bound: AbstractBound, seed: int) -> None:
    """In the coordinates of a rotated box, flat, tiny or far out, with the absorbed first layer."""
    rng = np.random.default_rng(2000 + seed)
    network = network_for(bound, rng)
    lower, upper = random_box(rng, network.in_size)
    rotation, _ = np.linalg.qr(rng.normal(size=(network.in_size, network.in_size)))
    zonotope = Zonotope(0.5 * (lower + upper), rotation * (0.5 * (upper - lower)))
    absorbed = absorb(network, zonotope)
    assert_contains_rotated(bound, network, absorbed, zonotope.centre, zonotope.generators, rng)


@pytest.mark.parametrize("bound", BOUNDS, ids=lambda b: type(b).__name__)
def test_a_point_box_is_bounded_almost_exactly(bound: AbstractBound) -> None:
    rng = np.random.default_rng(5)
    network = network_for(bound, rng, scale=1.0)
    x = rng.normal(size=(1, network.in_size))
    d = rng.normal(size=(1, network.out_size))
    found = bound.upper(NetworkView.of(network), torch.tensor(x), torch.tensor(x), torch.tensor(d))
    value = float((network(x) * d).sum())
    assert value <= float(found.upper) <= value + 1e-12


@pytest.mark.parametrize("bound", BOUNDS, ids=lambda b: type(b).__name__)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_inf_prove_nothing(bound: AbstractBound, bad: float) -> None:
    network = network_for(bound, np.random.default_rng(3), scale=1.0)
    lower = torch.zeros(1, network.in_size, dtype=torch.float64)
    upper = lower + bad
    direction = torch.ones(1, network.out_size, dtype=torch.float64)
    found = float(bound.upper(NetworkView.of(network), lower, upper, direction).upper)
    assert not np.isfinite(found)


@pytest.mark.parametrize("bound", BOUNDS, ids=lambda b: type(b).__name__)
@pytest.mark.parametrize("seed", range(20))
def test_a_box_is_bounded_alike_alone_and_beside_one_that_overflows(bound: AbstractBound, seed: int) -> None:
    """Nothing that happens to one entry of a batch may reach another, layers with identity lanes included."""
    rng = np.random.default_rng(3000 + seed)
    network = mixed_network(bound, rng)
    view = NetworkView.of(network)
    lower, upper = (torch.tensor(part[None]) for part in random_box(rng, network.in_size))
    direction = torch.tensor(rng.normal(size=(1, network.out_size)))
    alone = bound.upper(view, lower, upper, direction).upper
    broken = torch.full_like(lower, float(rng.choice([np.nan, np.inf, 1e308])))
    boxes = torch.cat([broken, lower]), torch.cat([broken, upper])
    together = bound.upper(view, *boxes, direction.expand(2, -1)).upper
    torch.testing.assert_close(together[1:], alone, rtol=1e-12, atol=1e-300)


def mixed_network(bound: AbstractBound, rng: np.random.Generator) -> Network:
    """Hidden layers with nonlinear lanes before and behind identity ones: two with a ReLU, two smooth ones, or one,
    whatever `bound` treats first.
    """
    identity = (Identity(), 1)
    first = ActivationLayer(((Tanh(), 2), identity))
    for layers in (
        (first, ActivationLayer((identity, (Relu(), 1)))),
        (first, ActivationLayer((identity, (Sigmoid(), 1)))),
        (first,),
    ):
        sizes = [2, *(layer.size for layer in layers), 1]
        affines = [Affine(rng.normal(size=(b, a)), rng.normal(size=b)) for a, b in itertools.pairwise(sizes)]
        network = Network((Block(tuple(affines), layers),))
        if bound.objection(NetworkView.of(network)) is None:
            break
    return network


@pytest.mark.parametrize("bound", BOUNDS, ids=lambda b: type(b).__name__)
def test_an_empty_batch_is_no_work(bound: AbstractBound) -> None:
    view = NetworkView.of(mixed_network(bound, np.random.default_rng(0)))
    nothing = torch.zeros(0, 2, dtype=torch.float64)
    found = bound.upper(view, nothing, nothing, torch.zeros(0, 1, dtype=torch.float64))
    assert (found.upper.shape, found.slope.shape, found.blame.shape) == ((0,), (0, 2), (0, 2))
