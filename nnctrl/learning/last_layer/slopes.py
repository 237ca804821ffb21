"""The sectors of `lmi.sectors` for many regions at once, with derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from nnctrl._typing import FloatArray
from nnctrl.learning.lmi.sectors import sectors
from nnctrl.networks.layers import ActivationLayer

STEP = 1e-6
"""Relative step of the central differences: slopes have some 14 digits, of which derivatives keep about eight."""


class LocalSlopes(torch.autograd.Function):
    """alpha and beta [P, n] of a layer about `anchor` for pre-activations in [lower, upper], all [P, n].

    The slopes are those of `lmi.sectors`, chords and tangents included, so that gradients are of what certificates are
    made with. They depend on three numbers neuron by neuron: central differences cost six evaluations for all of them.
    """

    @staticmethod
    def forward(
        ctx: Any, layer: ActivationLayer, lower: Tensor, upper: Tensor, anchor: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The slopes."""
        ctx.layer = layer
        ctx.save_for_backward(lower, upper, anchor)
        (alpha, beta) = _slopes(layer, *(part.detach().numpy()[None] for part in (lower, upper, anchor)))
        return torch.tensor(alpha[0]), torch.tensor(beta[0])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Derivatives by the three arguments."""
        given = [part.numpy() for part in ctx.saved_tensors]
        step = STEP * (1.0 + abs(given[2]))
        moved = np.repeat(np.stack(given)[:, None], 6, axis=1)
        for i in range(3):
            moved[i, 2 * i] += step
            moved[i, 2 * i + 1] -= step
        alpha, beta = _slopes(ctx.layer, *moved)
        by_alpha, by_beta = (0.5 * (values[0::2] - values[1::2]) / step for values in (alpha, beta))
        total = by_alpha * grads[0].numpy() + by_beta * grads[1].numpy()
        return (None, *(torch.tensor(part) for part in total))


def _slopes(
    layer: ActivationLayer, lower: FloatArray, upper: FloatArray, anchor: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """For stacks [k, P, n]: all copies of one neuron next to each other make one layer of k P n neurons."""
    shape = anchor.shape
    copies = shape[0] * shape[1]
    wide = ActivationLayer(tuple((kind, count * copies) for kind, count in layer.segments))
    flat = [part.reshape(copies, -1).T.ravel() for part in (lower, upper, anchor)]
    found = sectors(wide, *flat)
    return (
        found.alpha.reshape(-1, copies).T.reshape(shape),
        found.beta.reshape(-1, copies).T.reshape(shape),
    )
