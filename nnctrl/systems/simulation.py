"""Point simulation of a plant under a controller or an expert.

Made from the plant's tape and the controller's parts, NOT from the composed network: that both agree is a test of the
composer. Results are floating point and prove nothing by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import DimensionError, InputError
from nnctrl.systems.controller import Controller
from nnctrl.systems.expert import Expert
from nnctrl.systems.fit import check_fit, sample_period
from nnctrl.systems.plant import Plant
from nnctrl.systems.switched import SwitchedController, SwitchedLoop


@dataclass(frozen=True, eq=False)
class Trajectory:
    """What happened: times t [K+1] in seconds, states x [batch, K+1, n]; inputs applied u [batch, K, m], disturbances
    w [batch, K, w], measurement noise [batch, K, v] and plant outputs y [batch, K, outputs] of every step.
    """

    t: FloatArray
    x: FloatArray
    u: FloatArray
    w: FloatArray
    noise: FloatArray
    y: FloatArray


def simulate(
    plant: Plant,
    controller: Controller | SwitchedController | Expert,
    x0: object,
    steps: int,
    w: object | None = None,
    noise: object | None = None,
    parameters: object | None = None,
) -> Trajectory:
    """Simulate `steps` samples from x0 [batch, n] (or [n], a batch of one).

    w [w], [K, w] or [batch, K, w] and noise likewise default to 0; `parameters` [p] or [batch, p] to the midpoints. A
    continuous plant is integrated (scipy's DOP853, relative tolerance 1e-10) with the input held over the
    controller's period. An expert is asked point by point. A trajectory that diverges contains inf or nan.
    """
    if not isinstance(controller, Controller | SwitchedController | Expert):
        raise InputError(f"a plant is simulated under a {type(controller).__name__}; give a Controller or an Expert")
    if steps < 0:
        raise InputError(f"{steps} steps were to be simulated; give 0 or more")
    start: FloatArray = np.array(x0, dtype=np.float64, ndmin=2)
    if start.ndim != 2 or start.shape[1] != plant.state_size:
        raise DimensionError(f"x0 has shape {start.shape}; give [batch, {plant.state_size}] for '{plant.name}'")
    batch, views = len(start), 0
    if isinstance(controller, Controller):
        check_fit(plant, controller)
        views = controller.view_size
    elif isinstance(controller, SwitchedController):
        SwitchedLoop(plant, controller)  # refuses what does not fit
    period = sample_period(plant, controller)
    disturbances = _signal("w", w, (batch, steps, plant.disturbance_size))
    noises = _signal("noise", noise, (batch, steps, views))
    values = plant.nominal_parameters if parameters is None else np.asarray(parameters, dtype=np.float64)
    loop = _Loop(plant, controller, start, values)
    x, u, y = [start], [], []
    with np.errstate(over="ignore", invalid="ignore"):
        for k in range(steps):
            applied, outputs = loop.act(x[-1], disturbances[:, k], noises[:, k])
            x.append(advance(plant, x[-1], applied, disturbances[:, k], values, period))
            u.append(applied)
            y.append(outputs)
    sizes = (plant.input_size, plant.output_size)
    inputs, measured = (
        np.stack(signal, axis=1) if signal else np.zeros((batch, 0, size))
        for signal, size in zip((u, y), sizes, strict=True)
    )
    times: FloatArray = np.arange(steps + 1, dtype=np.float64) * period
    return Trajectory(times, np.stack(x, axis=1), inputs, disturbances, noises, measured)


class _Loop:
    """The controller side of the loop: its memory and its delay line, or its mode, sample by sample."""

    def __init__(
        self,
        plant: Plant,
        controller: Controller | SwitchedController | Expert,
        start: FloatArray,
        parameters: FloatArray,
    ) -> None:
        self.plant, self.controller, self.parameters = plant, controller, parameters
        self.line: list[FloatArray] = []
        self.memory = np.zeros((len(start), 0))
        if isinstance(controller, SwitchedController):
            self.mode = np.full(len(start), controller.start)
        if isinstance(controller, Controller):
            self.line = [np.tile(row, (len(start), 1)) for row in controller.initial_line]
            if controller.memory is not None:
                self.memory = np.tile(controller.memory.start, (len(start), 1))

    def act(self, x: FloatArray, w: FloatArray, noise: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Input applied now and the plant's outputs, for states x, disturbances w and noise, each [batch, .]."""
        controller = self.controller
        if isinstance(controller, Expert):
            applied = self._ask(controller, x)
            return applied, self._measure(x, applied, w)
        if isinstance(controller, SwitchedController):
            self.mode, applied = controller.decide(self.mode, x)
            return applied, self._measure(x, applied, w)
        # with a delay the applied input is known before anything is measured; without one, outputs do not depend on
        # it (check_fit)
        known = self.line[0] if self.line else np.zeros((len(x), self.plant.input_size))
        observed = x if controller.observes == "states" else self._measure(x, known, w)
        view = controller.observe(observed, noise)
        self.line.append(controller.control(view, self.memory))
        self.memory = controller.next_memory(view, self.memory)
        applied = self.line.pop(0)
        return applied, self._measure(x, applied, w)

    def _ask(self, expert: Expert, x: FloatArray) -> FloatArray:
        inputs = [np.asarray(expert.control(point), dtype=np.float64) for point in x]
        wrong = next((u.shape for u in inputs if u.shape != (self.plant.input_size,)), None)
        if wrong is not None:
            raise DimensionError(
                f"the expert returned an input of shape {wrong}; '{self.plant.name}' takes ({self.plant.input_size},)"
            )
        return np.array(inputs).reshape(len(x), self.plant.input_size)

    def _measure(self, x: FloatArray, u: FloatArray, w: FloatArray) -> FloatArray:
        if not self.plant.outputs:
            return np.zeros((len(x), 0))
        return np.asarray(self.plant.measure(x, u, w, self.parameters))


def advance(
    plant: Plant, x: FloatArray, u: FloatArray, w: FloatArray, parameters: FloatArray, period: float
) -> FloatArray:
    """States one sample later, from `x` [..., n] with `u` [..., m] and `w` [..., w] held over the period."""
    if plant.is_discrete:
        return np.asarray(plant.step(x, u, w, parameters))
    from scipy.integrate import solve_ivp

    def derivative(_time: float, flat: FloatArray) -> Any:
        return plant.vector_field(flat.reshape(x.shape), u, w, parameters).ravel()

    # the whole batch is one system, so one step size serves all of it
    solution = solve_ivp(derivative, (0.0, period), x.ravel(), method="DOP853", rtol=1e-10, atol=1e-12)
    if not solution.success:
        raise InputError(
            f"'{plant.name}' could not be integrated over a period of {period} s ({solution.message}); shorten the "
            "period"
        )
    return np.asarray(solution.y[:, -1].reshape(x.shape))


def _signal(name: str, given: object | None, shape: tuple[int, int, int]) -> FloatArray:
    """`given` broadcast to [batch, steps, size]; zeros for None."""
    values = np.zeros(shape) if given is None else np.array(given, dtype=np.float64)
    try:
        return np.broadcast_to(values, shape)
    except ValueError as error:
        raise DimensionError(
            f"{name} has shape {values.shape}; give {shape[2:]}, {shape[1:]} or {shape} for [batch, steps, size]"
        ) from error
