"""Gradient steps on all layers that lower a bound of the violation.

With z = [x; y; 1] = Z chi (`hidden`) and an inequality of unit depth, `z'S z = z'(S + e e')z - 1 <= |P z|^2 - 1` where
P'P is the positive part of S + e e'; for ellipsoids, also those of the next state, and limits that is no loss. On a
region

    |P z| <= |P Z_1| + |P Z_xi| + sum_i reach_i |P Z_i|,      |x~_i| <= reach_i,

which is a function of the weights of all layers, with gradients of the sectors among them. It is wider than what the
program finds with its multipliers (which are only good for the weights that they were found for: solutions lie at the
edge of where their matrix is definite), but it is defined everywhere and cheap. It is small where little is left of the
residuals: neurons that are nearly lines on every region.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nnctrl._typing import FloatArray
from nnctrl.branching.meter import Meter
from nnctrl.learning.last_layer.hidden import HiddenForms, hidden_forms
from nnctrl.learning.last_layer.regions import Regions
from nnctrl.learning.last_layer.weights import Weights

RATE = 0.03
"""Step size of Adam at its start, relative to the root mean square of the weights of a layer as they are."""

SMALL = 0.1
"""Regions are at first shrunk to this share of their extent."""

GROWTH = 0.02
"""By so much they grow as soon as the bounds hold on them."""


class Descent:
    """The weights of all layers as parameters."""

    def __init__(self, groups: Sequence[Regions], weights: Weights) -> None:
        self.groups, self.layers = groups, weights.layers
        # coordinates of very different sizes: weights are per unit of the regions' extent
        self.extent = _extent(groups)
        scaled = [weight * self.extent if k == 0 else weight for k, (weight, _) in enumerate(weights.hidden)]
        self.hidden = [_parameter(weight) for weight in scaled]
        self.biases = [_parameter(bias) for _, bias in weights.hidden]
        self.outer, self.offset = _parameter(weights.outer), _parameter(weights.offset)
        self.skip = None if weights.skip is None else _parameter(weights.skip)
        self.roots = [_positive_roots(regions) for regions in groups]

    def bounds(self, size: float = 1.0) -> Tensor:
        """An upper bound of `|P z|` for every inequality, on regions of this `size`: at most 1 where it is met."""
        found = []
        for regions, root in zip(self.groups, self.roots, strict=True):
            now = regions.shrunk(size)
            forms = hidden_forms(now, self._weights(), self.biases, self.layers)
            found.append(norm_bounds(now, root, forms, self.outer, self.offset, self.skip))
        return torch.cat(found)

    def run(self, steps: int, depth: float, meter: Meter) -> tuple[float, float]:
        """At most `steps` of Adam on the sum of `max(0, bound - 1 + depth)`, on regions that grow as soon as it is 0.

        Returns the size that they grew to, and by how much the bounds of the whole regions exceed 1 together. A network
        for the whole regions is often beyond hills that are not there for small ones: where two regions touch, its
        slopes have to become large.
        """
        parts = [*self.hidden, *self.biases, self.outer, self.offset, *([] if self.skip is None else [self.skip])]
        optimiser = torch.optim.Adam([{"params": [part]} for part in parts])
        size = SMALL
        for step in range(steps):
            loss = torch.clamp(self.bounds(size) - (1.0 - depth), min=0.0).sum()
            if float(loss.detach()) <= 0.0:
                if size == 1.0:
                    break
                size = min(1.0, size + GROWTH)
                continue
            if meter.exhausted():
                break
            for group, part in zip(optimiser.param_groups, parts, strict=True):
                group["lr"] = 0.5 * RATE * _size(part) * (1.0 + np.cos(np.pi * step / steps))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            return size, float(torch.clamp(self.bounds() - 1.0, min=0.0).sum())

    def weights(self) -> Weights:
        """The weights as they are now."""
        below = zip(self._weights(), self.biases, strict=True)
        return Weights(
            tuple((_array(weight), _array(bias)) for weight, bias in below),
            self.layers,
            _array(self.outer),
            _array(self.offset),
            None if self.skip is None else _array(self.skip),
        )

    def _weights(self) -> list[Tensor]:
        return [weight / torch.tensor(self.extent) if k == 0 else weight for k, weight in enumerate(self.hidden)]


def norm_bounds(
    regions: Regions, root: Tensor, forms: HiddenForms, outer: Tensor, offset: Tensor, skip: Tensor | None
) -> Tensor:
    """Upper bounds [I] of `|P z|` over the regions, `root` P [I, n + m + 1, n + m + 1]."""
    unit = torch.eye(forms.point.shape[2], dtype=torch.float64)
    output = outer @ forms.signal + offset[:, None] * unit[-1:]
    if skip is not None:
        output = output + skip @ forms.point
    one = unit[-1:].expand(len(output), 1, -1)
    rows = root @ torch.cat([forms.point, output, one], dim=1)[regions.owners]
    columns = torch.linalg.vector_norm(rows[..., forms.first : -1], dim=1)
    residual = (columns * forms.reach[regions.owners]).sum(dim=1)
    known = rows[..., [*range(forms.first), rows.shape[2] - 1]] @ regions.hull[regions.owners]
    middle, sides = torch.linalg.vector_norm(known[..., -1], dim=1), known[..., :-1]
    if regions.is_round:
        return middle + torch.linalg.matrix_norm(sides, ord=2) + residual
    return middle + torch.linalg.vector_norm(sides, dim=1).sum(dim=1) + residual


def _positive_roots(regions: Regions) -> Tensor:
    """P [I, n + m + 1, n + m + 1] with P'P the positive part of S + e e'."""
    forms = regions.forms.clone()
    forms[:, -1, -1] += 1.0
    values, vectors = torch.linalg.eigh(forms)
    return torch.sqrt(torch.clamp(values, min=0.0))[..., None] * vectors.transpose(1, 2)


def _extent(groups: Sequence[Regions]) -> FloatArray:
    """Half the width [n] of the box about all regions; 1 for coordinates of no width."""
    spreads = [abs(regions.spread).sum(dim=2) for regions in groups]
    low = torch.cat([regions.centre - spread for regions, spread in zip(groups, spreads, strict=True)]).amin(dim=0)
    high = torch.cat([regions.centre + spread for regions, spread in zip(groups, spreads, strict=True)]).amax(dim=0)
    half = (0.5 * (high - low)).numpy()
    return np.where(half > 0.0, half, 1.0)


def _parameter(values: FloatArray) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def _array(values: Tensor) -> FloatArray:
    result: FloatArray = values.detach().numpy().copy()
    return result


def _size(part: Tensor) -> float:
    """Root mean square, at least a tenth: weights that are zero are to move too."""
    return max(0.1, float((part.detach() ** 2).mean().sqrt()))
