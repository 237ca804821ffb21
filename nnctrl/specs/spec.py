"""Requirements on trajectories: plain data.

Meaning. Sets are closed: touching an avoided set violates, a boundary point satisfies Stay and Reach.
`Reach(within=T)` asks of every trajectory some time <= T, not the same for all. Times are in the problem's unit: steps
for discrete plants (which are meant at their samples only), seconds for continuous ones. Inputs and outputs are those
of steps 0 .. horizon - 1, states those of steps 0 .. horizon.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from nnctrl.errors import InputError
from nnctrl.sets.base import AbstractSet
from nnctrl.specs.moving import Moving
from nnctrl.specs.sublevel import Sublevel

Target = AbstractSet | Moving | Sublevel


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """Common to all requirements: `on` names the coordinates that the set is over, by default all states in order."""

    on: tuple[str, ...] | None = None
    name: str = ""

    kind: ClassVar[str] = ""

    def __and__(self, other: Requirement | Spec) -> Spec:
        """Both requirements."""
        return Spec((self,)) & other


@dataclass(frozen=True)
class Stay(Requirement):
    """The trajectory is in `target` at all times of `during` (first, last), by default at all times."""

    target: Target
    during: tuple[float, float] | None = None

    kind: ClassVar[str] = "stay"


@dataclass(frozen=True)
class Avoid(Requirement):
    """The trajectory is never in `target` during (first, last), by default never at all."""

    target: Target
    during: tuple[float, float] | None = None

    kind: ClassVar[str] = "avoid"


@dataclass(frozen=True)
class Reach(Requirement):
    """The trajectory is in `target` `at` a time, or at some time <= `within`."""

    target: Target
    at: float | None = None
    within: float | None = None

    kind: ClassVar[str] = "reach"

    def __post_init__(self) -> None:
        if (self.at is None) == (self.within is None):
            raise InputError("a Reach requirement takes exactly one of at=TIME and within=TIME")


@dataclass(frozen=True)
class Spec:
    """Requirements that must all hold; each has an id: its name, or its kind and number."""

    requirements: tuple[Requirement, ...]

    def __post_init__(self) -> None:
        if not self.requirements:
            raise InputError("a specification needs at least one requirement")
        ids = [id for id, _ in self.items()]
        twice = {id for id in ids if ids.count(id) > 1}
        if twice:
            raise InputError(f"two requirements are named '{min(twice)}'; give each requirement a name of its own")

    def __and__(self, other: Requirement | Spec) -> Spec:
        """All requirements of both."""
        return Spec(self.requirements + (other.requirements if isinstance(other, Spec) else (other,)))

    def items(self) -> Iterator[tuple[str, Requirement]]:
        """Ids and requirements in order."""
        counts: dict[str, int] = {}
        for requirement in self.requirements:
            counts[requirement.kind] = counts.get(requirement.kind, 0) + 1
            yield requirement.name or f"{requirement.kind}-{counts[requirement.kind]}", requirement
