"""Flowpipes: sets with their time intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import InputError
from nnctrl.sets.base import AbstractSet
from nnctrl.sets.box import Box


@dataclass(frozen=True, eq=False)
class FlowpipeStep:
    """The union of `sets` (same dimension) encloses the state at all times in `time` = (from, to)."""

    time: tuple[float, float]
    sets: tuple[AbstractSet, ...]
    template: tuple[FloatArray, FloatArray] | None = None
    """Directions [p, n] in which the step was bounded on purpose, and upper bounds [p] of its support function there;
    None: nothing beyond the sets.
    """


@dataclass(frozen=True, eq=False)
class Flowpipe:
    """Outer enclosure of all trajectories, step by step; `names` are those of the coordinates.

    Of a proof by many parts only some are kept, and then it encloses the trajectories from those parts and is not
    `whole`; the result's notes say so.
    """

    names: tuple[str, ...]
    steps: tuple[FlowpipeStep, ...]
    whole: bool = True

    def bounding_box(self, index: int) -> Box:
        """A box around step `index`, outward."""
        boxes = [part.bounding_box() for part in self.steps[index].sets]
        return Box(
            np.min([box.lower for box in boxes], axis=0),
            np.max([box.upper for box in boxes], axis=0),
        )

    def support(self, index: int, directions: FloatArray) -> FloatArray:
        """Upper bounds of the support function of step `index` in `directions` [p, n]."""
        return np.max([part.support(directions) for part in self.steps[index].sets], axis=0)

    def template(self, index: int) -> tuple[FloatArray, FloatArray]:
        """The directions [p, n] in which step `index` is described and bounds of its support function there [p]."""
        known = self.steps[index].template
        if known is not None:
            return known
        axes = np.eye(len(self.names))
        directions = np.concatenate([axes, -axes])
        return directions, self.support(index, directions)

    def coordinates(self, names: tuple[str, ...]) -> list[int]:
        """Positions of named coordinates."""
        missing = [name for name in names if name not in self.names]
        if missing:
            raise InputError(f"the flowpipe has no coordinate '{missing[0]}'; it has {', '.join(self.names)}")
        return [self.names.index(name) for name in names]
