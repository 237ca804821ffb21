"""A problem made ready for computing: tensors, monitors, and the maps between plant and composite states."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nnctrl._typing import FloatArray
from nnctrl.branching.meter import Meter
from nnctrl.errors import UnsupportedError
from nnctrl.networks.layers import Affine
from nnctrl.reachability.chain import StepChain
from nnctrl.reachability.parametrisation import Parametrisation, parametrise
from nnctrl.sets.base import AbstractSet
from nnctrl.specs.monitor import Monitor, monitors_of
from nnctrl.systems.affine_maps import stack_rows
from nnctrl.systems.closed_loop import ClosedLoop
from nnctrl.verification.problem import Problem


@dataclass(frozen=True, eq=False)
class CompiledProblem:
    """What falsification and enclosure share."""

    closed_loop: ClosedLoop
    initial_set: AbstractSet
    initial: Parametrisation
    chain: StepChain
    monitors: list[Monitor]
    horizon: int

    @staticmethod
    def of(problem: Problem) -> CompiledProblem:
        """Compile a discrete problem; UnsupportedError for a continuous plant."""
        loop = problem.network_loop
        if not problem.is_discrete:
            raise UnsupportedError(
                f"the plant '{loop.plant.name}' is continuous, which the engine branch-and-bound does not treat; "
                "discretise it (LinearPlant.discretise) or give a discrete plant"
            )
        others = [*loop.plant.inputs, *loop.plant.outputs]
        return CompiledProblem(
            loop,
            problem.initial_set,
            parametrise(problem.initial_set, lambda affine: _lift(loop, affine)),
            StepChain.of(loop.step, loop.plant.state_size),
            monitors_of(problem.spec, list(loop.plant.states), others, int(problem.horizon)),
            int(problem.horizon),
        )

    @property
    def input_size(self) -> int:
        """Number of plant inputs."""
        return self.closed_loop.plant.input_size

    def signals(self, parameters: Tensor, noise: Tensor, meter: Meter) -> Tensor:
        """Simulated signals [batch, horizon + 1, states + inputs + outputs]; inputs and outputs of the last step are
        nan. BudgetSpentError as `StepChain.simulate`.
        """
        states, others = self.chain.simulate(self.initial.view(parameters), noise, meter)
        missing = others.new_full((len(others), 1, others.shape[-1]), torch.nan)
        return torch.cat([states, torch.cat([others, missing], 1)], -1)

    def plant_state(self, parameter: Tensor) -> FloatArray:
        """The plant state [n] of one parameter [q], rounded."""
        return np.asarray(self.initial.view(parameter)[: self.chain.plant_size].detach().numpy())

    def lift_point(self, state: FloatArray) -> FloatArray:
        """The composite state that begins with this plant state, exactly."""
        return self.closed_loop.start(state)


def _lift(loop: ClosedLoop, affine: Affine) -> Affine:
    """A map to plant states as a map to composite states: delay lines and memory begin with known values."""
    rest = Affine(np.zeros((len(loop.rest), affine.in_size)), loop.rest)
    return stack_rows([affine, rest]) if len(loop.rest) else affine
