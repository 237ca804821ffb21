"""The weights of a network as the program and the gradient steps hold them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nnctrl._typing import FloatArray
from nnctrl.errors import UnsupportedError
from nnctrl.learning.lmi.sectors import single_block
from nnctrl.networks.layers import ActivationLayer, Affine
from nnctrl.networks.network import Block, Network, Origin

SOURCE = "synthesised by its last layer"


@dataclass(frozen=True, eq=False)
class Weights:
    """`outer` W [m, n_L], `offset` b [m], `skip` D [m, n] (None without a feedthrough) and the hidden layers."""

    hidden: tuple[tuple[FloatArray, FloatArray], ...]
    layers: tuple[ActivationLayer, ...]
    outer: FloatArray
    offset: FloatArray
    skip: FloatArray | None

    @staticmethod
    def of(network: Network, feedthrough: bool) -> Weights:
        """Those of a network of one block; with `feedthrough` its D, zeros if it has none."""
        block = single_block(network)
        if any(kind.lanes is not None for layer in block.activations for kind, _ in layer.segments):
            raise UnsupportedError(
                "a hidden layer has an activation with limits of its own for every neuron; give tanh, sigmoid, "
                "softplus or relu"
            )
        *below, last = block.affines
        skip, offset = (np.zeros((network.out_size, network.in_size)) if feedthrough else None), last.bias
        if block.feedthrough is not None:
            skip, offset = block.feedthrough.weight, offset + block.feedthrough.bias
        return Weights(
            tuple((affine.weight, affine.bias) for affine in below), block.activations, last.weight, offset, skip
        )

    def tensors(self) -> tuple[list[Tensor], list[Tensor]]:
        """Hidden weights and biases."""
        return [torch.tensor(weight) for weight, _ in self.hidden], [torch.tensor(bias) for _, bias in self.hidden]

    def network(self) -> Network:
        """The network of these weights."""
        affines = (*(Affine(weight, bias) for weight, bias in self.hidden), Affine(self.outer, self.offset))
        skip = None if self.skip is None else Affine.linear(self.skip)
        return Network((Block(affines, self.layers, skip),), Origin(SOURCE))
