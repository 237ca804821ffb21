"""What the hidden layers give on every region: each neuron as a line about the region's own middle and a residual.

In the variables chi = (xi, x~^1, ..., x~^L, 1) of the certificate, `x^{k+1} = phi(a) + S (v - a) + scale x~^{k+1}`
with the anchor a of the middle's trajectory and |x~_i| <= gain_i |v_i - a_i|, gain = T / scale. The output of the last
hidden layer is linear in chi, whatever the depth, and so is y in chi, the last layer and the feedthrough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nnctrl.learning.last_layer.regions import Regions
from nnctrl.learning.last_layer.slopes import LocalSlopes
from nnctrl.learning.lmi.analysis import NARROW
from nnctrl.networks.layers import ActivationLayer


@dataclass(frozen=True, eq=False)
class HiddenForms:
    """Rows on chi [N] for the P regions of a group: `point` x [P, n, N], `signal` x^L [P, n_L, N].

    `bounded` [P, H, N] and the positions `first` .. `first + H` of x~ in chi: x~_i^2 <= (bounded_i chi)^2 for all H
    hidden neurons, and |x~_i| <= `reach` [P, H]. `scales` [P, H] as above.
    """

    point: Tensor
    signal: Tensor
    bounded: Tensor
    reach: Tensor
    scales: Tensor
    first: int


def hidden_forms(
    regions: Regions, weights: Sequence[Tensor], biases: Sequence[Tensor], layers: Sequence[ActivationLayer]
) -> HiddenForms:
    """The forms for hidden weights [n_k, n_{k-1}] and biases [n_k]; differentiable in them.

    Pre-activations are bounded exactly in the first layer, by intervals in later ones, as in `lmi.sectors`.
    """
    count, first = len(regions.point), regions.coefficients
    total = first + sum(layer.size for layer in layers) + 1
    unit = torch.eye(total, dtype=torch.float64)
    point = regions.point @ unit[[*range(first), total - 1]]
    signal, bounded, reaches, scales, start = point, [], [], [], first
    centre = lower = upper = torch.zeros(0)
    for number, (weight, bias, layer) in enumerate(zip(weights, biases, layers, strict=True)):
        if number == 0:
            lower, upper = (end + bias for end in regions.range_of(weight))
            anchor = 0.5 * lower + 0.5 * upper
        else:
            middle = (0.5 * lower + 0.5 * upper) @ weight.T + bias
            reach = (0.5 * upper - 0.5 * lower) @ abs(weight).T
            lower, upper = middle - reach, middle + reach
            # rounding may carry the middle out of an interval that is a point
            anchor = torch.clamp(centre @ weight.T + bias, lower, upper)
        alpha, beta = LocalSlopes.apply(layer, lower, upper, anchor)
        value, middle, half = layer(anchor), 0.5 * (alpha + beta), 0.5 * (beta - alpha)
        # as in the certificate: variables of size 1
        far = torch.maximum(upper - anchor, anchor - lower)
        scale = torch.clamp(torch.maximum(half, NARROW * middle) * far, min=NARROW * NARROW)
        step = weight @ signal
        step = torch.cat([step[..., :-1], step[..., -1:] + (bias - anchor)[..., None]], dim=2)
        bounded.append((half / scale)[..., None] * step)
        reaches.append(half / scale * far)
        scales.append(scale)
        signal = middle[..., None] * step + scale[..., None] * unit[start : start + layer.size]
        signal = torch.cat([signal[..., :-1], signal[..., -1:] + value[..., None]], dim=2)
        centre = value
        lower, upper = layer(lower), layer(upper)
        start += layer.size
    empty = torch.zeros((count, 0), dtype=torch.float64)
    return HiddenForms(
        point,
        signal,
        torch.cat([empty[..., None].expand(-1, -1, total), *bounded], dim=1),
        torch.cat([empty, *reaches], dim=1),
        torch.cat([empty, *scales], dim=1),
        first,
    )
