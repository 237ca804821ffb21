"""VCAS: nine networks advise a pilot, who follows the advice in one of two ways, so that two aircraft do not meet.

The network that belongs to the previous advisory scores the nine advisories, and the best one is the next. Sources
agree on that and on the accelerations of every advisory, and differ in when a pilot who flies as advised does not
accelerate any more: here, as in JuliaReach's model, when the new advisory is the previous one, is not COC, and is
obeyed already by the rate of climb. Simulations give the same verdicts with every variant.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from benchmarks.arch.competition import CompetitionProblem, box
from nnctrl import Avoid, InputRule, Problem, Spec, SwitchedController, compose, load_network, setting
from nnctrl.networks.layers import Affine
from nnctrl.sets.rounding import UNIT_ROUNDOFF
from plants.vertical_encounter import VerticalEncounter

HORIZON = 10

G = 32.2
"""ft/s^2"""

COC, UP, DOWN = (-G / 8, 0.0, G / 8), (G / 4, 7 * G / 24, G / 3), (-G / 3, -7 * G / 24, -G / 4)

ACCELERATIONS: dict[str, tuple[float, ...]] = {
    "COC": COC,
    "DNC": DOWN,
    "DND": UP,
    "DES1500": DOWN,
    "CL1500": UP,
    "SDES1500": (-G / 3,),
    "SCL1500": (G / 3,),
    "SDES2500": (-G / 3,),
    "SCL2500": (G / 3,),
}
"""Of every advisory, in the order of the networks and their outputs: the accelerations that a pilot may choose among,
ascending, in ft/s^2.
"""

CLIMB_AT_LEAST = {"DND": 0.0, "CL1500": 1500.0, "SCL1500": 1500.0, "SCL2500": 2500.0}
CLIMB_AT_MOST = {"DNC": 0.0, "DES1500": -1500.0, "SDES1500": -1500.0, "SDES2500": -2500.0}
"""Rates of climb in ft/min that obey an advisory."""

RATE = np.array([0.0, 60.0, 0.0])
"""60 v is the rate of climb in ft/min."""

SCALE = 1.0 / np.array([16000.0, 5000.0, 40.0])
NORMALISATION = Affine(np.diag(SCALE), np.array([0.0, 0.0, -0.5]), np.diag(SCALE) * (2 * UNIT_ROUNDOFF))
"""(h / 16000, v / 5000, (tau - 20) / 40), the quotients and not only the doubles next to them."""


def rules(pilot: Literal["middle", "worst"]) -> tuple[InputRule, ...]:
    """No acceleration when the advisory is obeyed; else the worst pilot brings the aircraft closer: with h >= 0 by the
    largest acceleration of a set. That with h < 0, the smallest, is the advisory's own input.
    """
    rest = np.zeros(1)
    obeyed = [
        *(InputRule(0.0 - RATE, 0.0 - bound, rest, name, name) for name, bound in CLIMB_AT_LEAST.items()),
        *(InputRule(RATE, bound, rest, name, name) for name, bound in CLIMB_AT_MOST.items()),
    ]
    if pilot == "middle":
        return tuple(obeyed)
    minus_h = np.array([-1.0, 0.0, 0.0])
    above = [InputRule(minus_h, 0.0, np.array(choice[-1:]), next=name) for name, choice in ACCELERATIONS.items()]
    return (*obeyed, *above)


@dataclass(frozen=True)
class VerticalCollisionProblem(CompetitionProblem):
    """VCAS: two aircraft stay more than 100 ft apart in height for ten seconds.

    Own aircraft descends at a known rate towards an intruder 129 to 133 ft below, 25 s before they meet, so far without
    an advisory (COC).
    """

    network_files: ClassVar[tuple[str, ...]] = ("VCAS/onnx_networks",)
    network_parts: ClassVar[tuple[str, ...]] = tuple(f"VertCAS_noResp_pra0{k}_v9_20HU_200.onnx" for k in range(1, 10))

    network: Path | None = setting(None, "folder with the competition's nine networks")

    def instance(self, pilot: Literal["middle", "worst"], climb: float) -> Problem:
        """The problem for a pilot and the rate of climb at the beginning, in ft/s."""
        networks = dict(zip(ACCELERATIONS, map(load_network, self.required_networks()), strict=True))
        chosen = {
            name: choice[0] if pilot == "worst" else choice[len(choice) // 2] for name, choice in ACCELERATIONS.items()
        }
        controller = SwitchedController(
            networks,
            {name: np.array([a]) for name, a in chosen.items()},
            "COC",
            rules(pilot),
            observation=NORMALISATION,
        )
        return Problem(
            compose(VerticalEncounter(), controller),
            box((-133.0, -129.0), (climb, climb), (25.0, 25.0)),
            Spec((Avoid(box((-100.0, 100.0)), (1, HORIZON), on=("h",), name="apart"),)),
            HORIZON,
            self.id,
            views=(("t", "h"), ("t", "v")),
        )


@dataclass(frozen=True)
class Middle195(VerticalCollisionProblem):
    """VCAS, middle-19.5: |h| > 100 ft at steps 1 to 10, first climbing at -19.5 ft/s; expected VERIFIED.

    The pilot takes the middle one of the accelerations of an advisory.
    """

    id: ClassVar[str] = "arch/vcas-middle-19.5"

    def build(self) -> Problem:
        """The competition's instance."""
        return self.instance("middle", -19.5)


@dataclass(frozen=True)
class Middle225(VerticalCollisionProblem):
    """VCAS, middle-22.5: |h| > 100 ft at steps 1 to 10, first climbing at -22.5 ft/s; expected VERIFIED.

    The pilot takes the middle one of the accelerations of an advisory.
    """

    id: ClassVar[str] = "arch/vcas-middle-22.5"

    def build(self) -> Problem:
        """The competition's instance."""
        return self.instance("middle", -22.5)


@dataclass(frozen=True)
class Middle255(VerticalCollisionProblem):
    """VCAS, middle-25.5: |h| > 100 ft at steps 1 to 10, first climbing at -25.5 ft/s; expected FALSIFIED.

    The pilot takes the middle one of the accelerations of an advisory.
    """

    id: ClassVar[str] = "arch/vcas-middle-25.5"

    def build(self) -> Problem:
        """The competition's instance."""
        return self.instance("middle", -25.5)


@dataclass(frozen=True)
class Middle285(VerticalCollisionProblem):
    """VCAS, middle-28.5: |h| > 100 ft at steps 1 to 10, first climbing at -28.5 ft/s; expected FALSIFIED.

    The pilot takes the middle one of the accelerations of an advisory.
    """

    id: ClassVar[str] = "arch/vcas-middle-28.5"

    def build(self) -> Problem:
        """The competition's instance."""
        return self.instance("middle", -28.5)


@dataclass(frozen=True)
class Worst195(VerticalCollisionProblem):
    """VCAS, worst-19.5: |h| > 100 ft at steps 1 to 10, first climbing at -19.5 ft/s; expected VERIFIED.

    The pilot takes the acceleration of an advisory that brings the aircraft closer.
    """

    id: ClassVar[str] = "arch/vcas-worst-19.5"

    def build(self) -> Problem:
        """The competition's instance."""
        return self.instance("worst", -19.5)


@dataclass(frozen=True)
class Worst225(VerticalCollisionProblem):
    """VCAS, worst-22.5: |h| > 100 ft at steps 1 to 10, first climbing at -22.5 ft/s; expected FALSIFIED.

    The pilot takes the acceleration of an advisory that brings the aircraft closer.
    """

    id: ClassVar[str] = "arch/vcas-worst-22.5"

    def build(self) -> Problem:
        """The competition's instance."""
        return self.instance("worst", -22.5)


@dataclass(frozen=True)
class Worst255(VerticalCollisionProblem):
    """VCAS, worst-25.5: |h| > 100 ft at steps 1 to 10, first climbing at -25.5 ft/s; expected FALSIFIED.

    The pilot takes the acceleration of an advisory that brings the aircraft closer.
    """

    id: ClassVar[str] = "arch/vcas-worst-25.5"

    def build(self) -> Problem:
        """The competition's instance."""
        return self.instance("worst", -25.5)


@dataclass(frozen=True)
class Worst285(VerticalCollisionProblem):
    """VCAS, worst-28.5: |h| > 100 ft at steps 1 to 10, first climbing at -28.5 ft/s; expected FALSIFIED.

    The pilot takes the acceleration of an advisory that brings the aircraft closer.
    """

    id: ClassVar[str] = "arch/vcas-worst-28.5"

    def build(self) -> Problem:
        """The competition's instance."""
        return self.instance("worst", -28.5)
