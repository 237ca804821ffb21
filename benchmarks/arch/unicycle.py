"""Unicycle: a vehicle is driven to the origin in ten seconds, whatever the error of its acceleration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from benchmarks.arch.competition import CompetitionProblem, box
from nnctrl import Controller, Problem, Reach, Spec, compose, load_network
from nnctrl.networks.layers import Affine
from plants.unicycle import Unicycle

PERIOD, HORIZON = 0.2, 10.0


@dataclass(frozen=True)
class UnicycleProblem(CompetitionProblem):
    """Unicycle, reach: in [-0.6, 0.6] x [-0.2, 0.2] x [-0.06, 0.06] x [-0.3, 0.3] at 10 s; expected VERIFIED.

    Sampled every 0.2 s; u = N(x) - 20. The disturbance acts on the speed alone, as the reports state, and may change at
    every moment, where most tools take an unknown constant.
    """

    id: ClassVar[str] = "arch/unicycle"
    network_files: ClassVar[tuple[str, ...]] = (
        "Benchmark10-Unicycle/controllerB.onnx",
        "Benchmark10-Unicycle/controllerB_nnv.mat",
    )

    def build(self) -> Problem:
        """The competition's instance."""
        network = load_network(self.required_network())
        controller = Controller(network, output=Affine(np.eye(2), np.full(2, -20.0)), period=PERIOD)
        return Problem(
            compose(Unicycle(), controller),
            box((9.5, 9.55), (-4.5, -4.45), (2.1, 2.11), (1.5, 1.51)),
            Spec((Reach(box((-0.6, 0.6), (-0.2, 0.2), (-0.06, 0.06), (-0.3, 0.3)), at=HORIZON, name="goal"),)),
            HORIZON,
            self.id,
            views=(("x1", "x2"), ("t", "x3"), ("t", "x4")),
        )
