"""Networks as one chain of layers with at most one feedthrough: the form that the Hessian paper's bounds are stated in.

A network of one block is such a chain already. Of several blocks (unrolled steps, delays, skip connections) one chain
is made by lanes of the identity activation, which carry the input of a block past its layers: no matrices are
multiplied, so nothing is rounded. `Ranges` are the local facts about every neuron over boxes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from nnctrl.bounds.interval import enclose_activation, enclose_affine
from nnctrl.bounds.view import AffineView, BlockView, NetworkView
from nnctrl.errors import UnsupportedError
from nnctrl.networks.activations import Identity
from nnctrl.networks.layers import ActivationLayer
from nnctrl.sets.rounding import TINY, UNIT_ROUNDOFF, gamma, grow_up


@dataclass(frozen=True, eq=False)
class LayeredView:
    """`x^0 = x`, `z^k = W^k x^k + b^k`, `x^{k+1} = phi(z^k)`, output `W^L x^L + b^L (+ A x + a)`."""

    affines: tuple[AffineView, ...]
    activations: tuple[ActivationLayer, ...]
    feedthrough: AffineView | None = None

    @staticmethod
    def of(view: NetworkView) -> LayeredView:
        """The chain of a network; the cost is a copy of the weights where there are several blocks."""
        if len(view.blocks) == 1:
            block = view.blocks[0]
            return LayeredView(block.affines, block.activations, block.feedthrough)
        affines: list[AffineView] = []
        layers: list[ActivationLayer] = []
        for block in view.blocks:
            if affines:
                layers.append(_identity_layer(int(affines[-1].weight.shape[0])))
            own_affines, own_layers = _without_feedthrough(block)
            affines.extend(own_affines)
            layers.extend(own_layers)
        return LayeredView(tuple(affines), tuple(layers))

    @property
    def depth(self) -> int:
        """Number of activation layers."""
        return len(self.activations)

    @cached_property
    def _block(self) -> BlockView:
        return BlockView(self.affines, self.activations, self.feedthrough)

    def __call__(self, x: Tensor) -> Tensor:
        """Evaluate in floating point; `x` [..., n]."""
        return self._block(x)

    def ranges(self, lower: Tensor, upper: Tensor) -> Ranges:
        """Interval propagation over boxes [batch, n]."""
        pairs = []
        for affine, layer in zip(self.affines, self.activations, strict=False):
            low, high = enclose_affine(affine, lower, upper)
            pairs.append((low, high))
            lower, upper = enclose_activation(layer, low, high)
        return Ranges(self.activations, tuple(pairs))


@dataclass(frozen=True, eq=False)
class Ranges:
    """Certified pre-activation intervals [batch, width] of every layer over boxes, and what follows from them."""

    activations: tuple[ActivationLayer, ...]
    intervals: tuple[tuple[Tensor, Tensor], ...]

    @cached_property
    def slopes(self) -> tuple[tuple[Tensor, Tensor], ...]:
        """Per layer bounds `alpha <= phi' <= beta`; nan where an interval is not finite."""
        return self._of_neurons("slope_range")

    @cached_property
    def curvatures(self) -> tuple[tuple[Tensor, Tensor], ...]:
        """Per layer bounds of phi''; UnsupportedError for activations with kinks."""
        return self._of_neurons("curvature_range")

    def _of_neurons(self, fact: str) -> tuple[tuple[Tensor, Tensor], ...]:
        result = []
        for layer, (low, high) in zip(self.activations, self.intervals, strict=True):
            parts = [getattr(act, fact)(low[..., lanes], high[..., lanes]) for act, lanes in layer.slices()]
            lower, upper = (torch.cat(pieces, -1) for pieces in zip(*parts, strict=True))
            # a range over an interval that overflowed is no range
            missing = 0.0 * low + 0.0 * high
            result.append((lower + missing, upper + missing))
        return tuple(result)


def curvature_objection(view: NetworkView, bound: str) -> str | None:
    """Why `bound` cannot treat activations that are not twice differentiable; None if there are none."""
    probe = torch.zeros(1, dtype=torch.float64)
    for block in view.blocks:
        for layer in block.activations:
            for activation, width in layer.segments:
                try:
                    activation.curvature_range(probe.expand(width), probe.expand(width))
                except UnsupportedError:
                    return (
                        f"the bound '{bound}' needs activations with a second derivative, which '{activation.name}' "
                        "has not; use the bound zeroth-order, crown or taylor"
                    )
    return None


def row_times(row: Tensor, error: Tensor, affine: AffineView) -> tuple[Tensor, Tensor]:
    """Row vectors [batch, m], known up to `error` entrywise, times the weight of a layer, and the error of that."""
    weight = affine.weight
    # a tiny row underflows here, and the weight may be large
    spread = error + gamma(weight.shape[0] + 4) * row.abs() + TINY
    product_error = spread @ weight.abs() + TINY
    if affine.weight_radius is not None:
        product_error = product_error + (row.abs() + error) @ affine.weight_radius
    return row @ weight, grow_up(product_error, 2 * weight.shape[0] + 8)


def _identity_layer(size: int) -> ActivationLayer:
    return ActivationLayer(((Identity(), size),))


def _without_feedthrough(block: BlockView) -> tuple[list[AffineView], list[ActivationLayer]]:
    """The block as a chain: its input travels beside its layers and is added by the last map."""
    skip = block.feedthrough
    if skip is None:
        return list(block.affines), list(block.activations)
    size = int(skip.weight.shape[1])
    passed = AffineView(torch.eye(size, dtype=skip.weight.dtype), skip.weight.new_zeros(size))
    if not block.activations:
        # a sum of two maps is one map of the doubled input
        return [_joined(passed, passed, torch.cat), _sum_of(block.affines[0], skip)], [_identity_layer(2 * size)]
    inner = [_joined(affine, passed, _block_diagonal) for affine in block.affines[1:-1]]
    affines = [_joined(block.affines[0], passed, torch.cat), *inner, _sum_of(block.affines[-1], skip)]
    return affines, [ActivationLayer((*layer.segments, (Identity(), size))) for layer in block.activations]


def _block_diagonal(matrices: list[Tensor]) -> Tensor:
    first, second = matrices
    columns = int(first.shape[1]), int(second.shape[1])
    return torch.cat(
        [torch.nn.functional.pad(first, (0, columns[1])), torch.nn.functional.pad(second, (columns[0], 0))]
    )


def _joined(first: AffineView, second: AffineView, join: Callable[[list[Tensor]], Tensor]) -> AffineView:
    """Both maps, one below the other; `join` puts their matrices together."""
    return AffineView(
        join([first.weight, second.weight]),
        torch.cat([first.bias, second.bias]),
        join([_radius(first.weight_radius, first.weight), _radius(second.weight_radius, second.weight)]),
        torch.cat([_radius(first.bias_radius, first.bias), _radius(second.bias_radius, second.bias)]),
    )


def _sum_of(first: AffineView, second: AffineView) -> AffineView:
    """`first(x) + second(y)` as a map of [x; y]."""
    bias = first.bias + second.bias
    carried = _radius(first.bias_radius, first.bias) + _radius(second.bias_radius, second.bias)
    matrices = [_radius(first.weight_radius, first.weight), _radius(second.weight_radius, second.weight)]
    return AffineView(
        torch.cat([first.weight, second.weight], 1),
        bias,
        torch.cat(matrices, 1),
        # one rounding of the sum, and those of this radius
        grow_up(carried, 4) + (2.0 * UNIT_ROUNDOFF) * bias.abs(),
    )


def _radius(radius: Tensor | None, like: Tensor) -> Tensor:
    return torch.zeros_like(like) if radius is None else radius
