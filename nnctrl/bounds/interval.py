"""Interval propagation: the coarsest and cheapest bound, and the referee in replays.

Each layer maps a box to a box (affine layers by midpoint and radius, monotone activations by their ends), rounded
outward.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nnctrl.bounds.base import AbstractGeneralBound, UpperBound
from nnctrl.bounds.view import AbstractPlantView, AffineView, BlockView, NetworkView, View
from nnctrl.networks.layers import ActivationLayer
from nnctrl.sets.rounding import affine_enclosure, dot_up, widen_down, widen_up


def midpoint_radius(lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
    """Centre and outward radius of boxes: `[centre - radius, centre + radius]` contains [lower, upper]."""
    centre = 0.5 * lower + 0.5 * upper
    radius = widen_up(torch.maximum(upper - centre, centre - lower))
    # a flat box at a representable point stays flat
    return centre, torch.where((lower == centre) & (upper == centre), torch.zeros_like(radius), radius)


def enclose_affine(affine: AffineView, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
    """Outer box of the image of boxes [lower, upper] under one affine layer."""
    centre, radius = midpoint_radius(lower, upper)
    middle, spread = affine_enclosure(
        centre, radius, affine.weight, affine.bias, affine.weight_radius, affine.bias_radius
    )
    return widen_down(middle - spread), widen_up(middle + spread)


def enclose_activation(layer: ActivationLayer, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
    """Outer box of the image of boxes under an activation layer."""
    parts = [activation.enclose(lower[..., lanes], upper[..., lanes]) for activation, lanes in layer.slices()]
    return torch.cat([low for low, _ in parts], -1), torch.cat([high for _, high in parts], -1)


def enclose_block(block: BlockView, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
    """Outer box of the image of boxes under one block."""
    low, high = lower, upper
    for affine, layer in zip(block.affines, block.activations, strict=False):
        low, high = enclose_activation(layer, *enclose_affine(affine, low, high))
    low, high = enclose_affine(block.affines[-1], low, high)
    if block.feedthrough is None:
        return low, high
    skip_low, skip_high = enclose_affine(block.feedthrough, lower, upper)
    return widen_down(low + skip_low), widen_up(high + skip_high)


def enclose_network(view: NetworkView, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
    """Outer box of the image of boxes [batch, n] under the network; rounded outward."""
    for block in view.blocks:
        lower, upper = enclose_block(block, lower, upper)
    return lower, upper


def support_of_boxes(lower: Tensor, upper: Tensor, directions: Tensor) -> Tensor:
    """Upper bound of `d' y` over boxes, pairwise: [batch, m] each gives [batch]."""
    return dot_up(torch.where(directions >= 0.0, upper, lower), directions)


@dataclass(frozen=True)
class IntervalBound(AbstractGeneralBound):
    """Interval bound propagation as a bound: no gradient information, first-order gap."""

    def upper(self, view: View, lower: Tensor, upper: Tensor, directions: Tensor) -> UpperBound:
        """See `AbstractBound.upper`; cost: two products with each weight matrix per pair."""
        if isinstance(view, AbstractPlantView):
            low, high = view.enclose(lower, upper)
            gain = torch.ones_like(lower[..., :1])
        else:
            low, high = enclose_network(view, lower, upper)
            gain = _first_gain(view)
        centre, radius = midpoint_radius(lower, upper)
        with torch.enable_grad():
            point = centre.detach().requires_grad_(True)
            value = (view(point) * directions.detach()).sum()
            (gradient,) = torch.autograd.grad(value, point)
        slope = gradient * radius.detach()
        # no gap is attributed to single coordinates: the widest one, by first-layer gain, is as good as any
        return UpperBound(support_of_boxes(low, high, directions), slope, radius.detach() * gain)

    def bytes_per_pair(self, view: View) -> int:
        """A few vectors of the widest layer."""
        if isinstance(view, AbstractPlantView):
            return 8 * 64 * view.out_size
        widest = max(max(a.weight.shape) for block in view.blocks for a in block.affines)
        return 8 * 16 * int(widest)


def _first_gain(view: NetworkView) -> Tensor:
    """How much each input moves the first layer and what passes by it, [in]."""
    first = view.blocks[0]
    layers = [layer for layer in (first.affines[0], first.feedthrough) if layer is not None]
    return torch.stack([layer.weight.detach().abs().sum(0) for layer in layers]).sum(0)
