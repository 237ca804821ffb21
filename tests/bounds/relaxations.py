"""What the tests of the linear relaxations share: harder networks than ordinary ones, and gradients."""

from __future__ import annotations

import itertools

import numpy as np
import torch

from nnctrl.bounds.base import AbstractBound
from nnctrl.bounds.view import AffineView, BlockView, NetworkView
from nnctrl.networks.activations import Activation, Relu
from nnctrl.networks.layers import ActivationLayer, Affine
from nnctrl.networks.network import Block, Network
from tests.random_networks import KINDS, random_layer

SIZES = (2, 6, 5, 2)


def plain_network(activation: Activation, seed: int = 0, sizes: tuple[int, ...] = SIZES, gain: float = 1.0) -> Network:
    """One activation throughout, weights of variance gain^2 / fan-in."""
    rng = np.random.default_rng(seed)
    weights = [gain * rng.normal(size=(b, a)) / np.sqrt(a) for a, b in itertools.pairwise(sizes)]
    return Network.from_layers(weights, [0.3 * rng.normal(size=len(w)) for w in weights], activation)


def harsh_network(rng: np.random.Generator) -> Network:
    """Two hidden layers with weights from 1e-3 to 1e3, saturated neurons, and ReLUs that are dead or always on."""
    size = int(rng.integers(1, 4))
    widths = [size, int(rng.integers(2, 6)), int(rng.integers(2, 6)), int(rng.integers(1, 3))]
    affines, layers = [], []
    for fan_in, fan_out in itertools.pairwise(widths):
        weight = rng.normal(size=(fan_out, fan_in)) * 10.0 ** rng.integers(-3, 4, size=(fan_out, 1)).astype(float)
        bias = rng.normal(size=fan_out) * 10.0 ** rng.integers(-2, 4, size=fan_out).astype(float)
        affines.append(Affine(weight, bias))
        kind = KINDS[int(rng.integers(len(KINDS)))]
        layers.append(ActivationLayer(((kind, fan_out - 1), (Relu(), 1))) if fan_out > 1 else random_layer(rng, 1))
    skip = Affine(rng.normal(size=(widths[-1], size)), rng.normal(size=widths[-1])) if rng.random() < 0.5 else None
    return Network((Block(tuple(affines), tuple(layers[:-1]), skip),))


def assert_gradients_are_differences(bound: AbstractBound, activation: Activation, seed: int = 0) -> None:
    """Gradients with respect to box, direction, weights and biases agree with central finite differences."""
    block = NetworkView.of(plain_network(activation, seed)).blocks[0]
    tensors = [part.clone().requires_grad_(True) for a in block.affines for part in (a.weight, a.bias)]
    edges = ([[-0.21, -0.13]], [[0.32, 0.25]], [[0.6, -1.1]])
    box = [torch.tensor(edge, dtype=torch.float64, requires_grad=True) for edge in edges]

    def value(*parts: torch.Tensor) -> torch.Tensor:
        affines = tuple(AffineView(w, b) for w, b in zip(parts[:-3:2], parts[1:-3:2], strict=True))
        return bound.upper(NetworkView((BlockView(affines, block.activations),)), *parts[-3:]).upper

    assert torch.autograd.gradcheck(value, [*tensors, *box], eps=1e-6, atol=1e-5)


def mean_gaps(bounds: tuple[AbstractBound, ...], activation: Activation, radius: float, count: int = 40) -> np.ndarray:
    """Geometric means of the gaps above the largest sampled value, over random 3-16-16-2 networks and boxes, each
    relative to the last bound's.
    """
    ratios = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        view = NetworkView.of(plain_network(activation, seed, (3, 16, 16, 2), 1.5))
        centre = torch.tensor(rng.normal(size=(1, 3)))
        direction = torch.tensor(rng.normal(size=(1, 2)))
        points = centre + radius * torch.tensor(rng.choice([-1.0, 0.0, 1.0], size=(2000, 3)))
        best = (view(points) @ direction[0]).max()
        gaps = [float(b.upper(view, centre - radius, centre + radius, direction).upper - best) for b in bounds]
        ratios.append(np.log(np.array(gaps) / gaps[-1]))
    return np.exp(np.mean(ratios, 0))
