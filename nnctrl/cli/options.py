"""Options that several commands share, bundled: a command receives one object per bundle instead of a dozen values."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from nnctrl.errors import InputError
from nnctrl.io.files import REPORT_FILES, check_apart, check_folder_writable, check_writable
from nnctrl.io.problems import AUTO, ProblemSource
from nnctrl.verification.settings import LARGEST_SEED, Budget, parse_assignments

MODELS_VARIABLE = "NNCTRL_MODELS"

MOST_SAMPLES = 1_000_000_000

Command = Callable[..., int]

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


class OutputPath(click.ParamType):
    """The name of a file or folder to write: not empty, and no "-", since results are no streams."""

    name = "path"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path; a usage error for what names none."""
        if value in ("", "-"):
            self.fail(f"{value!r} is no name of a file or folder; give one (./- for one that is called -)", param, ctx)
        return Path(value)


@dataclass(frozen=True)
class Output:
    """Where results go besides the terminal."""

    json: Path | None
    report: Path | None
    quiet: bool

    def check(self) -> None:
        """Refuse what could not be written, before any work is done (InputError)."""
        if self.json is not None:
            check_writable(self.json)
        if self.report is not None:
            check_folder_writable(self.report, REPORT_FILES)
        check_apart({"--json": self.json, "--report": self.report})


def models_option(command: Command) -> Command:
    """--models as `models`, the folder of `MODELS_VARIABLE` where it is not given."""
    option = click.option(
        "--models",
        type=_FOLDER,
        metavar="DIR",
        help=f"Folder with networks that others published; by default that of {MODELS_VARIABLE}.",
    )

    @option
    @functools.wraps(command)
    def bundled(models: Path | None, **others: Any) -> int:
        if models is None and os.environ.get(MODELS_VARIABLE):
            # not the option's default, which would have to exist even where no model is looked for
            models = Path(os.environ[MODELS_VARIABLE])
        return command(models=models, **others)

    return bundled


def source_options(command: Command) -> Command:
    """PROBLEM, --set, --models and --trust as `source`."""

    @click.argument("reference", metavar="PROBLEM")
    @click.option(
        "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Change a key of the problem or of the engine."
    )
    @models_option
    @click.option("--trust", is_flag=True, help="Run PROBLEM although it is a Python file.")
    @functools.wraps(command)
    def bundled(reference: str, assignments: tuple[str, ...], models: Path | None, trust: bool, **others: Any) -> int:
        # commands that run no engine take no engine keys
        source = ProblemSource(reference, parse_assignments(assignments), models, trust, others.get("engine"))
        return command(source=source, **others)

    return bundled


def engine_option(command: Command) -> Command:
    """--engine as `engine`."""
    return click.option(
        "--engine",
        default=AUTO,
        show_default=True,
        metavar="ID",
        help="How to enclose: auto, or an id of `nnctrl list engines`.",
    )(command)


class BudgetKey(click.ParamType):
    """A value of a key of `Budget`, refused under the option's own name."""

    name = "number"

    def __init__(self, key: str) -> None:
        (self.key,) = (known for known in Budget.declared_keys() if known.name == key)

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        """The value in its type and range; a usage error otherwise."""
        try:
            return self.key.read(value) if isinstance(value, str) else value
        except InputError:
            self.fail(f"it takes {self.key.type_words}, not '{value}'", param, ctx)


def budget_options(command: Command) -> Command:
    """--timeout, --memory, --nodes and --jobs as `budget`."""
    default = Budget()

    @click.option(
        "--timeout",
        type=BudgetKey("timeout_s"),
        default=default.timeout_s,
        show_default=True,
        metavar="S",
        help="Wall-clock seconds.",
    )
    @click.option(
        "--memory",
        type=BudgetKey("memory_gb"),
        default=default.memory_gb,
        show_default=True,
        metavar="GB",
        help="Peak memory.",
    )
    @click.option(
        "--nodes",
        type=BudgetKey("nodes"),
        default=default.nodes,
        metavar="N",
        help="Bound evaluations, or parts followed; no limit by default.",
    )
    @click.option(
        "--jobs",
        type=BudgetKey("jobs"),
        default=default.jobs,
        metavar="N",
        help="Processes for the parts of an initial set; by default one for each processor.",
    )
    @functools.wraps(command)
    def bundled(timeout: float, memory: float, nodes: int | None, jobs: int | None, **others: Any) -> int:
        return command(budget=Budget(timeout, memory, nodes, jobs), **others)

    return bundled


def sampling_options(samples: int) -> Callable[[Command], Command]:
    """--samples and --seed, passed on as they are."""

    def add(command: Command) -> Command:
        count = click.option(
            "--samples",
            type=click.IntRange(min=1, max=MOST_SAMPLES),
            default=samples,
            show_default=True,
            metavar="N",
            help="Trajectories to draw.",
        )
        seed = click.option(
            "--seed",
            type=click.IntRange(min=0, max=LARGEST_SEED),
            default=0,
            show_default=True,
            metavar="N",
            help="Seed of the random numbers.",
        )
        return count(seed(command))

    return add


def output_options(command: Command) -> Command:
    """--json, --report and --quiet as `output`."""

    @click.option("--json", "json_file", type=OutputPath(), metavar="FILE", help="Write the result as one JSON object.")
    @click.option(
        "--report", type=OutputPath(), metavar="DIR", help="Write result, pictures and a short report into a folder."
    )
    @click.option("--quiet", is_flag=True, help="No progress, and only the last line of the outcome.")
    @functools.wraps(command)
    def bundled(json_file: Path | None, report: Path | None, quiet: bool, **others: Any) -> int:
        output = Output(json_file, report, quiet)
        output.check()
        return command(output=output, **others)

    return bundled
