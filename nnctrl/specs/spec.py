"""Requirements on trajectories: plain data.

Meaning. Sets are closed: touching an avoided set violates, a boundary point satisfies Stay and Reach.
`Reach(within=T)` asks of every trajectory some time <= T, not the same for all. Times are in the problem's unit: steps
for discrete plants (which are meant at their samples only), seconds for continuous ones. Inputs and outputs are those
of steps 0 .. horizon - 1, states those of steps 0 .. horizon.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from numbers import Real
from typing import ClassVar

from nnctrl.errors import InputError, what_is
from nnctrl.sets.base import AbstractSet
from nnctrl.specs.moving import Moving
from nnctrl.specs.sublevel import Sublevel

Target = AbstractSet | Moving | Sublevel


@dataclass(frozen=True)
class Requirement(ABC):
    """Common to all requirements: `on` names the coordinates that the set is over, by default all states in order.

    InputError for anything that is not what it should be: a set, names, finite times >= 0 in order.
    """

    target: Target
    on: tuple[str, ...] | None = field(default=None, kw_only=True)
    name: str = field(default="", kw_only=True)

    kind: ClassVar[str] = ""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise InputError(f"the name of a requirement is {self.name!r}; give a string")
        if not isinstance(self.target, Target):
            raise InputError(
                f"the target of {self._called} is {what_is(self.target)}; give a set (Box, Ball, Polytope, ...), "
                "Moving or Sublevel"
            )
        if self.on is None:
            return
        if not isinstance(self.on, tuple | list) or not all(isinstance(name, str) for name in self.on):
            raise InputError(f"{self._called} is on {self.on!r}; give a tuple of names, such as ('x1',)")
        object.__setattr__(self, "on", tuple(self.on))
        twice = {name for name in self.on if self.on.count(name) > 1}
        if twice:
            raise InputError(f"{self._called} names the coordinate '{min(twice)}' twice; name each once")

    @property
    def _called(self) -> str:
        """How messages speak of this requirement."""
        article = "an" if type(self).__name__[0] in "AEIOU" else "a"
        return f"requirement '{self.name}'" if self.name else f"{article} {type(self).__name__} requirement"

    def _check_during(self, during: object) -> None:
        """`during` is None or two times, the first not after the last."""
        if during is None:
            return
        if not isinstance(during, tuple | list) or len(during) != 2:
            raise InputError(f"{self._called} is during {during!r}; give the pair (first time, last time)")
        for time in during:
            self._check_time(time)
        if during[0] > during[1]:
            raise InputError(
                f"{self._called} is during {during[0]} to {during[1]}; give the first time before the last"
            )

    def _check_time(self, time: object) -> None:
        number = isinstance(time, Real) and not isinstance(time, bool)
        # compared and not converted: an integer may be too large for a float
        if not number or not 0 <= time < math.inf:  # type: ignore[operator]
            raise InputError(f"{self._called} speaks of time {time!r}; give finite times from 0 on")

    @abstractmethod
    def window(self, horizon: float) -> tuple[float, float]:
        """First and last time that count."""

    def __and__(self, other: Requirement | Spec) -> Spec:
        """Both requirements."""
        return Spec((self,)) & other


@dataclass(frozen=True)
class Stay(Requirement):
    """The trajectory is in `target` at all times of `during` (first, last), by default at all times."""

    during: tuple[float, float] | None = None

    kind: ClassVar[str] = "stay"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_during(self.during)

    def window(self, horizon: float) -> tuple[float, float]:
        """First and last time that count."""
        return (0.0, horizon) if self.during is None else self.during


@dataclass(frozen=True)
class Avoid(Requirement):
    """The trajectory is never in `target` during (first, last), by default never at all."""

    during: tuple[float, float] | None = None

    kind: ClassVar[str] = "avoid"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_during(self.during)

    def window(self, horizon: float) -> tuple[float, float]:
        """First and last time that count."""
        return (0.0, horizon) if self.during is None else self.during


@dataclass(frozen=True)
class Reach(Requirement):
    """The trajectory is in `target` `at` a time, or at some time <= `within`."""

    at: float | None = None
    within: float | None = None

    kind: ClassVar[str] = "reach"

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.at is None) == (self.within is None):
            raise InputError(f"{self._called} takes exactly one of at=TIME and within=TIME")
        self._check_time(self.within if self.at is None else self.at)

    def window(self, horizon: float) -> tuple[float, float]:
        """First and last time at which the set may be reached."""
        return (self.at, self.at) if self.at is not None else (0.0, horizon if self.within is None else self.within)


@dataclass(frozen=True)
class Spec:
    """Requirements that must all hold; each has an id: its name, or its kind and number."""

    requirements: tuple[Requirement, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.requirements, tuple) or not self.requirements:
            raise InputError(
                f"the requirements of a Spec are {what_is(self.requirements)}; give a tuple of at least one "
                "requirement, Spec((requirement,)), or join requirements with &"
            )
        for item in self.requirements:
            if not isinstance(item, Requirement):
                raise InputError(f"a Spec holds {what_is(item)}; give Reach, Avoid or Stay")
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
