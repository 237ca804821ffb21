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

    Attributes: `parameters` [batch, q] of the initial states, and the states `before` and `now`. The disturbances that
    led to them are kept if `history`, else those of the last step only.
    """

    def __init__(
        self, step: AbstractStepMap, initial: Parametrisation, count: int, seed: int, *, history: bool
    ) -> None:
        self._generator = torch.Generator().manual_seed(seed)
        self._view = view_of(step)
        self._range = disturbance_bounds(step)
        self.parameters = initial.sample(self._generator, count)
        self.now = initial.view(self.parameters)
        self.before = self.now
        self._history = history
        self._noise: list[Tensor] = []

    def advance(self) -> None:
        """One step on."""
        low, high = self._range
        unit = torch.rand(len(self.now), len(low), generator=self._generator, dtype=torch.float64)
        unit[: len(unit) // 2] = torch.round(unit[: len(unit) // 2])
        noise = torch.minimum(torch.maximum(low + unit * (high - low), low), high)
        with torch.no_grad():
            result = self._view(torch.cat([self.now, noise], -1))
        self.before, self.now = self.now, result[:, : self.now.shape[1]]
        self._noise = [*self._noise, noise] if self._history else [noise]

    @property
    def noise(self) -> Tensor:
        """Disturbances [batch, steps so far, w]; without a history those of the last step."""
        return torch.stack(self._noise, 1)

    @property
    def last_noise(self) -> Tensor:
        """Disturbances [batch, w] of the last step."""
        return self._noise[-1]
