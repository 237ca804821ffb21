"""A closed loop followed step by step with one Taylor form: nothing is re-boxed between the steps.

The symbols of the initial set live through all steps, so the linear part of the dependence on the initial state never
wraps; the residual symbols of every neuron of every step are carried on as well and reduced only when they become too
many. It is the bound of the unrolled network, computed once for all steps and all directions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nnctrl.bounds.taylor_form import TaylorForm
from nnctrl.bounds.view import View, tensor
from nnctrl.branching.meter import Meter
from nnctrl.reachability.parametrisation import Parametrisation
from nnctrl.reachability.views import view_of
from nnctrl.systems.closed_loop import AbstractStepMap


@dataclass(frozen=True, eq=False)
class ChainStep:
    """Forms at one step: the plant `state`, and the inputs and outputs (None after the last step)."""

    state: TaylorForm
    inputs_outputs: TaylorForm | None

    @property
    def signals(self) -> TaylorForm:
        """[state; inputs; outputs] as one form."""
        return self.state if self.inputs_outputs is None else self.state.beside(self.inputs_outputs)


@dataclass(frozen=True, eq=False)
class StepChain:
    """The step map of a closed loop, ready to be iterated on Taylor forms.

    `symbol_limit`: residual symbols kept from step to step (Girard's reduction beyond).
    """

    view: View
    state_size: int
    plant_size: int
    disturbance_lower: Tensor
    disturbance_upper: Tensor
    symbol_limit: int = 400

    @staticmethod
    def of(step: AbstractStepMap, plant_size: int, symbol_limit: int = 400) -> StepChain:
        """The chain of a composed step."""
        return StepChain(view_of(step), step.state_size, plant_size, *disturbance_bounds(step), symbol_limit)

    def start(self, initial: Parametrisation, lower: Tensor, upper: Tensor) -> TaylorForm:
        """The composite state over the parts [lower, upper] [batch, q] of the initial set's coordinates."""
        return TaylorForm.of_box(lower, upper).affine(initial.view)

    def step(self, state: TaylorForm, disturbance: tuple[Tensor, Tensor] | None = None) -> tuple[ChainStep, TaylorForm]:
        """The signals at a composite state, and the state one step later; `disturbance`: its box, by default the
        whole one.
        """
        low, high = (self.disturbance_lower, self.disturbance_upper) if disturbance is None else disturbance
        advanced = (state.beside_box(low, high) if low.numel() else state).through(self.view)
        signals = ChainStep(state.rows(slice(0, self.plant_size)), advanced.rows(slice(self.state_size, None)))
        return signals, advanced.rows(slice(0, self.state_size)).folded().reduced(self.symbol_limit)

    def last(self, state: TaylorForm) -> ChainStep:
        """The signals of the final step: the state only."""
        return ChainStep(state.rows(slice(0, self.plant_size)), None)

    def simulate(self, start: Tensor, disturbances: Tensor, meter: Meter) -> tuple[Tensor, Tensor]:
        """Point trajectories through the same step map, differentiable.

        `start` [batch, state], `disturbances` [batch, steps, w] give plant states [batch, steps + 1, n] and inputs with
        outputs [batch, steps, m + y]. BudgetSpentError when the meter's time or memory runs out on the way.
        """
        state, states, others = start, [start[:, : self.plant_size]], []
        for index in range(disturbances.shape[1]):
            meter.require()
            result = self.view(torch.cat([state, disturbances[:, index]], -1))
            state = result[:, : self.state_size]
            states.append(state[:, : self.plant_size])
            others.append(result[:, self.state_size :])
        return torch.stack(states, 1), torch.stack(others, 1)


def disturbance_bounds(step: AbstractStepMap) -> tuple[Tensor, Tensor]:
    """Lower and upper corner of the step's disturbances [w]; empty if it has none."""
    if step.disturbance is None:
        return torch.zeros(0, dtype=torch.float64), torch.zeros(0, dtype=torch.float64)
    return tensor(step.disturbance.lower), tensor(step.disturbance.upper)
