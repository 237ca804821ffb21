"""Airplane: a controller that does not keep an airplane near its course for two seconds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from benchmarks.arch.competition import CompetitionProblem, box
from nnctrl import Box, Controller, Problem, Spec, Stay, compose, load_network
from plants.airplane import Airplane

PERIOD, SAMPLES = 0.1, 20

FILES = (
    "Airplane/controller_airplane.onnx",
    "Airplane/controller_airplane.mat",
    "Airplane/controller_airplane.nnet",
)
BOUNDED = ("sy", "phi", "theta", "psi")
BOUND = Box(np.full(4, -1.0), np.full(4, 1.0))


def _problem(name: str, path: Path, spec: Spec) -> Problem:
    rest, moving = (0.0, 0.0), (0.0, 1.0)
    return Problem(
        compose(Airplane(), Controller(load_network(path), period=PERIOD)),
        box(*[rest] * 3, *[moving] * 6, *[rest] * 3),
        spec,
        SAMPLES * PERIOD,
        name,
        views=(("t", "sy"), ("t", "phi"), ("phi", "theta")),
    )


@dataclass(frozen=True)
class AirplaneContinuous(CompetitionProblem):
    """Airplane, continuous: |sy|, |phi|, |theta|, |psi| <= 1 at all times up to 2 s; expected FALSIFIED.

    Sampled every 0.1 s. Bounds of 2024 and 2025; until 2023 it was |sy| <= 0.5.
    """

    id: ClassVar[str] = "arch/airplane-continuous"
    network_files: ClassVar[tuple[str, ...]] = FILES

    def build(self) -> Problem:
        """The competition's instance."""
        return _problem(self.id, self.required_network(), Spec((Stay(BOUND, on=BOUNDED, name="course"),)))


@dataclass(frozen=True)
class AirplaneDiscrete(CompetitionProblem):
    """Airplane, discrete: the same bounds at the samples k = 0 .. 20 only, one requirement for each; expected
    FALSIFIED.

    The competition lists this instance without dynamics of its own: here it is the continuous plant, judged when the
    controller samples it.
    """

    id: ClassVar[str] = "arch/airplane-discrete"
    network_files: ClassVar[tuple[str, ...]] = FILES

    def build(self) -> Problem:
        """The continuous plant with requirements at single times."""
        times = [k * PERIOD for k in range(SAMPLES + 1)]
        at_samples = [Stay(BOUND, (t, t), on=BOUNDED, name=f"course-{k}") for k, t in enumerate(times)]
        return _problem(self.id, self.required_network(), Spec(tuple(at_samples)))
