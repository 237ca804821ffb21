"""ACC: an adaptive cruise controller keeps a safe distance for five seconds.

The file `controller_5_20.onnx` subtracts 1 from all five features before its first layer, `controller_5_20.mat` holds
the same weights without that: N_onnx(z) = N_mat(z - 1). Both functions have been verified by participants, so both are
instances here, and both can be made from either file: an ONNX file is taken to contain the shift, others not to.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from benchmarks.arch.competition import CompetitionProblem, box
from nnctrl import Controller, Polytope, Problem, Spec, Stay, compose, load_network
from nnctrl.networks.layers import Affine
from plants.adaptive_cruise import AdaptiveCruise

PERIOD, HORIZON = 0.1, 5.0

SET_SPEED, TIME_GAP, STANDSTILL_GAP = 30.0, 1.4, 10.0
"""v_set in m/s, T_gap in s, D_default in m."""

FEATURES = Affine(
    np.array(
        [
            [0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            [0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            [0.0, 0.0, 0.0, 0.0, 1.0, 0.0],
            [1.0, 0.0, 0.0, -1.0, 0.0, 0.0],
            [0.0, 1.0, 0.0, 0.0, -1.0, 0.0],
        ]
    ),
    np.array([SET_SPEED, TIME_GAP, 0.0, 0.0, 0.0]),
)
"""z = (v_set, T_gap, v_ego, x_lead - x_ego, v_lead - v_ego)."""


def _problem(name: str, path: Path, wanted_shift: float) -> Problem:
    """The loop with u = N_mat(z - wanted_shift)."""
    missing = wanted_shift - (1.0 if path.suffix.lower() == ".onnx" else 0.0)
    observation = FEATURES.then(Affine(np.eye(5), np.full(5, -missing))) if missing else FEATURES
    controller = Controller(load_network(path), observation=observation, period=PERIOD)
    distance = Polytope.half_space(np.array([-1.0, 1.0, TIME_GAP]), -STANDSTILL_GAP)
    return Problem(
        compose(AdaptiveCruise(), controller),
        box((90.0, 110.0), (32.0, 32.2), (0.0, 0.0), (10.0, 11.0), (30.0, 30.2), (0.0, 0.0)),
        Spec((Stay(distance, on=("x1", "x4", "x5"), name="safe-distance"),)),
        HORIZON,
        name,
        views=(("t", "x1"), ("t", "x4"), ("x4", "x5")),
    )


@dataclass(frozen=True)
class AdaptiveCruiseProblem(CompetitionProblem):
    """ACC, safe-distance: x1 - x4 >= 10 + 1.4 x5 at all times up to 5 s, with the ONNX graph as stored; expected
    VERIFIED.

    Sampled every 0.1 s. The graph subtracts 1 from its inputs; a .mat file gets the same shift.
    """

    id: ClassVar[str] = "arch/acc"
    network_files: ClassVar[tuple[str, ...]] = ("ACC/controller_5_20.onnx", "ACC/controller_5_20.mat")

    def build(self) -> Problem:
        """The competition's instance."""
        return _problem(self.id, self.required_network(), 1.0)


@dataclass(frozen=True)
class AdaptiveCruiseUnshifted(CompetitionProblem):
    """ACC, safe-distance, with the weights of the MATLAB file, which do not shift their inputs; expected VERIFIED.

    With an ONNX file the features are moved by 1, which undoes the subtraction of its graph.
    """

    id: ClassVar[str] = "arch/acc-unshifted"
    network_files: ClassVar[tuple[str, ...]] = ("ACC/controller_5_20.mat", "ACC/controller_5_20.onnx")

    def build(self) -> Problem:
        """The same loop without the shift."""
        return _problem(self.id, self.required_network(), 0.0)
