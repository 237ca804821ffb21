"""Double pendulum: two controllers, one of which keeps the states in their bounds and one of which does not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from benchmarks.arch.competition import CompetitionProblem, box
from nnctrl import Controller, Problem, Spec, Stay, compose, load_network
from plants.double_pendulum import DoublePendulum

PERIODS = 20


def _files(kind: str) -> tuple[str, ...]:
    return tuple(f"Double_Pendulum/controller_double_pendulum_{kind}_robust.{end}" for end in ("onnx", "mat", "nnet"))


def _problem(name: str, path: Path, period: float, bounds: tuple[float, float]) -> Problem:
    return Problem(
        compose(DoublePendulum(), Controller(load_network(path), period=period)),
        box(*[(1.0, 1.3)] * 4),
        Spec((Stay(box(*[bounds] * 4), name="bounds"),)),
        PERIODS * period,
        name,
        views=(("x1", "x2"), ("x3", "x4")),
    )


@dataclass(frozen=True)
class DoublePendulumLessRobust(CompetitionProblem):
    """Double pendulum, less robust: all states in [-1.7, 2] at all times up to 1 s; expected VERIFIED.

    Sampled every 0.05 s. Bounds of 2024 and 2025; with those until 2023, [-1, 1.7], it was FALSIFIED.
    """

    id: ClassVar[str] = "arch/double-pendulum-less"
    network_files: ClassVar[tuple[str, ...]] = _files("less")

    def build(self) -> Problem:
        """The competition's instance."""
        return _problem(self.id, self.required_network(), 0.05, (-1.7, 2.0))


@dataclass(frozen=True)
class DoublePendulumMoreRobust(CompetitionProblem):
    """Double pendulum, more robust: all states in [-1.5, 1.5] at all times up to 0.4 s; expected FALSIFIED.

    Sampled every 0.02 s. Bounds of 2024 and 2025; until 2023 they were [-0.5, 1.5].
    """

    id: ClassVar[str] = "arch/double-pendulum-more"
    network_files: ClassVar[tuple[str, ...]] = _files("more")

    def build(self) -> Problem:
        """The competition's instance."""
        return _problem(self.id, self.required_network(), 0.02, (-1.5, 1.5))
