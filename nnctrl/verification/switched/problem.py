"""A problem with a switched controller made ready for its engine: monitors, parts of the initial set, simulation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import UnsupportedError
from nnctrl.reachability.initial_parts import InitialParts, initial_parts
from nnctrl.sets.base import AbstractSet
from nnctrl.specs.polynomial_margins import PolynomialMonitor, polynomial_monitors
from nnctrl.systems.jet_program import jet_program
from nnctrl.systems.simulation import simulate
from nnctrl.systems.switched import SwitchedLoop
from nnctrl.verification.problem import Problem


@dataclass(frozen=True, eq=False)
class SwitchedProblem:
    """What falsification and enclosure share; times are counted in steps."""

    loop: SwitchedLoop
    initial_set: AbstractSet
    initial: InitialParts
    monitors: tuple[PolynomialMonitor, ...]
    horizon: int

    @staticmethod
    def of(problem: Problem) -> SwitchedProblem:
        """Compile a problem; UnsupportedError for an initial set or an operation that has no polynomial zonotope."""
        loop = problem.closed_loop
        if not isinstance(loop, SwitchedLoop):
            raise UnsupportedError("the controller has one network; the engine switched treats switched ones only")
        plant = loop.plant
        tapes = [] if plant.is_affine() else [plant.tape]
        if plant.outputs and not plant.has_affine_output():
            tapes.append(plant.output_tape)
        for tape in tapes:
            jet_program(tape)
        others = [*plant.inputs, *plant.outputs]
        monitors = polynomial_monitors(problem.spec, list(plant.states), others, problem.horizon, discrete=True)
        return SwitchedProblem(
            loop, problem.initial_set, initial_parts(problem.initial_set), tuple(monitors), int(problem.horizon)
        )

    def simulated(self, x0: FloatArray, w: FloatArray) -> FloatArray:
        """Signals [batch, horizon + 1, states + inputs + outputs] from `x0` [batch, n] under disturbances `w`
        [batch, horizon, w]; inputs and outputs of the last step are nan. Floating point.
        """
        path = simulate(self.loop.plant, self.loop.controller, x0, self.horizon, w)
        others = np.concatenate([path.u, path.y], axis=-1)
        missing = np.full((len(x0), 1, others.shape[-1]), np.nan)
        return np.concatenate([path.x, np.concatenate([others, missing], axis=1)], axis=-1)

    def margins(self, monitor: PolynomialMonitor, signals: FloatArray) -> FloatArray:
        """Margins [batch] of whole trajectories: the worst time, for Reach the best; nan counts as nothing."""
        times: FloatArray = np.arange(self.horizon + 1, dtype=np.float64)
        active = (times >= monitor.first) & (times <= monitor.last)
        margins = monitor.point_margins(signals[:, active], times[active])
        margins = np.where(np.isnan(margins), -np.inf if monitor.is_reach else np.inf, margins)
        return np.asarray(margins.max(axis=1) if monitor.is_reach else margins.min(axis=1))
