"""Neuron-exact Taylor bounds: the default bound of nnctrl (see `taylor_form` for the idea and the proof)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from nnctrl.bounds.base import AbstractBound, UpperBound
from nnctrl.bounds.taylor_form import TaylorForm
from nnctrl.bounds.view import NetworkView


@dataclass(frozen=True)
class TaylorBound(AbstractBound):
    """The neuron-exact Taylor bound: gradient kept, gap of second order, all activations."""

    def upper(self, view: NetworkView, lower: Tensor, upper: Tensor, directions: Tensor) -> UpperBound:
        """See `AbstractBound.upper`; cost: one forward pass of n + (number of neurons so far) columns per pair."""
        form = TaylorForm.of_box(lower, upper).through(view)
        along = directions.unsqueeze(1)
        slope = (along @ form.symbols[..., : lower.shape[-1]]).squeeze(1)
        return UpperBound(form.support(along).squeeze(1), slope, form.blame(along).squeeze(1))

    def bytes_per_pair(self, view: NetworkView) -> int:
        """Symbols of the widest layer, several copies alive at once."""
        columns, largest = view.in_size, 0
        for block in view.blocks:
            for affine, layer in zip(block.affines, block.activations, strict=False):
                columns += layer.nonlinear_size
                largest = max(largest, columns * affine.weight.shape[0])
        return 8 * 6 * max(largest, columns * view.out_size)
