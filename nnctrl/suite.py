"""Suites: experiments and verification instances that are run together and reported as tables and pictures.

A suite is a list of experiments with ids. An experiment computes `Findings`: rows of plain values, pictures that are
drawn only if somebody wants them, and expectations with whether they hold. It writes nothing and prints nothing, so
that `nnctrl bench` decides what becomes of its results. A suite of verification instances has one experiment per
instance (or per family) whose rows carry a `verdict` beside an `expected_verdict`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from nnctrl.errors import InputError, UnknownNameError
from nnctrl.files import is_file
from nnctrl.progress import Progress, SilentProgress

Value = str | float | int | bool | None

Row = dict[str, Value]
"""One line of a table: values by column; the units are part of the columns' names (`time_s`), None is no value."""

VERDICT, EXPECTED_VERDICT = "verdict", "expected_verdict"
"""The columns that `contradictions` compares; rows without the second, or with None in it, expect nothing."""


@dataclass(frozen=True)
class Drawing:
    """A picture: `name` of its file without suffix, what it shows, and how to draw it (the bytes of a PNG file)."""

    name: str
    caption: str
    draw: Callable[[], bytes]


@dataclass(frozen=True)
class Expectation:
    """A sentence about the rows and whether it holds.

    `binding`: when it does not hold, something is wrong and `nnctrl bench` exits with status 4. Otherwise it is a goal
    that may be missed, and is reported as met or missed.
    """

    sentence: str
    holds: bool
    binding: bool = True


@dataclass(frozen=True)
class Findings:
    """What an experiment found; `notes` are sentences on how to read the rows."""

    rows: tuple[Row, ...]
    drawings: tuple[Drawing, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    notes: tuple[str, ...] = ()

    def contradictions(self) -> list[str]:
        """A sentence for every binding expectation that does not hold and for every row with another verdict than the
        expected one; UNKNOWN where a verdict was expected is another verdict.
        """
        broken = [f"it does not hold that {item.sentence}" for item in self.expectations if _is_broken(item)]
        for number, row in enumerate(self.rows, start=1):
            expected = row.get(EXPECTED_VERDICT)
            if expected is not None and row.get(VERDICT) != expected:
                broken.append(f"row {number} has the verdict {row.get(VERDICT)} but {expected} is expected")
        return broken


def _is_broken(expectation: Expectation) -> bool:
    return expectation.binding and not expectation.holds


@dataclass(frozen=True)
class Conditions:
    """What an experiment runs under: the folder with other people's networks, how many seeds random parts are repeated
    with, and who listens.
    """

    models: Path | None = None
    seeds: int = 5
    progress: Progress = field(default_factory=SilentProgress)

    def network(self, name: str) -> Path:
        """The file `name` of the folder with networks; InputError where there is none."""
        if self.models is None or not is_file(self.models / name):
            raise InputError(f"the network {name} is not there; give the folder that holds it with --models DIR")
        return self.models / name


class AbstractExperiment(ABC):
    """One experiment of a suite. `networks`: names of the files that it needs from the folder `--models`."""

    id: ClassVar[str]
    title: ClassVar[str]
    networks: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def run(self, conditions: Conditions) -> Findings:
        """Do the work; it has to end by itself, so what may take for ever is given a budget and reported as stopped."""


class AbstractSuite(ABC):
    """Experiments with distinct ids, in the order in which they are run.

    `network_source`: where its networks are. `csv_columns`: the columns of its CSV file, if somebody else's format asks
    for certain ones; by default the id of the experiment and all that rows have.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    network_source: ClassVar[str] = ""
    csv_columns: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def experiments(self) -> tuple[AbstractExperiment, ...]:
        """All of them; making them costs nothing."""

    def chosen(self, ids: Sequence[str]) -> tuple[AbstractExperiment, ...]:
        """Those called `ids`, in the suite's order; all of them for no ids. UnknownNameError for an unknown one."""
        known = {experiment.id: experiment for experiment in self.experiments()}
        for name in ids:
            if name not in known:
                raise UnknownNameError.among("experiment", name, known)
        return tuple(experiment for name, experiment in known.items() if name in ids or not ids)

    def check_networks(self, experiments: Sequence[AbstractExperiment], models: Path | None) -> None:
        """InputError naming the network files that `experiments` need and the folder `models` does not hold."""
        wanted = {name: experiment.id for experiment in experiments for name in experiment.networks}
        missing = [name for name in wanted if models is None or not is_file(models / name)]
        if not missing:
            return
        source = f" ({self.network_source})" if self.network_source else ""
        users = ", ".join(experiment.id for experiment in experiments if set(experiment.networks) & set(missing))
        place = "they are not part of nnctrl" if models is None else f"{models} does not hold them"
        raise InputError(
            f"the suite '{self.id}' needs the networks {', '.join(missing)}{source} for {users}, and {place}; give the "
            "folder that holds them with --models DIR, or choose other experiments with --only ID"
        )
