"""A network in the making: parameters that an optimiser moves, in scaled coordinates of states and inputs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from nnctrl._typing import FloatArray
from nnctrl.bounds.view import AffineView, BlockView, NetworkView, tensor
from nnctrl.errors import UnsupportedError
from nnctrl.learning.task import Task
from nnctrl.networks.activations import Activation, Tanh
from nnctrl.networks.layers import ActivationLayer
from nnctrl.networks.network import Network, Origin
from nnctrl.specs.spec import Reach, Stay


@dataclass(frozen=True, eq=False)
class Scaling:
    """States are about `state_shift` +- `state_scale` [n], inputs about `input_shift` +- `input_scale` [m]."""

    state_shift: FloatArray
    state_scale: FloatArray
    input_shift: FloatArray
    input_scale: FloatArray

    @staticmethod
    def of(task: Task) -> Scaling:
        """From the sets of the task: states between the initial set and those to reach, inputs within their limits."""
        plant = task.plant
        box = task.initial_set.bounding_box()
        low, high = np.array(box.lower), np.array(box.upper)
        input_low, input_high = np.full(plant.input_size, -1.0), np.full(plant.input_size, 1.0)
        for place, name in enumerate(plant.inputs):
            if name in plant.ranges:
                input_low[place], input_high[place] = plant.ranges[name]
        for item in task.spec.requirements:
            target = getattr(item.target, "bounding_box", None)
            if target is None or not isinstance(item, Reach | Stay):
                continue
            try:
                hull = target()
            except UnsupportedError:
                # a set without bounds, such as a half-space, says nothing of sizes
                continue
            names = list(plant.states) if item.on is None else list(item.on)
            for k, name in enumerate(names):
                if not (np.isfinite(hull.lower[k]) and np.isfinite(hull.upper[k])):
                    continue
                if isinstance(item, Reach) and name in plant.states:
                    place = list(plant.states).index(name)
                    low[place], high[place] = min(low[place], hull.lower[k]), max(high[place], hull.upper[k])
                elif isinstance(item, Stay) and name in plant.inputs:
                    place = list(plant.inputs).index(name)
                    input_low[place], input_high[place] = hull.lower[k], hull.upper[k]
        return Scaling(
            0.5 * (low + high),
            _not_flat(0.5 * (high - low)),
            0.5 * (input_low + input_high),
            _not_flat(0.5 * (input_high - input_low)),
        )


class Trainable:
    """The network n-hidden-m with `activation` after every hidden layer; parameters are float64 and scaled.

    From `start`, whose architecture it then has, or at random with variance 1/inputs and a small last layer.
    """

    def __init__(self, weights: list[Tensor], biases: list[Tensor], activation: Activation, scaling: Scaling) -> None:
        self.weights = [weight.requires_grad_(True) for weight in weights]
        self.biases = [bias.requires_grad_(True) for bias in biases]
        self.activation, self.scaling = activation, scaling

    @staticmethod
    def random(task: Task, hidden: tuple[int, ...], rng: np.random.Generator) -> Trainable:
        """A network that hardly leaves the middle of the inputs' limits."""
        sizes = [task.plant.state_size, *hidden, task.plant.input_size]
        weights, biases = [], []
        for fan_in, fan_out in pairwise(sizes):
            weights.append(tensor(rng.standard_normal((fan_out, fan_in)) / np.sqrt(fan_in)))
            biases.append(tensor(0.1 * rng.standard_normal(fan_out)))
        weights[-1], biases[-1] = 0.1 * weights[-1], 0.0 * biases[-1]
        return Trainable(weights, biases, task.activation, Scaling.of(task))

    @staticmethod
    def of(network: Network, scaling: Scaling) -> Trainable:
        """From the weights of a plain network; UnsupportedError for one with a feedthrough, several blocks or mixed
        activations.
        """
        plain = len(network.blocks) == 1 and network.blocks[0].feedthrough is None
        kinds = {one for layer in network.blocks[0].activations for one, _ in layer.segments}
        if not plain or len(kinds) > 1:
            raise UnsupportedError(
                f"a network to train further is {network.architecture()}; give a plain one with a single activation "
                "and no feedthrough"
            )
        (block,) = network.blocks
        weights = [np.array(affine.weight) for affine in block.affines]
        biases = [np.array(affine.bias) for affine in block.affines]
        biases[0] = biases[0] + weights[0] @ scaling.state_shift
        weights[0] = weights[0] * scaling.state_scale
        weights[-1] = weights[-1] / scaling.input_scale[:, None]
        biases[-1] = (biases[-1] - scaling.input_shift) / scaling.input_scale
        activation = kinds.pop() if kinds else Tanh()
        return Trainable([tensor(w) for w in weights], [tensor(b) for b in biases], activation, scaling)

    @property
    def parameters(self) -> list[Tensor]:
        """What the optimiser moves."""
        return [*self.weights, *self.biases]

    def view(self) -> NetworkView:
        """The network in the plant's units, differentiable by the parameters."""
        weights, biases = self._unscaled()
        affines = tuple(AffineView(weight, bias) for weight, bias in zip(weights, biases, strict=True))
        layers = tuple(ActivationLayer(((self.activation, len(bias)),)) for bias in biases[:-1])
        return NetworkView((BlockView(affines, layers),))

    def network(self, origin: str) -> Network:
        """The network of the current parameters."""
        weights, biases = self._unscaled()
        return Network.from_layers(
            [weight.detach().numpy().copy() for weight in weights],
            [bias.detach().numpy().copy() for bias in biases],
            self.activation,
            origin=Origin(origin),
        )

    def decay(self) -> Tensor:
        """Sum of the squared scaled weights: a price on slopes and curvature."""
        return torch.stack([(weight**2).sum() for weight in self.weights]).sum()

    def _unscaled(self) -> tuple[list[Tensor], list[Tensor]]:
        s = self.scaling
        weights, biases = list(self.weights), list(self.biases)
        weights[0] = weights[0] / tensor(s.state_scale)
        biases[0] = biases[0] - weights[0] @ tensor(s.state_shift)
        weights[-1] = tensor(s.input_scale)[:, None] * weights[-1]
        biases[-1] = tensor(s.input_scale) * biases[-1] + tensor(s.input_shift)
        return weights, biases


def _not_flat(radius: FloatArray) -> FloatArray:
    return np.where(radius > 1e-6, radius, 1.0)
