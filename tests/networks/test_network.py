"""Blocks and networks: evaluation, sizes, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from nnctrl.errors import DimensionError, InputError
from nnctrl.networks.activations import Relu, Tanh
from nnctrl.networks.layers import ActivationLayer, Affine
from nnctrl.networks.network import Block, Network, Origin

RNG = np.random.default_rng(0)
W, V, A = RNG.normal(size=(4, 2)), RNG.normal(size=(3, 4)), RNG.normal(size=(3, 2))
B, C = RNG.normal(size=4), RNG.normal(size=3)


def test_evaluation() -> None:
    network = Network.from_layers([W, V], [B, C], Tanh(), feedthrough=A, origin=Origin("test"))
    x = RNG.normal(size=(5, 7, 2))
    assert network(x) == pytest.approx(np.tanh(x @ W.T + B) @ V.T + C + x @ A.T, abs=1e-13)
    assert network([0.0, 0.0]).shape == (3,)
    assert (network.in_size, network.out_size) == (2, 3)
    assert network.architecture() == "2-4-3 tanh + feedthrough"
    assert network.origin == Origin("test", "")


def test_blocks_are_composed() -> None:
    first, second = Network.from_layers([W, V], [B, C], Relu()), Network.from_layers([np.eye(3)], [C], [Tanh()])
    network = Network((*first.blocks, *second.blocks))
    x = RNG.normal(size=(6, 2))
    assert np.array_equal(network(x), second(first(x)))
    assert network.architecture() == "2-4-3 relu | 3-3-3 tanh"


def test_activations_by_layer() -> None:
    network = Network.from_layers([W, V], [B, C], [Relu(), Tanh()])
    assert network.architecture() == "2-4-3-3 relu/tanh"
    x = RNG.normal(size=(6, 2))
    assert network(x) == pytest.approx(np.tanh(np.maximum(x @ W.T + B, 0.0) @ V.T + C), abs=1e-14)
    assert Network.from_layers([W], [B], Tanh()).architecture() == "2-4 affine"


def test_refuses_sizes_that_do_not_fit() -> None:
    with pytest.raises(DimensionError, match="2 weight matrices come with 1 bias vectors"):
        Network.from_layers([W, V], [B], Tanh())
    with pytest.raises(DimensionError, match="0 weight matrices"):
        Network.from_layers([], [], Tanh())
    with pytest.raises(DimensionError, match="3 activations come with 1 hidden layers; give 1 or 2"):
        Network.from_layers([W, V], [B, C], [Tanh()] * 3)
    with pytest.raises(DimensionError, match="layer 0 gives 4 values to an activation of 4 lanes"):
        Network.from_layers([W, W], [B, B], Tanh())
    with pytest.raises(DimensionError, match="feedthrough maps 4 to 3 values, the layers 2 to 3"):
        Network.from_layers([W, V], [B, C], Tanh(), feedthrough=V)
    with pytest.raises(DimensionError, match="one affine layer more than activation layers"):
        Block((Affine.identity(2),), (ActivationLayer(((Tanh(), 2),)),))
    with pytest.raises(InputError, match="needs at least one block"):
        Network(())
    block = Block((Affine(W, B),), ())
    with pytest.raises(DimensionError, match="block 0 has 4 outputs but block 1 takes 2 inputs"):
        Network((block, block))
    with pytest.raises(DimensionError, match=r"takes 2 inputs but was given an array of shape \(3,\); its last axis"):
        Network((block,))(np.zeros(3))
