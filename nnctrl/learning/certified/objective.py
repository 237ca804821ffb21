"""What a training on a bound minimises: what requirements lack over points and over boxes, and prices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nnctrl._typing import FloatArray
from nnctrl.bounds.taylor_form import TaylorForm
from nnctrl.bounds.view import NetworkView, tensor
from nnctrl.learning.certified.flow import Flow
from nnctrl.learning.certified.focus import Focus
from nnctrl.learning.certified.requirements import Shortfall, TrainingRequirements
from nnctrl.learning.certified.trainable import Trainable
from nnctrl.learning.dataset import Dataset, initial_states
from nnctrl.sets.base import AbstractSet

FOCUS_BOXES = 8
"""Boxes in focus that one step looks at, chosen at random."""


@dataclass(frozen=True, eq=False)
class Objective:
    """The parts of the loss; `points` is the number of fresh initial states of a step, `width` the price of the
    half-width of the sets that are due in sets to reach.

    `demonstrations`: states and the expert's inputs for them, None without an expert; `imitation` is the price of the
    mean squared difference to them in scaled inputs, `decay` that of squared scaled weights.
    """

    flow: Flow
    requirements: TrainingRequirements
    initial_set: AbstractSet
    focus: Focus
    demonstrations: Dataset | None
    points: int
    width: float
    imitation: float
    decay: float
    rng: np.random.Generator

    def over_points(self, network: NetworkView) -> Shortfall:
        """Trajectories from fresh states of the initial set and from all points in focus."""
        states = initial_states(self.initial_set, self.points, self.rng)
        start = tensor(np.concatenate([states, self.focus.points]))
        return self.requirements.over_points(self.flow.trajectories(network, start))

    def over_boxes(self, network: NetworkView, share: float, count: int) -> Shortfall:
        """Enclosures from `count` boxes that cover a share of the initial set about its middle."""
        whole = self.flow.initial
        middle, radius = 0.5 * (whole.lower + whole.upper), 0.5 * share * (whole.upper - whole.lower)
        lower, upper = (middle - radius).unsqueeze(0), (middle + radius).unsqueeze(0)
        while len(lower) < count:
            lower, upper = halved(lower, upper, whole.to_state.weight)
        return self.requirements.over_boxes(self.flow.moments(network, self.flow.part(lower, upper)))

    def over_focus(self, network: NetworkView) -> Shortfall | None:
        """Enclosures from some of the boxes in focus; None if there are none."""
        count = len(self.focus.lower)
        if not count:
            return None
        chosen = self.rng.permutation(count)[:FOCUS_BOXES]
        start = TaylorForm.of_box(tensor(self.focus.lower[chosen]), tensor(self.focus.upper[chosen]))
        return self.requirements.over_boxes(self.flow.moments(network, start))

    def prices(self, network: Trainable) -> Tensor:
        """The price of squared weights and, with an expert, that of differing from it."""
        price = self.decay * network.decay()
        if self.demonstrations is None:
            return price
        wanted, scale = tensor(self.demonstrations.inputs), tensor(network.scaling.input_scale)
        error = (network.view()(tensor(self.demonstrations.states)) - wanted) / scale
        return price + self.imitation * (error**2).mean()


def halved(lower: Tensor, upper: Tensor, to_state: FloatArray) -> tuple[Tensor, Tensor]:
    """Every box [batch, q] cut in two along the coordinate that moves the state `to_state @ q` most."""
    effect = (upper - lower) * tensor(np.abs(to_state).sum(axis=0))
    longest = effect.argmax(-1, keepdim=True)
    middle = (0.5 * (lower + upper)).gather(1, longest)
    first, second = upper.scatter(1, longest, middle), lower.scatter(1, longest, middle)
    return torch.cat([lower, second]), torch.cat([first, upper])
