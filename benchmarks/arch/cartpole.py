"""CartPole, also called Balancing: a pole that is upright and still after eight seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from benchmarks.arch.competition import CompetitionProblem, box
from nnctrl import Box, Controller, Problem, Spec, Stay, compose, load_network
from plants.cartpole import CartPole

PERIOD, HORIZON = 0.02, 10.0


@dataclass(frozen=True)
class CartPoleProblem(CompetitionProblem):
    """CartPole, reach: |x1|, |x3|, |x4| <= 0.001 at all times from 8 s to 10 s; expected VERIFIED.

    Sampled every 0.02 s, 500 periods. Simulations satisfy it; no proof for the whole initial box has been published.
    """

    id: ClassVar[str] = "arch/cartpole"
    network_files: ClassVar[tuple[str, ...]] = ("CartPole/model.onnx",)

    def build(self) -> Problem:
        """The competition's instance."""
        still = Box(np.full(3, -0.001), np.full(3, 0.001))
        return Problem(
            compose(CartPole(), Controller(load_network(self.required_network()), period=PERIOD)),
            box((-0.1, 0.1), (-0.05, 0.05), (-0.1, 0.1), (-0.05, 0.05)),
            Spec((Stay(still, (8.0, HORIZON), on=("x1", "x3", "x4"), name="balanced"),)),
            HORIZON,
            self.id,
            views=(("t", "x1"), ("t", "x3"), ("x3", "x4")),
        )
