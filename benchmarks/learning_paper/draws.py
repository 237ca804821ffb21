"""Random specifications of several pairs: the generator of the suite. Nothing is rejected after it has been drawn.

All sets are discs in the square [-4, 4]^2 with a uniform radius between 0.4 and 1 and then a uniform centre. An input
disc that meets an earlier one is drawn again, whatever the outputs; two may come as near to each other as chance has
it. Output discs are drawn freely. As disjoint inputs admit a continuous map into any outputs, no draw is infeasible as
such: a method's failures are all its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnctrl.learning.lmi.conditions import Pair
from nnctrl.learning.lmi.input_set import InputSet
from nnctrl.learning.lmi.specification import Specification
from nnctrl.sets.ellipsoid import Ball

SIDE = 4.0

RADII = (0.4, 1.0)

COUNTS = (2, 3, 4, 6)
"""Numbers of pairs."""

NEURONS = 32


@dataclass(frozen=True, eq=False)
class Draw:
    """Input and output discs, pair by pair."""

    inputs: tuple[Ball, ...]
    outputs: tuple[Ball, ...]

    @staticmethod
    def of(count: int, seed: int) -> Draw:
        """Draw `seed` of those with `count` pairs."""
        rng = np.random.default_rng([count, seed])
        inputs: list[Ball] = []
        while len(inputs) < count:
            ball = _disc(rng)
            if all(_gap(ball, other) > 0.0 for other in inputs):
                inputs.append(ball)
        return Draw(tuple(inputs), tuple(_disc(rng) for _ in range(count)))

    @property
    def gap(self) -> float:
        """The least distance between two inputs."""
        return min(_gap(one, other) for i, one in enumerate(self.inputs) for other in self.inputs[:i])

    @property
    def pairs(self) -> list[Pair]:
        """The requirements."""
        return [
            Pair(InputSet.of(one), Specification.reach(other, 2))
            for one, other in zip(self.inputs, self.outputs, strict=True)
        ]


def _disc(rng: np.random.Generator) -> Ball:
    radius = float(rng.uniform(*RADII))
    return Ball(rng.uniform(radius - SIDE, SIDE - radius, 2), radius)


def _gap(one: Ball, other: Ball) -> float:
    return float(np.linalg.norm(one.centre - other.centre)) - one.radius - other.radius
