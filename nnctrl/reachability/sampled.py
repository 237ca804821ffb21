"""Simulated states of a closed loop, one step at a time: where the principal directions and the starts of searches
come from.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nnctrl.reachability.chain import disturbance_bounds
from nnctrl.reachability.parametrisation import Parametrisation
from nnctrl.reachability.views import view_of
from nnctrl.systems.closed_loop import AbstractStepMap


class SampledStates:
    """Composite states [batch, n] on random trajectories; half of the disturbances are corners of their box.

    Attributes: `parameters` [batch, q] of the initial states, the states `before` and `now`, and the `noise` [batch,
    steps so far, w] that led to them.
    """

    def __init__(self, step: AbstractStepMap, initial: Parametrisation, count: int, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)
        self._view = view_of(step)
        self._range = disturbance_bounds(step)
        self.parameters = initial.sample(self._generator, count)
        self.now = initial.view(self.parameters)
        self.before = self.now
        self.noise = torch.zeros(len(self.now), 0, step.disturbance_size, dtype=torch.float64)

    def advance(self) -> None:
        """One step on."""
        low, high = self._range
        unit = torch.rand(len(self.now), len(low), generator=self._generator, dtype=torch.float64)
        unit[: len(unit) // 2] = torch.round(unit[: len(unit) // 2])
        noise = torch.minimum(torch.maximum(low + unit * (high - low), low), high)
        with torch.no_grad():
            result = self._view(torch.cat([self.now, noise], -1))
        self.before, self.now = self.now, result[:, : self.now.shape[1]]
        self.noise = torch.cat([self.noise, noise.unsqueeze(1)], 1)

    @property
    def last_noise(self) -> Tensor:
        """Disturbances [batch, w] of the last step."""
        return self.noise[:, -1]
