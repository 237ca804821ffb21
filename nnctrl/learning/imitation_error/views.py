"""The difference between a network and a law as a function that searches can maximise.

Both are followed over the same symbols of a Taylor form, so whatever they have in common cancels: the bound of the
difference is about as tight as the difference is small.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from nnctrl.bounds.tape_form import column_of, form_of, numbers_of
from nnctrl.bounds.taylor import form_bytes
from nnctrl.bounds.taylor_form import TaylorForm
from nnctrl.bounds.view import AbstractPlantView, AffineView, NetworkView
from nnctrl.sets.exact import exact_dot, fraction_up
from nnctrl.sets.interval import Interval
from nnctrl.systems.tape import Tape


class AbstractLawView(ABC):
    """A law u(x), n states to m inputs."""

    @property
    @abstractmethod
    def out_size(self) -> int:
        """Number m of inputs."""

    @abstractmethod
    def __call__(self, x: Tensor) -> Tensor:
        """Evaluate at `x` [..., n] in floating point, differentiably; nan where there is no input."""

    @abstractmethod
    def through(self, form: TaylorForm) -> TaylorForm:
        """The image of a form of states, which begins with the symbols of `form`; it holds for the real law wherever
        that has an input. Its ranges are empty (lower > upper) only for boxes without a state that has one.
        """

    @abstractmethod
    def has_input(self, states: np.ndarray) -> Tensor:
        """At which states [batch, n], rational numbers, the real law is proved to have an input; bools [batch]."""

    @abstractmethod
    def bytes_over(self, symbols: int) -> int:
        """Memory that mapping one form of so many symbols takes."""


@dataclass(frozen=True, eq=False)
class ExpressionView(AbstractLawView):
    """A law that is an expression: `tape` has the state as its one argument and the inputs as its one output."""

    tape: Tape

    @property
    def out_size(self) -> int:
        """See `AbstractLawView`."""
        return self.tape.out_shapes[0][0]

    def __call__(self, x: Tensor) -> Tensor:
        """See `AbstractLawView`."""
        (values,) = self.tape(x)
        return values

    def through(self, form: TaylorForm) -> TaylorForm:
        """See `AbstractLawView`."""
        table, numbers = numbers_of(form)
        return form_of(table, column_of(self.tape, table, [numbers]))

    def has_input(self, states: np.ndarray) -> Tensor:
        """See `AbstractLawView`: the interval evaluation about the state is defined."""
        ends = np.array([[(-fraction_up(-entry), fraction_up(entry)) for entry in state] for state in states])
        (values,) = self.tape(Interval(ends[..., 0], ends[..., 1]))
        return torch.from_numpy(~values.is_entire.any(-1))

    def bytes_over(self, symbols: int) -> int:
        """See `AbstractLawView`; six new symbols are the most that an instruction makes."""
        count = len(self.tape.instructions)
        return 8 * (self.tape.work_size + 2 * self.tape.in_sizes[0] + 8) * (symbols + 6 * count)


@dataclass(frozen=True, eq=False)
class DifferenceView(AbstractPlantView):
    """`network(x) - law(x)` for x = `to_state`(v), exact, over the coordinates v of a set.

    Where the law has no input there is no difference: its value is nan, and what is bounded leaves such points out.
    """

    to_state: AffineView
    network: NetworkView
    law: AbstractLawView

    @property
    def in_size(self) -> int:
        """Number of coordinates."""
        return int(self.to_state.weight.shape[1])

    @property
    def out_size(self) -> int:
        """Number of inputs."""
        return self.law.out_size

    @cached_property
    def _negative(self) -> AffineView:
        return AffineView(-torch.eye(self.out_size, dtype=torch.float64), torch.zeros(self.out_size).double())

    def __call__(self, x: Tensor) -> Tensor:
        """See `AbstractView`."""
        state = self.to_state(x)
        return self.network(state) - self.law(state)

    def has_law(self, points: Tensor) -> Tensor:
        """At which points [batch, q] the law is proved to have an input, at the real state; bools [batch]."""
        weight, bias = self.to_state.weight.tolist(), self.to_state.bias.tolist()
        states = np.empty((len(points), len(bias)), dtype=object)
        for k, point in enumerate(points.tolist()):
            states[k] = [Fraction(shift) + exact_dot(row, point) for row, shift in zip(weight, bias, strict=True)]
        return self.law.has_input(states)

    def through(self, form: TaylorForm) -> TaylorForm:
        """See `AbstractPlantView`; 0 for boxes without a state that has an input."""
        state = form.affine(self.to_state)
        result = state.through(self.network)
        size = self.to_state.weight.shape[0]
        # the law goes on from the symbols of the network, and its own are new ones
        lifted = state.beside(result).rows(slice(0, size))
        law = self.law.through(lifted)
        difference = law.affine(self._negative).plus(result)
        nowhere = (law.lower > law.upper).any(-1)
        return _zero_where(nowhere, difference) if bool(nowhere.any()) else difference

    def enclose(self, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
        """See `AbstractPlantView`."""
        form = self.through(TaylorForm.of_box(lower, upper))
        return form.lower, form.upper

    def form_bytes(self) -> int:
        """See `AbstractPlantView`."""
        neurons = sum(len(layer.nonlinear_lanes) for block in self.network.blocks for layer in block.activations)
        return form_bytes(self.network) + self.law.bytes_over(self.in_size + neurons)


def _zero_where(mask: Tensor, form: TaylorForm) -> TaylorForm:
    """The form with 0 for the batch entries of the mask."""

    def kept(part: Tensor) -> Tensor:
        return torch.where(mask.reshape(-1, *(1,) * (part.ndim - 1)), 0.0, part)

    return TaylorForm(
        kept(form.centre),
        kept(form.offset),
        kept(form.symbols),
        kept(form.rounding),
        kept(form.lower),
        kept(form.upper),
        form.shares,
    )
