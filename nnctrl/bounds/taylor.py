"""Neuron-exact Taylor bounds: the default bound of nnctrl (see `taylor_form` for the idea and the proof)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from nnctrl.bounds.base import AbstractGeneralBound, UpperBound
from nnctrl.bounds.taylor_form import TaylorForm
from nnctrl.bounds.view import AbstractPlantView, View


def bound_along(form: TaylorForm, directions: Tensor) -> UpperBound:
    """The bound that a form over a batch of boxes gives in one direction [batch, m] for each."""
    along = directions.unsqueeze(1)
    slope = (along @ form.symbols[..., : form.shares.shape[-1]]).squeeze(1)
    return UpperBound(form.support(along).squeeze(1), slope, form.blame(along).squeeze(1))


def form_bytes(view: View) -> int:
    """Memory of one form: its largest tensor of symbols or shares, several copies of which are alive at once."""
    if isinstance(view, AbstractPlantView):
        return view.form_bytes()
    columns = inputs = view.in_size
    largest = inputs * inputs
    for block in view.blocks:
        for affine, layer in zip(block.affines, block.activations, strict=False):
            largest = max(largest, columns * affine.weight.shape[0])
            columns += len(layer.nonlinear_lanes)
            largest = max(largest, columns * layer.size, columns * inputs)
        largest = max(largest, columns * block.affines[-1].weight.shape[0])
    return 8 * 6 * int(largest)


@dataclass(frozen=True)
class TaylorBound(AbstractGeneralBound):
    """The neuron-exact Taylor bound: gradient kept, gap of second order, all activations."""

    def upper(self, view: View, lower: Tensor, upper: Tensor, directions: Tensor) -> UpperBound:
        """See `AbstractBound.upper`; cost: one forward pass of n + (number of neurons so far) columns per pair."""
        return bound_along(TaylorForm.of_box(lower, upper).through(view), directions)

    def bytes_per_pair(self, view: View) -> int:
        """See `form_bytes`."""
        return form_bytes(view)
