"""What the competition's problems share: where their networks are, and how boxes are written.

The networks are not part of nnctrl. `--models` takes the folder `benchmarks` of a checkout of the competition's
repository; file names are those of its folders. Every controller samples the state, holds its command over a period
and has no delay. Equations are those on which the sources agree; docstrings say where a choice was made.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from nnctrl import Box, ProblemDefinition, setting

SOURCE = "published with the benchmarks of the ARCH-COMP category AINNCS, folder benchmarks of verivital/ARCH-COMP2025"


@dataclass(frozen=True)
class CompetitionProblem(ProblemDefinition):
    """An instance whose network is a file of the competition's repository."""

    network_source: ClassVar[str] = SOURCE

    network: Path | None = setting(None, "the competition's network")


def box(*sides: tuple[float, float]) -> Box:
    """The box with these sides (lower, upper)."""
    lower, upper = np.array(sides, dtype=np.float64).T
    return Box(lower, upper)
