"""Obstacles and goals that move."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import DimensionError
from nnctrl.networks.layers import frozen_array
from nnctrl.sets.base import AbstractSet


@dataclass(frozen=True, eq=False)
class Moving:
    """`base` translated by `velocity` (per unit of time: per step for discrete plants) times the time."""

    base: AbstractSet
    velocity: FloatArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "velocity", frozen_array(np.atleast_1d(self.velocity), 1, "a velocity"))
        if self.velocity.shape[0] != self.base.dim:
            raise DimensionError(
                f"the velocity has {self.velocity.shape[0]} entries but the set has {self.base.dim} coordinates"
            )

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return self.base.dim
