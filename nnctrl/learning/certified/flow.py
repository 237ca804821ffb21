"""The closed loop of a task while its network is trained: over boxes and over points, differentiable by the weights.

Over boxes the state is a first-order Taylor form whose first symbols are the coordinates of the initial set. The
network is bounded as everywhere (`TaylorForm`). Affine discrete plants are followed exactly; all others by their tape
over `TrainingNumber`s, continuous ones by the classical Runge-Kutta method, so that over a step of time

    x(t + h) is in  phi(centre) + D phi(centre) (x - centre) + second-order remainder,

a mean-value enclosure of the map phi of the method. Neither the method's truncation error nor rounding is enclosed:
this is what a training looks at, and the verifier is what decides.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nnctrl.bounds.taylor_form import TaylorForm
from nnctrl.bounds.view import AffineView, NetworkView, tensor
from nnctrl.learning.certified.number import TrainingNumber, form_of, number_or_constant, numbers_of
from nnctrl.learning.task import Task
from nnctrl.reachability.chain import disturbance_bounds
from nnctrl.reachability.parametrisation import Parametrisation, parametrise
from nnctrl.systems.fit import sample_period
from nnctrl.systems.plant import Plant
from nnctrl.systems.tape import Tape

SYMBOLS = 80
"""Symbols kept from sample to sample beside those of the initial set."""

ACCURACY = 1e-4
"""Error of the Runge-Kutta method over one sample, relative to what changes, that is good enough to train with."""

MOST_CHANGE = 10.0
"""Between two moments no state of a simulated trajectory changes by more than this many times its size in the initial
set (at least 1): a trajectory that diverges stays finite, and its gradient useful.
"""

MOST_STEPS = 16
"""Steps of the method in one sample, at most."""


class Moment(NamedTuple):
    """Signals [states; inputs; outputs] at one moment; of the states alone at the last."""

    number: int
    signals: TaylorForm


@dataclass(frozen=True, eq=False)
class Flow:
    """The plant of a task between samples; `substeps` of the method in each sample of `period` (1 for discrete
    plants), `looks` of which are moments at which requirements are looked at. `initial` has the coordinates of the
    initial set.
    """

    plant: Plant
    initial: Parametrisation
    disturbance: tuple[Tensor, Tensor]
    samples: int
    period: float
    substeps: int
    looks: int

    @staticmethod
    def of(task: Task, looks: int = 2) -> Flow:
        """The flow of a task, looked at `looks` times in every sample of a continuous plant, with a step each."""
        plant = task.plant
        initial = parametrise(task.initial_set, lambda affine: affine)
        loop = task.idle_problem.network_loop
        noise = disturbance_bounds(loop.step)
        if plant.is_discrete:
            return Flow(plant, initial, noise, task.samples, 1.0, 1, 1)
        return Flow(plant, initial, noise, task.samples, sample_period(plant, loop.controller), looks, looks)

    def accurate_along(self, network: NetworkView, start: Tensor) -> Flow:
        """The flow with enough steps of the method for the trajectories from `start` [batch, n]: twice as many would
        change the states after one sample by less than `ACCURACY` of what they change at all.
        """
        plant, flow = self.plant, self
        if plant.is_discrete:
            return self
        signals = self.trajectories(network, start)[:, : -1 : self.looks].flatten(0, 1).detach()
        signals = signals[torch.isfinite(signals).all(-1)]
        x, u = signals[:, : plant.state_size], signals[:, plant.state_size : plant.state_size + plant.input_size]
        coarse = _integrated(plant, x, u, self.period, flow.substeps)
        while len(x) and flow.substeps < MOST_STEPS:
            fine = _integrated(plant, x, u, self.period, 2 * flow.substeps)
            change = torch.nan_to_num((fine - x).abs()).amax(0)
            if bool((torch.nan_to_num((fine - coarse).abs()).amax(0) <= ACCURACY * change).all()):
                break
            flow, coarse = dataclasses.replace(flow, substeps=2 * flow.substeps), fine
        return flow

    @property
    def step(self) -> float:
        """Seconds (for discrete plants steps) between two moments."""
        return self.period / self.looks

    # boxes

    def part(self, lower: Tensor, upper: Tensor) -> TaylorForm:
        """The initial states with coordinates in the boxes [lower, upper] [batch, q] of the initial set's own."""
        return TaylorForm.of_box(lower, upper).affine(self.initial.view)

    def moments(self, network: NetworkView, state: TaylorForm) -> Iterator[Moment]:
        """All moments from forms of initial states.

        Cost: for each sample a form through the network and, for each step, four passes over the tape, each operation
        of which takes a few of torch's on [batch, symbols].
        """
        n = self.plant.state_size
        for sample in range(self.samples):
            inputs = state.through(network)
            for look in range(self.looks):
                yield Moment(sample * self.looks + look, self._signals(state, inputs))
                for _ in range(self.substeps // self.looks):
                    state = self._advanced(state, inputs)
            state = state.rows(slice(0, n)).folded().reduced(SYMBOLS)
        yield Moment(self.samples * self.looks, state)

    def _signals(self, state: TaylorForm, inputs: TaylorForm) -> TaylorForm:
        """States, inputs and outputs."""
        joint = self._joint(state, inputs)
        own = joint.rows(slice(0, self.plant.state_size + self.plant.input_size))
        if not self.plant.outputs:
            return own
        numbers = numbers_of(joint)
        return own.beside(form_of(self._column(self.plant.output_tape, numbers, self.plant.output_size), joint))

    def _advanced(self, state: TaylorForm, inputs: TaylorForm) -> TaylorForm:
        """The states one step of the method later, disturbances and parameters anywhere in their intervals."""
        joint = self._joint(state, inputs)
        if self.plant.is_discrete and self._affine is not None:
            return joint.affine(self._affine)
        numbers = numbers_of(joint)
        n = self.plant.state_size
        if self.plant.is_discrete:
            return form_of(self._column(self.plant.tape, numbers, n), joint)
        return form_of(self._runge_kutta(numbers), joint)

    def _joint(self, state: TaylorForm, inputs: TaylorForm) -> TaylorForm:
        """[states; inputs; disturbances; parameters that vary]; what varies may change from step to step."""
        joint = _padded(state, inputs).beside(_padded(inputs, state))
        low, high = self._varying
        return joint.beside_box(low, high) if low.numel() else joint

    @cached_property
    def _varying(self) -> tuple[Tensor, Tensor]:
        """Intervals of the disturbances and, for plants that are followed by their tape, of the open parameters."""
        low, high = (tensor(bound) for bound in self.plant.parameter_bounds)
        open_ones = low < high if self._affine is None else torch.zeros_like(low, dtype=torch.bool)
        return torch.cat([self.disturbance[0], low[open_ones]]), torch.cat([self.disturbance[1], high[open_ones]])

    @cached_property
    def _affine(self) -> AffineView | None:
        """The dynamics of an affine discrete plant over [states; inputs; disturbances], for all its parameters; None
        where outputs need open parameters as signals.
        """
        plant = self.plant
        low, high = plant.parameter_bounds
        apart = bool(plant.outputs) and bool((low < high).any())
        return AffineView.of(plant.affine().state) if plant.is_discrete and plant.is_affine() and not apart else None

    def _runge_kutta(self, numbers: Sequence[TrainingNumber]) -> list[TrainingNumber]:
        h, n = self.period / self.substeps, self.plant.state_size
        state, others = numbers[:n], numbers[n:]

        def slope(at: Sequence[TrainingNumber]) -> list[TrainingNumber]:
            return self._column(self.plant.tape, [*at, *others], n)

        def moved(by: Sequence[TrainingNumber], share: float) -> list[TrainingNumber]:
            return [x + k * (share * h) for x, k in zip(state, by, strict=True)]

        first = slope(state)
        second = slope(moved(first, 0.5))
        third = slope(moved(second, 0.5))
        fourth = slope(moved(third, 1.0))
        return [
            x + (a + (b + c) * 2.0 + d) * (h / 6.0)
            for x, a, b, c, d in zip(state, first, second, third, fourth, strict=True)
        ]

    def _column(self, tape: Tape, signals: Sequence[TrainingNumber], size: int) -> list[TrainingNumber]:
        """A tape over signals as `_joint` orders them."""
        plant = self.plant
        n, m, w = plant.state_size, plant.input_size, plant.disturbance_size
        low, high = plant.parameter_bounds
        parameters: list[TrainingNumber | float] = [float(value) for value in low]
        for index, number in zip(np.flatnonzero(low < high), signals[n + m + w :], strict=True):
            parameters[index] = number
        (entries,) = tape.evaluate([signals[:n], signals[n : n + m], signals[n + m : n + m + w], parameters])
        return [number_or_constant(entries.get((row, 0), 0.0), signals[0]) for row in range(size)]

    # points

    def trajectories(self, network: NetworkView, start: Tensor) -> Tensor:
        """Signals [batch, moments, states + inputs + outputs] of point trajectories from `start` [batch, n], the
        disturbance 0 and parameters at their midpoints; inputs and outputs of the last moment are nan. Where a
        trajectory diverges it is held back (`MOST_CHANGE`).
        """
        plant = self.plant
        x, rows = start, []
        for _ in range(self.samples):
            u = network(x)
            for _ in range(self.looks):
                y = [plant.measure(x, u)] if plant.outputs else []
                rows.append(torch.cat([x, u, *y], -1))
                x = x + (self._later(x, u) - x).nan_to_num().clamp(-self._most_change, self._most_change)
        end = torch.full((len(x), rows[0].shape[-1] - plant.state_size), torch.nan, dtype=x.dtype)
        return torch.stack([*rows, torch.cat([x, end], -1)], 1)

    @cached_property
    def _most_change(self) -> Tensor:
        whole = self.initial
        corners = self.initial.view(torch.stack([whole.lower, whole.upper]))
        return MOST_CHANGE * corners.abs().amax(0).clamp(min=1.0)

    def _later(self, x: Tensor, u: Tensor) -> Tensor:
        """The states one moment later."""
        if self.plant.is_discrete:
            return torch.as_tensor(self.plant.step(x, u))
        return _integrated(self.plant, x, u, self.step, self.substeps // self.looks)


def _integrated(plant: Plant, x: Tensor, u: Tensor, time: float, steps: int) -> Tensor:
    """States [batch, n] after `time` with `u` held, in so many steps of the classical Runge-Kutta method."""
    h = time / steps
    for _ in range(steps):
        first = plant.vector_field(x, u)
        second = plant.vector_field(x + 0.5 * h * first, u)
        third = plant.vector_field(x + 0.5 * h * second, u)
        fourth = plant.vector_field(x + h * third, u)
        x = x + (h / 6.0) * (first + 2.0 * (second + third) + fourth)
    return x


def _padded(form: TaylorForm, other: TaylorForm) -> TaylorForm:
    """The same form over at least as many symbols as `other`, one of which has those of the other and more."""
    if form.symbols.shape[-1] >= other.symbols.shape[-1]:
        return form
    missing = other.symbols.shape[-1] - form.symbols.shape[-1]
    symbols = torch.nn.functional.pad(form.symbols, (0, missing))
    return dataclasses.replace(form, symbols=symbols, shares=other.shares)
