"""The suite `arch`: every instance of the competition's list that is registered, with the competition's networks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from benchmarks.arch.competition import SOURCE
from benchmarks.arch_suite.experiment import InstanceExperiment, experiment_of
from benchmarks.arch_suite.instances import INSTANCES
from nnctrl import registry
from nnctrl.errors import InputError
from nnctrl.suite import AbstractExperiment, AbstractSuite


class ArchSuite(AbstractSuite):
    """The instances of the ARCH-COMP category AINNCS, each verified with no option given, in one process."""

    id: ClassVar[str] = "arch"
    title: ClassVar[str] = "ARCH-COMP: neural networks in closed loop (AINNCS)"
    network_source: ClassVar[str] = SOURCE
    csv_columns: ClassVar[tuple[str, ...]] = ("benchmark", "instance", "result", "time")

    def experiments(self) -> tuple[AbstractExperiment, ...]:
        """In the order of the competition's list."""
        known = set(registry.names("problems"))
        return tuple(experiment_of(item) for item in INSTANCES if item.problem in known)

    def check_networks(self, experiments: Sequence[AbstractExperiment], models: Path | None) -> None:
        """InputError unless `models` holds a network of one of `experiments`: a missing one costs its own row only."""
        own = [item for item in experiments if isinstance(item, InstanceExperiment)]
        absent = [files for files in (item.missing(models) for item in own) if files is not None]
        if len(absent) < len(own):
            return
        place = "they are not part of nnctrl" if models is None else f"{models} holds none of them"
        raise InputError(
            f"the suite '{self.id}' needs networks such as {absent[0]} ({self.network_source}), and {place}; give the "
            "folder that holds them with --models DIR"
        )
