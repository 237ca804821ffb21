"""What is registered under which id: plants, controllers, experts, problems, engines, bounds and suites.

Packages announce theirs as entry points (`[project.entry-points."nnctrl.plants"]` in their pyproject.toml), which are
listed without importing any of them and imported one at a time, when asked for. A program adds its own in process
with `register`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from nnctrl.errors import InputError, UnknownNameError, describe_error

T = TypeVar("T")


class Kind(StrEnum):
    """The kinds of things with ids; the value is the last part of the entry-point group `nnctrl.<value>`."""

    PLANTS = "plants"
    CONTROLLERS = "controllers"
    EXPERTS = "experts"
    PROBLEMS = "problems"
    ENGINES = "engines"
    BOUNDS = "bounds"
    SUITES = "suites"

    @property
    def group(self) -> str:
        """The entry-point group."""
        return f"nnctrl.{self.value}"

    @property
    def singular(self) -> str:
        """The word for one of them, for messages."""
        return self.value.removesuffix("s")


@dataclass(frozen=True)
class Entry:
    """One registered id: where it comes from, before anything is imported."""

    kind: Kind
    id: str
    source: str
    """`module:attribute`, or "in process"."""
    package: str
    """The distribution that registers it; empty for in-process additions."""


class PluginError(InputError):
    """A registered id cannot be loaded: its module is missing, raises at import, or is registered twice."""


@dataclass(frozen=True)
class Registry:
    """Entry points of the installed packages, plus what this program has added with `register`."""

    _added: dict[tuple[Kind, str], object] = field(default_factory=dict)

    def entries(self, kind: str) -> tuple[Entry, ...]:
        """Everything registered under `kind`, sorted by id; imports none of it."""
        which = parse_kind(kind)
        installed = [
            Entry(which, point.name, point.value, _package(point)) for point in entry_points(group=which.group)
        ]
        added = [Entry(which, name, "in process", "") for owner, name in self._added if owner is which]
        return tuple(sorted(installed + added, key=lambda entry: (entry.id, entry.source)))

    def names(self, kind: str) -> tuple[str, ...]:
        """The ids of `kind`, sorted; imports none of them."""
        return tuple(sorted({entry.id for entry in self.entries(kind)}))

    def load(self, kind: str, name: str) -> Any:
        """The object registered as `name`; imports that one plug-in only.

        Raises UnknownNameError for an id that nobody registered and PluginError for a plug-in that does not load.
        """
        which = parse_kind(kind)
        if (which, name) in self._added:
            return self._added[which, name]
        points = list(entry_points(group=which.group, name=name))
        if not points:
            raise UnknownNameError.among(which.singular, name, self.names(which))
        if len(points) > 1:
            owners = " and ".join(f"{point.value} ({_package(point)})" for point in points)
            raise PluginError(
                f"the {which.singular} id '{name}' is registered twice: {owners}; uninstall or rename one"
            )
        # foreign code may raise anything, and must not look like a fault of nnctrl
        try:
            return points[0].load()
        except (Exception, SystemExit) as error:
            raise PluginError(
                f"the {which.singular} '{name}' from '{points[0].value}' ({_package(points[0])}) does not load: "
                f"{describe_error(error)}; mend or uninstall that package"
            ) from error

    def register(self, kind: str, name: str) -> Callable[[T], T]:
        """A decorator that adds an object under `name` for the life of this registry.

        Raises InputError when the id is taken: one id means one thing.
        """
        which = parse_kind(kind)

        def add(thing: T) -> T:
            if name in self.names(which):
                raise InputError(f"the {which.singular} id '{name}' is taken; choose another")
            self._added[which, name] = thing
            return thing

        return add

    def unregister(self, kind: str, name: str) -> None:
        """Take back an in-process addition."""
        which = parse_kind(kind)
        if (which, name) not in self._added:
            added = [known for owner, known in self._added if owner is which]
            raise UnknownNameError.among(f"in-process {which.singular}", name, added)
        del self._added[which, name]


def parse_kind(kind: str) -> Kind:
    """The kind called `kind` ('plants', 'problems', ...)."""
    try:
        return Kind(kind)
    except ValueError:
        raise UnknownNameError.among("kind", kind, [member.value for member in Kind]) from None


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "unknown package"


_DEFAULT = Registry()

entries = _DEFAULT.entries
names = _DEFAULT.names
load = _DEFAULT.load
register = _DEFAULT.register
unregister = _DEFAULT.unregister
