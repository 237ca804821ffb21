"""The input and output sets of the two experiments, section V of the paper.

The paper shows its sets in figures and gives no numbers. These are of the same kind, at positions that no affine map
satisfies: in the first experiment the outputs are farther apart than the inputs in the norm of the ellipsoids, in the
second the middle input does not have the middle output.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnctrl.learning.lmi.conditions import Pair
from nnctrl.learning.lmi.input_set import InputSet
from nnctrl.learning.lmi.specification import Specification
from nnctrl.sets.ellipsoid import Ellipsoid

SAMPLES = 500
"""Points of the figures."""


@dataclass(frozen=True)
class Axes:
    """An ellipse: centre, half-axes, and the angle of the first one to the first coordinate, in radians."""

    centre: tuple[float, float]
    half_axes: tuple[float, float]
    angle: float

    @property
    def ellipsoid(self) -> Ellipsoid:
        """The set."""
        c, s = np.cos(self.angle), np.sin(self.angle)
        return Ellipsoid(np.array(self.centre), np.array([[c, -s], [s, c]]) * np.array(self.half_axes))


@dataclass(frozen=True)
class Experiment:
    """Input and output ellipses, pair by pair, and the number of hidden neurons."""

    name: str
    inputs: tuple[Axes, ...]
    outputs: tuple[Axes, ...]
    neurons: int

    @property
    def pairs(self) -> list[Pair]:
        """The requirements."""
        return [
            Pair(InputSet.of(one.ellipsoid), Specification.reach(other.ellipsoid, 2))
            for one, other in zip(self.inputs, self.outputs, strict=True)
        ]


TWO_PAIRS = Experiment(
    "two pairs of equal ellipsoids, 10 neurons",
    (Axes((-1.2, -0.4), (0.8, 0.5), 0.4), Axes((1.2, 0.6), (0.8, 0.5), 0.4)),
    (Axes((-2.4, 1.5), (0.8, 0.5), 0.4), Axes((2.2, -1.2), (0.8, 0.5), 0.4)),
    10,
)

THREE_PAIRS = Experiment(
    "three pairs of ellipsoids of differing size, 5 neurons",
    (Axes((-2.5, 0.5), (0.9, 0.5), 0.3), Axes((0.0, -0.3), (0.6, 0.6), 0.0), Axes((2.4, 0.8), (0.7, 0.4), -0.5)),
    (Axes((2.0, 0.5), (0.6, 0.4), 0.0), Axes((-2.0, 1.0), (0.7, 0.5), 0.8), Axes((1.5, -2.0), (0.5, 0.8), 0.2)),
    5,
)

EXPERIMENTS = (TWO_PAIRS, THREE_PAIRS)
