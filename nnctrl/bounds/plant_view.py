"""Views of the steps of a plant that is not affine: a network and tapes in turn (the Hessian paper, Remark 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from nnctrl.bounds.interval import enclose_affine, enclose_network
from nnctrl.bounds.tape_form import column_of, form_of, numbers_of
from nnctrl.bounds.taylor import form_bytes
from nnctrl.bounds.taylor_form import TaylorForm
from nnctrl.bounds.view import AbstractPlantView, AffineView, NetworkView
from nnctrl.sets.interval import Interval
from nnctrl.systems.nonlinear_step import JointLanes, NonlinearStepMap
from nnctrl.systems.plant import Plant
from nnctrl.systems.tape import Tape


@dataclass(frozen=True, eq=False)
class TapesView(AbstractPlantView):
    """The second part of a `NonlinearStepMap`, `[x; rest+; u; w] -> [x+; rest+; u; y]`.

    Without y if `outputs` is false: an output that is undefined somewhere would spoil what is asked of the states.
    """

    plant: Plant
    lanes: JointLanes
    outputs: bool = True

    @property
    def in_size(self) -> int:
        """Size of the joint vector."""
        return self.lanes.w.stop

    @property
    def out_size(self) -> int:
        """States, inputs and outputs."""
        return self.lanes.u.stop + (self.plant.output_size if self.outputs else 0)

    @property
    def tapes(self) -> tuple[Tape, ...]:
        """The dynamics, and the outputs if there are any."""
        asked = self.outputs and self.plant.outputs
        return (self.plant.tape, self.plant.output_tape) if asked else (self.plant.tape,)

    def __call__(self, x: Tensor) -> Tensor:
        """With the interval parameters at their midpoints."""
        lanes = self.lanes
        signals = (x[..., lanes.x], x[..., lanes.u], x[..., lanes.w], self.plant.nominal_parameters)
        following, *outputs = (tape(*signals)[0] for tape in self.tapes)
        return torch.cat([following, x[..., lanes.rest], x[..., lanes.u], *outputs], -1)

    def through(self, form: TaylorForm) -> TaylorForm:
        """See `AbstractPlantView`; an interval parameter gets a symbol of its own, the same in all of this step."""
        low, high = self.plant.parameter_bounds
        open_ones = np.flatnonzero(low < high)
        if len(open_ones):
            form = form.beside_box(torch.tensor(low[open_ones]), torch.tensor(high[open_ones]))
        table, numbers = numbers_of(form)
        parameters = [table.constant(float(value)) for value in low]
        for place, number in zip(open_ones, numbers[self.in_size :], strict=True):
            parameters[place] = number
        lanes = self.lanes
        signals = [numbers[lanes.x], numbers[lanes.u], numbers[lanes.w], parameters]
        following, *outputs = (column_of(tape, table, signals) for tape in self.tapes)
        return form_of(table, [*following, *numbers[lanes.rest], *numbers[lanes.u], *chain.from_iterable(outputs)])

    def enclose(self, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
        """See `AbstractPlantView`."""
        low, high, lanes = lower.detach().numpy(), upper.detach().numpy(), self.lanes
        unknown = np.isnan(low) | np.isnan(high)
        joint = Interval(np.where(unknown, -np.inf, low), np.where(unknown, np.inf, high))
        signals = (joint[..., lanes.x], joint[..., lanes.u], joint[..., lanes.w])
        following, *outputs = (tape(*signals, Interval(*self.plant.parameter_bounds))[0] for tape in self.tapes)
        parts: Sequence[Interval] = [following, joint[..., lanes.rest], joint[..., lanes.u], *outputs]
        return (
            torch.from_numpy(np.concatenate([part.lower for part in parts], -1)),
            torch.from_numpy(np.concatenate([part.upper for part in parts], -1)),
        )

    def form_bytes(self) -> int:
        """See `AbstractPlantView`; without the symbols that came before."""
        return self.bytes_over(self.in_size)

    def new_symbols(self) -> int:
        """At most this many symbols are added: two for a quotient, three for an angle, otherwise one."""
        several = {"div": 2, "atan2": 6, "pow": 3, "constpow": 3}
        counts = (several.get(step.operation, 1) for tape in self.tapes for step in tape.instructions)
        return sum(counts) + len(self.plant.parameters)

    def bytes_over(self, symbols: int) -> int:
        """Memory of the numbers that are alive at once, over a form of `symbols` symbols."""
        registers = max(tape.work_size for tape in self.tapes) + 2 * (self.in_size + self.out_size)
        return 8 * (registers + 8) * (symbols + self.new_symbols())


@dataclass(frozen=True, eq=False)
class StepView(AbstractPlantView):
    """One step: the controller's network from any coordinates, then the plant's tapes."""

    network: NetworkView
    tapes: TapesView

    @staticmethod
    def of(step: NonlinearStepMap, *, outputs: bool = True) -> StepView:
        """Over [z; d]; with or without the plant's outputs."""
        return StepView(NetworkView.of(step.network), TapesView(step.plant, step.lanes, outputs))

    @property
    def in_size(self) -> int:
        """Inputs of the network."""
        return self.network.in_size

    @property
    def out_size(self) -> int:
        """Outputs of the tapes."""
        return self.tapes.out_size

    def __call__(self, x: Tensor) -> Tensor:
        """See `TapesView`."""
        return self.tapes(self.network(x))

    def through(self, form: TaylorForm) -> TaylorForm:
        """See `AbstractPlantView`."""
        return self.tapes.through(form.through(self.network))

    def enclose(self, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
        """See `AbstractPlantView`."""
        return self.tapes.enclose(*enclose_network(self.network, lower, upper))

    def form_bytes(self) -> int:
        """See `AbstractPlantView`."""
        return form_bytes(self.network) + self.tapes.bytes_over(self.in_size + _neurons(self.network))


@dataclass(frozen=True, eq=False)
class SequenceView(AbstractPlantView):
    """K steps `[v; d_0; ...; d_(K-1)] -> [z_K; u_(K-1); y_(K-1)]`, nothing boxed in between.

    `start` maps coordinates v to z_0; `step` is over [z; d], with `state_size` states; `count` is K.
    """

    start: AffineView
    step: StepView
    state_size: int
    count: int

    @property
    def disturbances(self) -> int:
        """Size of d."""
        return self.step.in_size - self.state_size

    @property
    def in_size(self) -> int:
        """Coordinates and all disturbances."""
        return int(self.start.weight.shape[1]) + self.count * self.disturbances

    @property
    def out_size(self) -> int:
        """Results of one step."""
        return self.step.out_size

    def _lanes(self, k: int) -> slice:
        """Where d_k lies among the inputs."""
        first = int(self.start.weight.shape[1]) + k * self.disturbances
        return slice(first, first + self.disturbances)

    def __call__(self, x: Tensor) -> Tensor:
        """See `TapesView`."""
        state = self.start(x[..., : self.start.weight.shape[1]])
        result = state
        for k in range(self.count):
            result = self.step(torch.cat([state, x[..., self._lanes(k)]], -1))
            state = result[..., : self.state_size]
        return result

    def through(self, form: TaylorForm) -> TaylorForm:
        """See `AbstractPlantView`."""
        state = form.rows(slice(0, int(self.start.weight.shape[1]))).affine(self.start)
        result = state
        for k in range(self.count):
            # joined to the longer list of symbols, which is the state's, and then put in order
            joined = form.rows(self._lanes(k)).beside(state)
            order = [*range(self.disturbances, joined.centre.shape[-1]), *range(self.disturbances)]
            result = self.step.through(joined.rows(order))
            state = result.rows(slice(0, self.state_size)).folded()
        return result

    def enclose(self, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
        """See `AbstractPlantView`."""
        size = int(self.start.weight.shape[1])
        state = result = enclose_affine(self.start, lower[..., :size], upper[..., :size])
        for k in range(self.count):
            ends = zip(state, (lower, upper), strict=True)
            result = self.step.enclose(*(torch.cat([part, end[..., self._lanes(k)]], -1) for part, end in ends))
            state = result[0][..., : self.state_size], result[1][..., : self.state_size]
        return result

    def form_bytes(self) -> int:
        """See `AbstractPlantView`: the last step has the symbols of all before it."""
        own = _neurons(self.step.network) + self.step.tapes.new_symbols() + self.state_size
        return self.step.form_bytes() + self.step.tapes.bytes_over(self.in_size + self.count * own)


def _neurons(view: NetworkView) -> int:
    """Symbols that a network adds to a form."""
    return sum(len(layer.nonlinear_lanes) for block in view.blocks for layer in block.activations)
