"""DeepZ: zonotopes through the network, a baseline to compare with.

A box is a zonotope; an affine layer maps it exactly; a neuron is put between two parallel lines over the interval of
its input and adds one symbol for the distance of the lines, which is carried on linearly (Singh, Gehr, Mirman,
Pueschel, Vechev: Fast and effective robustness certification, NeurIPS 2018).

That is the same propagation as the Taylor bound's, and the code is the same (`taylor_form`: one symbol per neuron,
intersection with interval propagation, outward rounding). The difference is the slope of the lines. The Taylor bound
follows the value and the gradient of the network along the centre of the box: smooth activations get the slope at the
centre, so that what the first n symbols carry is the Jacobian. DeepZ follows nothing and takes the slope that suits the
interval: the lesser one of both ends for tanh and sigmoid, the chord's for softplus, ReLU and clip
(`Activation.linearise_parallel`). The two agree on piecewise linear activations. The intersection with intervals is not
in the paper; without it the bound could be above interval propagation.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from nnctrl.bounds.base import AbstractBound, UpperBound
from nnctrl.bounds.taylor import bound_along, form_bytes
from nnctrl.bounds.taylor_form import TaylorForm
from nnctrl.bounds.view import NetworkView
from nnctrl.networks.activations import Activation, Linearisation


def over_the_interval(activation: Activation, centre: Tensor, low: Tensor, high: Tensor) -> Linearisation:
    """The relaxation of DeepZ: parallel lines that suit the whole interval."""
    return activation.linearise_parallel(centre, low, high)


@dataclass(frozen=True)
class ZonotopeBound(AbstractBound):
    """The zonotope bound DeepZ, intersected with interval propagation."""

    def upper(self, view: NetworkView, lower: Tensor, upper: Tensor, directions: Tensor) -> UpperBound:
        """See `AbstractBound.upper`; cost: that of the Taylor bound.

        `slope` is the zonotope's dependence on the input, which is near to the gradient on small boxes only.
        """
        return bound_along(TaylorForm.of_box(lower, upper).through(view, over_the_interval), directions)

    def bytes_per_pair(self, view: NetworkView) -> int:
        """See `form_bytes`."""
        return form_bytes(view)
