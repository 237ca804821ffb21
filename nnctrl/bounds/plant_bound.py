"""Bounds of networks made into bounds of a step of a plant that is not affine (the Hessian paper, Remark 3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nnctrl.bounds.base import AbstractBound, AbstractGeneralBound, UpperBound
from nnctrl.bounds.interval import midpoint_radius
from nnctrl.bounds.plant_view import StepView
from nnctrl.bounds.taylor_form import TaylorForm
from nnctrl.bounds.view import NetworkView, View
from nnctrl.errors import UnsupportedError
from nnctrl.sets.rounding import widen_up


@dataclass(frozen=True)
class _PlantBound(AbstractGeneralBound):
    """The network's bound plus an outward Taylor bound of the plant.

    In a direction d the plant's tapes g, a function of the joint vector J = (state, input, ...) that the network h
    gives, are cut at their tangent: `d'g(J) = e'J + r(J)`, e the gradient of d'g at the centre of the box of J. Then
    `max d'g(h(v)) <= max e'h(v) + max r`: the first is the bound `inner` of the network in the direction e, the second
    comes from the Taylor form of the tapes over the box of J. Any e is sound; this one makes r of second order. As e
    changes from box to box, local facts of the inner bound are always those of the box itself.
    """

    inner: AbstractBound

    def upper(self, view: View, lower: Tensor, upper: Tensor, directions: Tensor) -> UpperBound:
        """See `AbstractBound.upper`; cost: the inner bound, one form through the network and one through the tapes."""
        if isinstance(view, NetworkView):
            return self.inner.upper(view, lower, upper, directions)
        if not isinstance(view, StepView):
            raise _one_step_only(self.inner)
        joint = TaylorForm.of_box(lower, upper).through(view.network)
        around = TaylorForm.of_box(joint.lower, joint.upper)
        image = view.tapes.through(around)
        size = view.tapes.in_size
        _, radius = midpoint_radius(joint.lower, joint.upper)
        along = (directions.unsqueeze(1) @ image.symbols[..., :size]).squeeze(1)
        tangent = torch.nan_to_num(torch.where(radius > 0.0, along / radius, 0.0), nan=0.0, posinf=0.0, neginf=0.0)
        found = self.inner.upper(view.network, lower, upper, tangent)
        pair = around.beside(image)
        across = torch.cat([-tangent, directions], -1).unsqueeze(1)
        missed = pair.support(across).squeeze(1)
        # the residual is blamed on joint signals, and these on the inputs that move them
        inputs = joint.shares.shape[-1]
        moved = joint.symbols[..., :inputs].abs() + joint.symbols.abs() @ joint.shares
        blame = (pair.blame(across) @ (moved / (moved.sum(-1, keepdim=True) + 1e-300))).squeeze(1)
        return UpperBound(widen_up(found.upper + missed), found.slope, found.blame + blame)

    def bytes_per_pair(self, view: View) -> int:
        """That of the inner bound and of both forms."""
        if isinstance(view, NetworkView):
            return self.inner.bytes_per_pair(view)
        if not isinstance(view, StepView):
            raise _one_step_only(self.inner)
        return self.inner.bytes_per_pair(view.network) + view.form_bytes()


def suited(bound: AbstractBound, view: View) -> AbstractBound:
    """`bound` made fit for the view; UnsupportedError for several steps of a plant that is not affine, which only
    general bounds follow.
    """
    if isinstance(view, NetworkView) or isinstance(bound, AbstractGeneralBound):
        return bound
    if not isinstance(view, StepView):
        raise _one_step_only(bound)
    return _PlantBound(bound)


def _one_step_only(bound: AbstractBound) -> UnsupportedError:
    return UnsupportedError(
        f"the bound '{bound.name}' is for networks, and several steps of a plant that is not affine are none; "
        "use the mode per-step, or the bound taylor or interval"
    )
