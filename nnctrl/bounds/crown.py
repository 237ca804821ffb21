"""CROWN: backward linear relaxation, a baseline to compare with.

Every activation is put between two lines of its own slopes over the interval of its input. A linear function of the
output is carried back through the network, layer by layer: at an activation each coefficient takes the upper or the
lower line, by its sign, so that what arrives at the input is a linear function above the goal, whose largest value over
the box is known. The intervals of the hidden neurons come from the same procedure, started at each of them, and are
intersected with interval propagation (Zhang, Weng, Chen, Hsieh, Daniel: Efficient neural network robustness
certification with general activation functions, NeurIPS 2018).

Where we depart from the paper: the activations declare their own lines (`Activation.bracket`), of which the two nearest
to phi at the middle of the interval are taken (the least area; for ReLU this is the adaptive choice of 0 or 1 below);
blocks, feedthrough and mixed layers are covered; everything is rounded outward (`majorant`).

Unlike the Taylor bound, which keeps one linear part for both sides, the two sides have slopes of their own. That is
tighter where the lines differ much: on random 3-16-16-2 tanh networks the gap is the same over tiny boxes, 1.9 times
narrower at a radius of 0.3 and 2.4 times at 1; on ReLU networks 2 to 10 times. A pair takes 1.3 to 2.6 times as long.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nnctrl.bounds.base import AbstractBound, UpperBound
from nnctrl.bounds.interval import enclose_activation, enclose_affine, midpoint_radius, support_of_boxes
from nnctrl.bounds.majorant import BracketedLayer, Majorant, reach_of
from nnctrl.bounds.view import BlockView, NetworkView
from nnctrl.sets.rounding import TINY, widen_down, widen_up


@dataclass(frozen=True, eq=False)
class BracketedBlock:
    """A block, its activation layers between lines as far as they are known: `reaches[i]` bounds the magnitude of the
    input of the i-th affine layer, [batch, .].
    """

    view: BlockView
    layers: tuple[BracketedLayer, ...]
    reaches: tuple[Tensor, ...]

    def before_affines(self, goal: Majorant, last: int) -> Majorant:
        """A majorant over the output of affine layer `last`, carried back to the input of the block along the affine
        and activation layers.
        """
        for i in range(last, -1, -1):
            goal = goal.before_affine(self.view.affines[i], self.reaches[i])
            if i > 0:
                goal = goal.before_activation(self.layers[i - 1])
        return goal

    def before(self, goal: Majorant) -> Majorant:
        """A majorant over the output of the block, carried back to its input."""
        main = self.before_affines(goal, len(self.view.affines) - 1)
        if self.view.feedthrough is None:
            return main
        skip = Majorant(goal.rows, torch.zeros_like(goal.constant)).before_affine(
            self.view.feedthrough, self.reaches[0]
        )
        return main.plus(skip, self.reaches[0])


@dataclass(frozen=True, eq=False)
class BracketedNetwork:
    """The first blocks of a network between lines over the boxes [lower, upper] of its input, and the boxes [low, high]
    of what they put out.
    """

    lower: Tensor
    upper: Tensor
    low: Tensor
    high: Tensor
    blocks: tuple[BracketedBlock, ...] = ()

    @staticmethod
    def of(view: NetworkView, lower: Tensor, upper: Tensor) -> BracketedNetwork:
        """All of a network."""
        network = BracketedNetwork(lower, upper, lower, upper)
        for block in view.blocks:
            network = network.followed_by(block)
        return network

    def before(self, goal: Majorant) -> Majorant:
        """A majorant over the output, carried back to the input."""
        for block in reversed(self.blocks):
            goal = block.before(goal)
        return goal

    def followed_by(self, view: BlockView) -> BracketedNetwork:
        """The same network with one more block, whose layers are put between lines one after the other."""
        low, high = self.low, self.high
        block = BracketedBlock(view, (), (reach_of(low, high),))
        for affine, layer in zip(view.affines, view.activations, strict=False):
            low, high, shares = self._tightened(block, *enclose_affine(affine, low, high))
            bracketed = BracketedLayer.over(layer, low, high, shares)
            low, high = enclose_activation(layer, low, high)
            block = replace(block, layers=(*block.layers, bracketed), reaches=(*block.reaches, reach_of(low, high)))
        low, high = enclose_affine(view.affines[-1], low, high)
        if view.feedthrough is not None:
            skip_low, skip_high = enclose_affine(view.feedthrough, self.low, self.high)
            low, high = widen_down(low + skip_low), widen_up(high + skip_high)
        return replace(self, low=low, high=high, blocks=(*self.blocks, block))

    def _tightened(self, block: BracketedBlock, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The boxes [low, high] of the next neurons' inputs in `block`, intersected with their majorants' ranges; and
        the shares of the network's inputs in them.
        """
        size = low.shape[-1]
        unit = torch.eye(size, dtype=low.dtype, device=low.device)
        goal = Majorant(torch.cat([unit, -unit]).unsqueeze(0), low.new_zeros(1, 2 * size))
        at_input = self.before(block.before_affines(goal, len(block.layers)))
        above, minus_below = at_input.over_box(self.lower, self.upper).split(size, -1)
        radius = midpoint_radius(self.lower, self.upper)[1].detach().unsqueeze(1)
        effect = (at_input.rows.detach().abs() * radius).unflatten(1, (2, size)).sum(1)
        shares = effect / (effect.sum(-1, keepdim=True) + TINY)
        return torch.maximum(low, -minus_below), torch.minimum(high, above), shares


@dataclass(frozen=True)
class CrownBound(AbstractBound):
    """Backward linear relaxation with separate slopes (CROWN), intersected with interval propagation."""

    def upper(self, view: NetworkView, lower: Tensor, upper: Tensor, directions: Tensor) -> UpperBound:
        """See `AbstractBound.upper`; cost: for each hidden layer a backward pass of two rows per lane through the
        layers before it, and one of a single row from the output.

        `slope` is that of the linear function above the goal, which is the gradient up to the gap.
        """
        network = BracketedNetwork.of(view, lower, upper)
        goal = Majorant(directions.unsqueeze(1), torch.zeros_like(directions[:, :1]), directions.new_zeros(1, 1, 1))
        at_input = network.before(goal)
        own = at_input.over_box(lower, upper).squeeze(1)
        least = torch.minimum(own, support_of_boxes(network.low, network.high, directions))
        slope = at_input.rows.squeeze(1) * midpoint_radius(lower, upper)[1]
        blame = torch.zeros_like(lower) if at_input.blame is None else at_input.blame.squeeze(1).expand_as(lower)
        return UpperBound(least, slope.detach(), blame)

    def bytes_per_pair(self, view: NetworkView) -> int:
        """The largest tensor of rows, eight copies of which are alive at once, and the lines and shares of all layers.

        The rows that a layer starts with are the same for all boxes; those over the inputs of the layers before are
        not.
        """
        inputs = view.in_size
        largest, kept, before = inputs, 0, inputs
        for block in view.blocks:
            for affine in block.affines[:-1]:
                lanes, size = affine.weight.shape
                before = max(before, size)
                largest = max(largest, 2 * lanes * before)
                kept += lanes * (inputs + 8)
            before = max(before, *block.affines[-1].weight.shape)
        return 8 * int(8 * max(largest, before) + kept)
