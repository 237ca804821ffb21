"""Whether a controller fits a plant: sizes, sample periods, and outputs that can be read before the input is known."""

from __future__ import annotations

from nnctrl.errors import AlgebraicLoopError, DimensionError, InputError
from nnctrl.systems.controller import Controller
from nnctrl.systems.expert import Expert
from nnctrl.systems.plant import Plant

INPUT_ARGUMENT = 1
"""Position of u among the arguments (x, u, w, p) of a plant's tapes."""


def check_fit(plant: Plant, controller: Controller) -> None:
    """DimensionError, InputError or AlgebraicLoopError unless the controller can be connected to the plant."""
    signals = plant.states if controller.observes == "states" else plant.outputs
    if controller.observes == "outputs" and not plant.outputs:
        raise InputError(f"the controller observes outputs but '{plant.name}' declares none; set observes='states'")
    if controller.observed_size != len(signals):
        raise DimensionError(
            f"the controller reads {controller.observed_size} values but '{plant.name}' has {len(signals)} "
            f"{controller.observes} "
            f"({', '.join(signals)}); pass observation=Affine(...)"
        )
    if controller.input_size != plant.input_size:
        raise DimensionError(
            f"the controller commands {controller.input_size} inputs but '{plant.name}' has {plant.input_size} "
            f"({', '.join(plant.inputs)}); pass output=Affine(...)"
        )
    if controller.observes == "outputs" and controller.delay == 0 and outputs_need_input(plant):
        raise AlgebraicLoopError(
            f"the outputs of '{plant.name}' depend on its input in the same sample: plant -> controller -> plant; "
            "observe states, or give the controller a delay"
        )


def outputs_need_input(plant: Plant) -> bool:
    """Whether any output depends on the input of the same sample."""
    return any(argument == INPUT_ARGUMENT for argument, _ in plant.output_tape.dependence()[0])


def sample_period(plant: Plant, controller: Controller | Expert) -> float:
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
