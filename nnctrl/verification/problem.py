"""What is to be decided: a closed loop, a set of initial states, requirements and a horizon.

A `Problem` is one question. A `ProblemDefinition` is a family of them with typed keys (horizon, a mass, a network
file): it is what gets registered under an id, and what `--set key=value` on the command line changes.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self, cast

from nnctrl.errors import DimensionError, InputError, UnknownNameError, UnsupportedError, what_is
from nnctrl.files import is_file, is_folder
from nnctrl.verification.settings import Settings

if TYPE_CHECKING:
    from nnctrl.networks.network import Origin
    from nnctrl.sets.base import AbstractSet
    from nnctrl.specs.spec import Avoid, Reach, Requirement, Spec, Stay
    from nnctrl.systems.closed_loop import ClosedLoop
    from nnctrl.systems.switched import SwitchedLoop

    AnyRequirement = Stay | Avoid | Reach

MOST_STEPS, MOST_SECONDS = 100_000, 1_000_000_000
"""Longest horizons of discrete and continuous plants, beyond what any engine encloses: a slip is told as one."""

TIME = "t"
"""The name of time in `views`."""


@dataclass(frozen=True, eq=False)
class Problem:
    """Does every trajectory of `closed_loop` that starts in `initial_set` satisfy `spec` up to `horizon`?

    `initial_set` is over the plant's states, in their order; `horizon` is a number of steps for discrete plants and of
    seconds for continuous ones. `settings` are the engine keys that this problem prefers to the engine's defaults (the
    user's own win over both). `views` are the pairs of names, or of "t" and a name, that pictures show.
    """

    closed_loop: ClosedLoop | SwitchedLoop
    initial_set: AbstractSet
    spec: Spec
    horizon: float
    name: str
    description: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)
    views: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        self._check_types()
        states = len(self.closed_loop.plant.states)
        if self.initial_set.dim != states:
            raise DimensionError(
                f"the initial set has {self.initial_set.dim} coordinates but the plant has {states} states "
                f"({', '.join(self.closed_loop.plant.states)}); give one coordinate per state"
            )
        unit, most = ("steps", MOST_STEPS) if self.is_discrete else ("seconds", MOST_SECONDS)
        if not 0 < self.horizon <= most:
            raise InputError(f"the horizon is {self.horizon}; give a positive number of {unit}, at most {most}")
        if self.is_discrete and self.horizon != int(self.horizon):
            raise InputError(f"the horizon is {self.horizon} but the plant is discrete; give a whole number of steps")
        self._check_requirements()
        self._check_views()
        _refuse_empty(self.initial_set, "the initial set")
        for name, requirement in self.requirements():
            _refuse_empty(requirement.target, f"the set of requirement '{name}'")

    def _check_types(self) -> None:
        from nnctrl.sets.base import AbstractSet
        from nnctrl.specs.spec import Spec
        from nnctrl.systems.closed_loop import ClosedLoop
        from nnctrl.systems.switched import SwitchedLoop

        rules: dict[str, tuple[type | tuple[type, ...], str]] = {
            "closed_loop": ((ClosedLoop, SwitchedLoop), "what compose(plant, controller) returns"),
            "initial_set": (AbstractSet, "a set such as Box or Zonotope"),
            "spec": (Spec, "Spec((requirement, ...))"),
            "horizon": (Real, "a number of steps (discrete plants) or seconds"),
            "name": (str, "a text"),
            "description": (str, "a text"),
            "settings": (Mapping, "a dictionary of engine keys"),
        }
        for field_name, (kind, wanted) in rules.items():
            value = getattr(self, field_name)
            if not isinstance(value, kind) or isinstance(value, bool):
                raise InputError(f"the problem's {field_name} is {what_is(value)}; give {wanted}")
        if not self.name.strip():
            raise InputError("the problem's name is empty; give a text")

    def _check_requirements(self) -> None:
        for id, requirement in self.spec.items():
            names, known = self.coordinates(requirement), self.signal_units()
            for name in names:
                if name not in known:
                    raise UnknownNameError.among("signal", str(name), known)
            if requirement.target.dim != len(names):
                raise DimensionError(
                    f"the set of requirement '{id}' has {requirement.target.dim} coordinates but is over {len(names)} "
                    f"signals ({', '.join(names)}); name as many signals in `on` as the set has coordinates"
                )

    def _check_views(self) -> None:
        names = [TIME, *self.signal_units()]
        if not isinstance(self.views, tuple | list):
            raise InputError(f"the views are {self.views!r}; give a tuple of pairs of names")
        for view in self.views:
            if not isinstance(view, tuple | list) or len(view) != 2:
                raise InputError(f"the view {view!r} is no pair; give two names, or '{TIME}' and a name")
            for name in view:
                if name not in names:
                    raise UnknownNameError.among("coordinate of a view", str(name), names)
            if view[0] == view[1] or view[1] == TIME:
                raise InputError(
                    f"the view {view!r} cannot be drawn; give two different names, and '{TIME}' as the first if at all"
                )

    @property
    def is_discrete(self) -> bool:
        """Whether the plant is meant at samples only."""
        return self.closed_loop.plant.dt > 0

    @property
    def samples(self) -> int:
        """The horizon as a number of samples; InputError if it is no whole number of the controller's periods."""
        from nnctrl.systems.fit import in_samples, sample_period

        if self.is_discrete:
            return int(self.horizon)
        period = sample_period(self.closed_loop.plant, self.closed_loop.controller)
        count = in_samples(self.horizon, period)
        if count != int(count):
            raise InputError(
                f"the horizon is {self.horizon:g} s, which is no whole number of the controller's periods of "
                f"{period:g} s; give a multiple"
            )
        return int(count)

    @property
    def is_switched(self) -> bool:
        """Whether the controller switches among networks."""
        from nnctrl.systems.switched import SwitchedLoop

        return isinstance(self.closed_loop, SwitchedLoop)

    @property
    def time_unit(self) -> str:
        """What times in results count: "step" (discrete plants) or "s"."""
        return "step" if self.is_discrete else "s"

    @property
    def network_origin(self) -> Origin | None:
        """Where the controller's network, or its networks, came from."""
        return self.closed_loop.controller.origin

    @property
    def network_loop(self) -> ClosedLoop:
        """The closed loop with one network, for engines that take no other; UnsupportedError for a switched one."""
        from nnctrl.systems.switched import SwitchedLoop

        if isinstance(self.closed_loop, SwitchedLoop):
            raise UnsupportedError("the controller switches among networks, which only the engine switched treats")
        return self.closed_loop

    def signal_units(self) -> dict[str, str]:
        """Units of everything that requirements and views can name: states, inputs, outputs."""
        plant = self.closed_loop.plant
        return {**plant.states, **plant.inputs, **plant.outputs}

    def requirements(self) -> tuple[tuple[str, AnyRequirement], ...]:
        """Ids and requirements in order."""
        return tuple((name, cast("AnyRequirement", item)) for name, item in self.spec.items())

    def coordinates(self, requirement: Requirement) -> tuple[str, ...]:
        """The names that a requirement's set is over."""
        return requirement.on if requirement.on is not None else tuple(self.closed_loop.plant.states)


def _refuse_empty(region: object, what: str) -> None:
    """InputError naming a polytope without points: it can neither be started from nor be reached or touched."""
    from nnctrl.sets.polytope import Polytope
    from nnctrl.specs.moving import Moving

    base = region.base if isinstance(region, Moving) else region
    if isinstance(base, Polytope):
        try:
            _ = base.interior_point
        except UnsupportedError:
            raise
        except InputError as error:
            raise InputError(f"{what} is empty: {error}") from error


@dataclass(frozen=True)
class ProblemDefinition(Settings, ABC):
    """Base of registered problems: frozen dataclasses whose fields, made with `setting`, are the keys of `--set`.

    `id` is the registered id; the class docstring is the description that `nnctrl show` prints. A problem with
    somebody else's network declares a field `network: Path | None = setting(None, ...)`, the file names under which
    `--models DIR` looks for it (`network_files`) and where to get it (`network_source`), and opens the file that
    `required_network()` names. A problem with several of them says in `network_parts` what they are called; then
    `network` and `network_files` are folders, and `required_networks()` gives the files.
    """

    id: ClassVar[str]
    network_files: ClassVar[tuple[str, ...]] = ()
    network_parts: ClassVar[tuple[str, ...]] = ()
    network_source: ClassVar[str] = ""
    expert: ClassVar[str] = ""

    @abstractmethod
    def build(self) -> Problem:
        """The problem for these values of the keys; raises InputError for values that make no sense together."""

    def with_models(self, folder: Path | None) -> Self:
        """A copy whose network is the file, or folder of several, in `folder`, unless a network is given or nothing is
        known about files.
        """
        if folder is None or not self.network_files or getattr(self, "network", None) is not None:
            return self
        if not is_folder(folder):
            raise InputError(
                f"there is no folder {folder}, in which the network of the problem '{self.id}' is looked for; give "
                "--models DIR or --set network=FILE"
            )
        is_there = is_folder if self.network_parts else is_file
        found = [folder / name for name in self.network_files if is_there(folder / name)]
        if not found:
            raise InputError(
                f"the folder {folder} does not hold {' or '.join(self.network_files)}, which the problem "
                f"'{self.id}' needs; give the folder that does, or --set network=FILE"
            )
        return dataclasses.replace(self, **{"network": found[0]})

    def required_network(self) -> Path:
        """The network file that the user gave, or InputError saying how to give it."""
        path = self._given_network("a network that is not", "it with --set network=FILE")
        if not is_file(path):
            raise InputError(f"there is no network file {path}; check --set network=FILE")
        return path

    def required_networks(self) -> tuple[Path, ...]:
        """The files `network_parts` of the folder that the user gave, or InputError saying what is missing."""
        folder = self._given_network(
            f"{len(self.network_parts)} networks that are not", "their folder with --set network=FOLDER"
        )
        paths = tuple(folder / name for name in self.network_parts)
        missing = [path for path in paths if not is_file(path)]
        if missing:
            raise InputError(
                f"there is no network file {missing[0]}, one of the {len(paths)} that the problem '{self.id}' needs; "
                "check --set network=FOLDER or --models DIR"
            )
        return paths

    def _given_network(self, what: str, remedy: str) -> Path:
        path: Path | None = getattr(self, "network", None)
        if path is None:
            source = f" ({self.network_source})" if self.network_source else ""
            raise InputError(
                f"the problem '{self.id}' means {what} part of nnctrl{source}; give {remedy} or --models DIR"
            )
        return path
