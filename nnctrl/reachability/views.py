"""Torch views of the steps of closed loops, from any coordinates of the states that they begin with."""

from __future__ import annotations

from nnctrl.bounds.plant_view import SequenceView, StepView, TapesView
from nnctrl.bounds.view import AffineView, NetworkView, View
from nnctrl.errors import InputError
from nnctrl.networks.layers import Affine
from nnctrl.systems.absorb import precede
from nnctrl.systems.affine_maps import beside
from nnctrl.systems.closed_loop import AbstractStepMap, StepMap
from nnctrl.systems.nonlinear_step import NonlinearStepMap
from nnctrl.systems.unroll import unroll


def view_of(step: AbstractStepMap) -> View:
    """The step over [z; d]."""
    if isinstance(step, StepMap):
        return NetworkView.of(step.network)
    return StepView.of(_nonlinear(step))


def view_from(step: AbstractStepMap, start: Affine, count: int, *, outputs: bool = True) -> View:
    """`count` steps from the coordinates of `start`, over [coordinates; d_0; ...; d_(count-1)].

    The map is absorbed into the first layer of the network. The result is that of the last step, for a plant that is
    not affine without its outputs if `outputs` is false.
    """
    extra = Affine.identity(step.disturbance_size * count)
    if isinstance(step, StepMap):
        return NetworkView.of(precede(unroll(step, count), beside(start, extra)))
    nonlinear = _nonlinear(step)
    if count == 1:
        network = precede(nonlinear.network, beside(start, extra))
        return StepView(NetworkView.of(network), TapesView(nonlinear.plant, nonlinear.lanes, outputs))
    return SequenceView(AffineView.of(start), StepView.of(nonlinear, outputs=outputs), step.state_size, count)


def _nonlinear(step: AbstractStepMap) -> NonlinearStepMap:
    if not isinstance(step, NonlinearStepMap):
        raise InputError(f"a step is a {type(step).__name__}; compose(plant, controller) makes steps")
    return step
