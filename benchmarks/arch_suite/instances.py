"""The official list of instances, in the competition's words, with the verdicts that are expected."""

from __future__ import annotations

from dataclasses import dataclass

from nnctrl.verification.verdict import Verdict

PREFIX = "arch/"
"""Begins the ids of the competition's problems."""


@dataclass(frozen=True)
class Instance:
    """The problem `PREFIX + id`, what the competition's tables call it, and its expected verdict."""

    id: str
    benchmark: str
    name: str
    expected: Verdict

    @property
    def problem(self) -> str:
        """The id of the registered problem."""
        return PREFIX + self.id


HOLDS, FAILS = Verdict.VERIFIED, Verdict.FALSIFIED

INSTANCES = (
    Instance("acc", "ACC", "safe-distance", HOLDS),
    Instance("acc-unshifted", "ACC", "safe-distance-unshifted", HOLDS),
    Instance("airplane-continuous", "Airplane", "continuous", FAILS),
    Instance("airplane-discrete", "Airplane", "discrete", FAILS),
    Instance("attitude", "Attitude Control", "avoid", HOLDS),
    Instance("cartpole", "Balancing", "reach", HOLDS),
    Instance("docking", "Docking", "constraint", HOLDS),
    Instance("double-pendulum-less", "Double Pendulum", "less-robust", HOLDS),
    Instance("double-pendulum-more", "Double Pendulum", "more-robust", FAILS),
    Instance("nav-standard", "NAV", "standard", HOLDS),
    Instance("nav-robust", "NAV", "robust", HOLDS),
    Instance("quad", "QUAD", "reach", HOLDS),
    Instance("single-pendulum", "Single Pendulum", "reach", HOLDS),
    Instance("tora-remain", "TORA", "remain", HOLDS),
    Instance("tora-sigmoid", "TORA", "reach-sigmoid", HOLDS),
    Instance("tora-sigmoid-symmetric", "TORA", "reach-sigmoid-symmetric", HOLDS),
    Instance("tora-tanh", "TORA", "reach-tanh", HOLDS),
    Instance("unicycle", "Unicycle", "reach", HOLDS),
    Instance("vcas-middle-19.5", "VCAS", "middle-19.5", HOLDS),
    Instance("vcas-middle-22.5", "VCAS", "middle-22.5", HOLDS),
    Instance("vcas-middle-25.5", "VCAS", "middle-25.5", FAILS),
    Instance("vcas-middle-28.5", "VCAS", "middle-28.5", FAILS),
    Instance("vcas-worst-19.5", "VCAS", "worst-19.5", HOLDS),
    Instance("vcas-worst-22.5", "VCAS", "worst-22.5", FAILS),
    Instance("vcas-worst-25.5", "VCAS", "worst-25.5", FAILS),
    Instance("vcas-worst-28.5", "VCAS", "worst-28.5", FAILS),
)
"""The list of 2025, in its order. Two are no instances of it but other readings that participants have verified:
ACC with the weights that shift nothing, and the sigmoid network of TORA in the scaling until 2024.
"""
