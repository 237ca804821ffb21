"""Least squares with a network: Adam for a rough fit, then L-BFGS on all data.

Inputs and outputs are scaled to mean 0 and deviation 1 while fitting, and the scaling is folded into the first and last
layer of the network that comes out. Weight decay acts on the scaled weights: it is a price on curvature, which decides
whether the closed loop can be verified cheaply, and not only a guard against overfitting.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from nnctrl._typing import FloatArray
from nnctrl.learning.dataset import Dataset
from nnctrl.networks.activations import Activation, Tanh
from nnctrl.networks.network import Network, Origin
from nnctrl.progress import Progress

LBFGS_CHUNK = 25
"""Iterations of L-BFGS between two reports of progress."""


class Regression:
    """A network n-hidden-m in the making; parameters in float64, started from `rng` with variance 1/inputs.

    `example` fixes the scaling; it should cover the states that matter. `activation` follows every hidden layer.
    """

    def __init__(
        self,
        example: Dataset,
        hidden: Sequence[int],
        weight_decay: float,
        rng: np.random.Generator,
        activation: Activation | None = None,
    ) -> None:
        self.state_shift, self.state_scale = _scaling(example.states)
        self.input_shift, self.input_scale = _scaling(example.inputs)
        self.weight_decay = weight_decay
        self.activation = Tanh() if activation is None else activation
        sizes = [example.states.shape[1], *hidden, example.inputs.shape[1]]
        self.weights: list[Tensor] = []
        self.biases: list[Tensor] = []
        for fan_in, fan_out in pairwise(sizes):
            weight = rng.standard_normal((fan_out, fan_in)) / np.sqrt(fan_in)
            self.weights.append(torch.tensor(weight, requires_grad=True))
            self.biases.append(torch.tensor(0.1 * rng.standard_normal(fan_out), requires_grad=True))

    def adam(
        self, data: Dataset, epochs: int, batch: int, rate: float, rng: np.random.Generator, progress: Progress
    ) -> None:
        """`epochs` passes in batches; the rate falls from `rate` to 0 along half a cosine."""
        x, u = self._scaled(data)
        optimiser = torch.optim.Adam(self._parameters(), lr=rate)
        for epoch in range(epochs):
            for group in optimiser.param_groups:
                group["lr"] = 0.5 * rate * (1.0 + np.cos(np.pi * epoch / epochs))
            order = torch.tensor(rng.permutation(len(data)))
            for chosen in order.split(batch):
                optimiser.zero_grad()
                self._objective(x[chosen], u[chosen]).backward()
                optimiser.step()
            progress.update("fitting (Adam)", epoch + 1, epochs)

    def lbfgs(self, data: Dataset, iterations: int, progress: Progress) -> None:
        """At most `iterations` of L-BFGS on all data at once; earlier when it no longer gets anywhere."""
        x, u = self._scaled(data)
        optimiser = torch.optim.LBFGS(
            self._parameters(),
            max_iter=LBFGS_CHUNK,
            history_size=50,
            line_search_fn="strong_wolfe",
            tolerance_grad=1e-9,
            tolerance_change=1e-13,
        )

        def closure() -> Tensor:
            optimiser.zero_grad()
            objective = self._objective(x, u)
            objective.backward()
            return objective

        last = np.inf
        for done in range(0, iterations, LBFGS_CHUNK):
            optimiser.param_groups[0]["max_iter"] = min(LBFGS_CHUNK, iterations - done)
            value = float(optimiser.step(closure).detach())
            progress.update(f"fitting (L-BFGS), objective {value:.3e}", done, iterations)
            if value >= last:
                break
            last = value

    def loss(self, data: Dataset) -> float:
        """Mean squared error over all scaled outputs: 1 is what a constant reaches on the data of the scaling."""
        x, u = self._scaled(data)
        with torch.no_grad():
            return float(self._error(x, u))

    def network(self, origin: Origin | None = None) -> Network:
        """The network in the original units."""
        weights = [weight.detach().numpy().copy() for weight in self.weights]
        biases = [bias.detach().numpy().copy() for bias in self.biases]
        weights[0] = weights[0] / self.state_scale
        biases[0] = biases[0] - weights[0] @ self.state_shift
        weights[-1] = self.input_scale[:, None] * weights[-1]
        biases[-1] = self.input_scale * biases[-1] + self.input_shift
        return Network.from_layers(weights, biases, self.activation, origin=origin)

    def _parameters(self) -> list[Tensor]:
        return [*self.weights, *self.biases]

    def _scaled(self, data: Dataset) -> tuple[Tensor, Tensor]:
        return (
            torch.tensor((data.states - self.state_shift) / self.state_scale),
            torch.tensor((data.inputs - self.input_shift) / self.input_scale),
        )

    def _error(self, x: Tensor, u: Tensor) -> Tensor:
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = self.activation.value(x @ weight.T + bias)
        return ((x @ self.weights[-1].T + self.biases[-1] - u) ** 2).mean()

    def _objective(self, x: Tensor, u: Tensor) -> Tensor:
        decay = torch.stack([(weight**2).sum() for weight in self.weights]).sum()
        return self._error(x, u) + self.weight_decay * decay


def _scaling(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation by column; a column that hardly varies is only shifted."""
    deviation = values.std(axis=0)
    return values.mean(axis=0), np.where(deviation > 1e-9, deviation, 1.0)
