"""Experts: controllers that compute their input (MPC, LQR), to be imitated or simulated, not verified."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from nnctrl._typing import FloatArray

if TYPE_CHECKING:
    from nnctrl.sets.box import Box


class Expert(ABC):
    """A state feedback that is evaluated point by point. A new expert is a subclass with `control`.

    Attributes:
      input_bounds: the box that every returned input lies in, or None if unbounded.
      horizon: number of samples that it looks ahead; None for an infinite horizon (LQR).
      period: sample period in seconds; None for the plant's own, needed to simulate a continuous plant.
    """

    input_bounds: Box | None = None
    horizon: int | None = None
    period: float | None = None

    @abstractmethod
    def control(self, x: FloatArray) -> FloatArray:
        """Input u [m] for the state x [n]; the same x gives the same u. InputError where there is none (infeasible)."""
