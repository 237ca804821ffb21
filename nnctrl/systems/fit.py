"""Whether a controller fits a plant: sizes, sample periods, and outputs that can be read before the input is known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnctrl.errors import AlgebraicLoopError, DimensionError, InputError
from nnctrl.networks.layers import Affine
from nnctrl.systems.controller import Controller
from nnctrl.systems.expert import Expert
from nnctrl.systems.plant import Plant
from nnctrl.systems.switched import SwitchedController

SNAP = 1e-12
"""Times this near to a sample, relative to its number, are that sample: 0.3 is the third sample of period 0.1."""

INPUT_ARGUMENT = 1
"""Position of u among the arguments (x, u, w, p) of a plant's tapes."""


def check_fit(plant: Plant, controller: Controller) -> None:
    """DimensionError, InputError or AlgebraicLoopError unless the controller can be connected to the plant."""
    for what, thing, kind in (("plant", plant, Plant), ("controller", controller, Controller)):
        if not isinstance(thing, kind):
            given = f"the class {thing.__name__}" if isinstance(thing, type) else f"a {type(thing).__name__}"
            raise InputError(f"the {what} is {given}; give a {kind.__name__} object")
    signals = plant.states if controller.observes == "states" else plant.outputs
    if controller.observes == "outputs" and not plant.outputs:
        raise InputError(f"the controller observes outputs but '{plant.name}' declares none; set observes='states'")
    network = f"the controller, whose network is {controller.network.architecture()}{_file_of(controller)},"
    if controller.observed_size != len(signals):
        raise DimensionError(
            f"{network} reads {controller.observed_size} values but '{plant.name}' has {len(signals)} "
            f"{controller.observes} ({', '.join(signals)}); give a network that takes {len(signals)}, or pass "
            "observation=Affine(...)"
        )
    if controller.input_size != plant.input_size:
        raise DimensionError(
            f"{network} commands {controller.input_size} inputs but '{plant.name}' has {plant.input_size} "
            f"({', '.join(plant.inputs)}); give a network that gives {plant.input_size}, or pass output=Affine(...)"
        )
    if controller.observes == "outputs" and controller.delay == 0:
        names = observed_outputs_that_need_the_input(plant, controller)
        if names:
            raise AlgebraicLoopError(
                f"the output '{names[0]}' of '{plant.name}' depends on its input in the same sample: {names[0]} -> "
                f"controller -> {', '.join(plant.inputs)} -> {names[0]}; observe states, or give the controller a delay"
            )


def _file_of(controller: Controller) -> str:
    origin = controller.network.origin
    return "" if origin is None else f" from {origin.source}"


def observed_outputs_that_need_the_input(plant: Plant, controller: Controller) -> list[str]:
    """Names of the outputs that the controller looks at and that depend on the input of the same sample."""
    observation = controller.observation
    seen = [True] * plant.output_size if observation is None else [bool(c.any()) for c in _nonzero(observation).T]
    return [name for name, need, see in zip(plant.outputs, _needs_input(plant), seen, strict=True) if need and see]


def _needs_input(plant: Plant) -> list[bool]:
    """Which outputs depend on the input of the same sample."""
    if not plant.has_affine_output():
        # what the expression reaches: no more can be said without evaluating it
        reached = any(argument == INPUT_ARGUMENT for argument, _ in plant.output_tape.dependence()[0])
        return [reached] * plant.output_size
    output = plant.affine_output()
    if output is None:
        return []
    columns = slice(plant.state_size, plant.state_size + plant.input_size)
    return [bool(row[columns].any()) for row in _nonzero(output)]


def _nonzero(affine: Affine) -> NDArray[np.bool_]:
    """Where a weight or its radius is not 0."""
    nonzero: NDArray[np.bool_] = affine.weight != 0.0
    return nonzero if affine.weight_radius is None else nonzero | (affine.weight_radius != 0.0)


def sample_period(plant: Plant, controller: Controller | SwitchedController | Expert) -> float:
    """Seconds per sample: the plant's dt, or if continuous the controller's period; InputError if they disagree."""
    period = controller.period
    if not plant.is_discrete:
        if period is None:
            raise InputError(f"'{plant.name}' is continuous; give the controller a period in seconds")
        return period
    if period is not None and period != plant.dt:
        raise InputError(
            f"the controller's period is {period} s but the dt of '{plant.name}' is {plant.dt} s; they must agree"
        )
    return plant.dt


def in_samples(time: float, period: float) -> float:
    """A time as a number of samples, whole where it is within `SNAP` of a whole one."""
    count = time / period
    return float(round(count)) if abs(count - round(count)) <= SNAP * (1.0 + count) else count
