"""Linear functions above a goal, and what is left of them when they are carried back through a layer.

A majorant says `goal <= rows @ z + constant` for the real values z of one layer and the real goal, whatever that is (a
direction of the output, a neuron's input or its negative); `rows` and `constant` are floating-point numbers taken as
exact. Carrying it from the output of a layer back to its input rounds the rows; the rounding is bounded a priori by
gamma |rows| |W| and, since the input is known to satisfy |x| <= reach, moved into the constant. The same holds for the
radii of composed matrices. So the claim is about the real network and the rows need no error matrix of their own.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nnctrl.bounds.interval import midpoint_radius
from nnctrl.bounds.view import AffineView
from nnctrl.networks.layers import ActivationLayer
from nnctrl.sets.rounding import TINY, UNIT_ROUNDOFF, dot_up, gamma, grow_up, widen_up


@dataclass(frozen=True, eq=False)
class BracketedLayer:
    """Lines `slope * z + intercept` below and above every lane of an activation layer over a batch of boxes.

    All [batch, m]: the lines, `reach` with |z| <= reach, and `gap`, how far the two lines are apart in the middle, in
    floating point and without a gradient. `shares` [batch, m, n]: the part of each lane's range that each of the n
    inputs of the network causes, likewise.
    """

    lower_slope: Tensor
    lower_intercept: Tensor
    upper_slope: Tensor
    upper_intercept: Tensor
    reach: Tensor
    gap: Tensor
    shares: Tensor

    @staticmethod
    def over(layer: ActivationLayer, lower: Tensor, upper: Tensor, shares: Tensor) -> BracketedLayer:
        """The lines of the activations over the boxes [lower, upper], outward rounded."""
        centre, radius = midpoint_radius(lower, upper)
        parts = [
            activation.bracket(centre[..., lanes], -radius[..., lanes], radius[..., lanes])
            for activation, lanes in layer.slices()
        ]
        value, lower_slope, below, upper_slope, above = (torch.cat(pieces, -1) for pieces in zip(*parts, strict=True))
        return BracketedLayer(
            lower_slope,
            -intercept_up(-value, -lower_slope, -below, centre),
            upper_slope,
            intercept_up(value, upper_slope, above, centre),
            reach_of(lower, upper),
            (above - below).detach(),
            shares,
        )


def intercept_up(value: Tensor, slope: Tensor, offset: Tensor, centre: Tensor) -> Tensor:
    """Upper bound of `value + offset - slope * centre`: three operations, each of which rounds at most their sum."""
    linear = slope * centre
    slack = (4.0 * UNIT_ROUNDOFF) * (value.abs() + offset.abs() + linear.abs())
    return widen_up((value - linear) + offset + slack, 4.0)


def reach_of(lower: Tensor, upper: Tensor) -> Tensor:
    """Largest |z| in boxes."""
    return torch.maximum(lower.abs(), upper.abs())


@dataclass(frozen=True, eq=False)
class Majorant:
    """`goal <= rows @ z + constant` for p goals per box (see the module's text).

    Shapes: `rows` [batch, p, m], with batch 1 while they are the same for all boxes; `constant` [batch, p]; `blame`
    [batch, p, n]: how much of the constant is owed to gaps that each input coordinate causes, in floating point;
    None if nobody asks.
    """

    rows: Tensor
    constant: Tensor
    blame: Tensor | None = None

    def before_affine(self, layer: AffineView, reach: Tensor) -> Majorant:
        """The majorant over the inputs x of an affine layer, which satisfy |x| <= `reach` [batch, n]."""
        weight, bias = layer.weight, layer.bias
        g = gamma(weight.shape[0] + 4)
        # the first TINY is for underflow in the bias, the second for products of rows and weights, times |x|
        doubt = g * (reach @ weight.abs().T + bias.abs()) + TINY
        if layer.weight_radius is not None:
            doubt = doubt + reach @ layer.weight_radius.T
        if layer.bias_radius is not None:
            doubt = doubt + layer.bias_radius
        slack = (self.rows.abs() @ doubt.unsqueeze(-1)).squeeze(-1) + TINY * (1.0 + reach.sum(-1, keepdim=True))
        constant = self.constant + self.rows @ bias + grow_up(slack, sum(weight.shape) + 8)
        return Majorant(self.rows @ weight, widen_up(constant, 4.0), self.blame)

    def before_activation(self, layer: BracketedLayer) -> Majorant:
        """The majorant over the inputs of an activation layer: the upper line where a row is positive, else the
        lower.
        """
        positive = self.rows >= 0.0
        rows = self.rows * torch.where(positive, layer.upper_slope.unsqueeze(1), layer.lower_slope.unsqueeze(1))
        intercept = torch.where(positive, layer.upper_intercept.unsqueeze(1), layer.lower_intercept.unsqueeze(1))
        reach = layer.reach.unsqueeze(-1)
        # one product each, whose underflow is multiplied by |z|
        slack = ((2.0 * UNIT_ROUNDOFF) * rows.abs() + TINY) @ reach
        constant = self.constant + dot_up(self.rows, intercept) + grow_up(slack.squeeze(-1), rows.shape[-1] + 4)
        blame = (
            None
            if self.blame is None
            else self.blame + (self.rows.detach().abs() * layer.gap.unsqueeze(1)) @ layer.shares
        )
        return Majorant(rows, widen_up(constant, 4.0), blame)

    def plus(self, other: Majorant, reach: Tensor) -> Majorant:
        """The sum of two goals over the same z, |z| <= `reach`; blame is kept of this one."""
        rows = self.rows + other.rows
        # one addition, which does not underflow
        slack = ((2.0 * UNIT_ROUNDOFF) * rows.abs() @ reach.unsqueeze(-1)).squeeze(-1)
        constant = self.constant + other.constant + grow_up(slack, rows.shape[-1] + 4)
        return Majorant(rows, widen_up(constant, 4.0), self.blame)

    def over_box(self, lower: Tensor, upper: Tensor) -> Tensor:
        """Upper bound of the goals over boxes [batch, m] of z: [batch, p]."""
        corner = torch.where(self.rows >= 0.0, upper.unsqueeze(1), lower.unsqueeze(1))
        return widen_up(self.constant + dot_up(self.rows, corner))
