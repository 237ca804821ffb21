"""`nnctrl synthesize`: a network for a task, and the verifier's word on it."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnctrl.cli.options import Output, OutputPath, budget_options, output_options, source_options
from nnctrl.cli.status import ExitStatus
from nnctrl.errors import InputError, UnknownNameError
from nnctrl.io.files import REPORT_FILES, check_apart, check_folder_writable, check_writable
from nnctrl.io.problems import OpenedProblem, ProblemSource, open_problem
from nnctrl.verification.problem import ProblemDefinition
from nnctrl.verification.settings import Budget

if TYPE_CHECKING:
    from nnctrl.learning.synthesis import Judged, SynthesisOutcome


@click.command("synthesize", short_help="A network that is verified to do what is wanted.")
@source_options
@click.option(
    "--method",
    default="auto",
    show_default=True,
    metavar="auto|lmi|last-layer|certified|cegis",
    help="How to make the network; --set takes its keys too.",
)
@click.option("--expert", metavar="NAME", help="Imitate an id of `nnctrl list experts` first; by default the task's.")
@budget_options
@click.option(
    "--checkpoint", type=OutputPath(), metavar="DIR", help="Keep the state of cegis in a folder, and go on from there."
)
@click.option(
    "--output",
    "file",
    type=OutputPath(),
    metavar="FILE.onnx",
    help="Write the network as ONNX, and its provenance as FILE.toml beside it.",
)
@output_options
def command(
    source: ProblemSource,
    method: str,
    expert: str | None,
    budget: Budget,
    checkpoint: Path | None,
    file: Path | None,
    output: Output,
) -> int:
    """Make a network for PROBLEM, and decide by the verifier whether it does what is wanted: the verdict is the
    verifier's, whatever the method says.

    PROBLEM is an id of `nnctrl list problems` or a Python file that defines `problem`; a network that it may have plays
    no part. With no network to verify, and where no controller at all does what is wanted, the exit status is 20.
    """
    places = _places(checkpoint, file, output)
    opened, keys = _opened(source, method)

    from nnctrl.cli.console import progress_shown
    from nnctrl.learning.synthesis import synthesise

    task = opened.task()
    compare = output.report is not None
    with progress_shown(output.quiet) as progress:
        outcome = synthesise(
            task, method, keys, budget, expert=expert, progress=progress, checkpoint=checkpoint, compare=compare
        )
    outcome = _with_keys_of(opened, outcome)
    keys_given = "".join(f" --set {key}={text}" for key, text in source.assignments.items())
    expert_given = f" --expert {expert}" if expert else ""
    made_by = f"nnctrl synthesize {source.reference} --method {method}{expert_given}{keys_given}"
    return _deliver(outcome, made_by, places, output)


def _places(checkpoint: Path | None, file: Path | None, output: Output) -> dict[str, Path | None]:
    """Where to write, refused before any work where it could not be (InputError)."""
    from nnctrl.report.synthesis import SYNTHESIS_FILES

    if file is not None and file.name == ".onnx":
        raise InputError(f"--output {file} has no name before .onnx; give one, such as network.onnx")
    if file is not None and file.suffix != ".onnx":
        raise InputError(f"--output {file} does not end in .onnx; networks are written as ONNX files")
    card = None if file is None else file.with_suffix(".toml")
    for place in (file, card):
        if place is not None:
            check_writable(place)
    if output.report is not None:
        check_folder_writable(output.report, (*REPORT_FILES, *SYNTHESIS_FILES))
    if checkpoint is not None:
        check_folder_writable(checkpoint)
    places = {"--output": file, "the card of --output": card, "--checkpoint": checkpoint}
    every = {**places, "--json": output.json, "--report": output.report}
    check_apart(every)
    if checkpoint is not None:
        _check_outside(checkpoint, every)
    return places


def _check_outside(checkpoint: Path, places: dict[str, Path | None]) -> None:
    """Refuse outputs in the folder of the checkpoint, where they could take the place of the state (InputError)."""
    folder = Path(os.path.realpath(checkpoint))
    for option, place in places.items():
        if place is not None and folder in Path(os.path.realpath(place)).parents:
            raise InputError(
                f"{option} {place} lies in the folder of --checkpoint {checkpoint}, which holds the state of the run "
                "alone; choose a place outside"
            )


def _opened(source: ProblemSource, method: str) -> tuple[OpenedProblem, dict[str, object]]:
    """The problem with its own keys, and the typed keys of the method; a key that both have is refused (InputError)."""
    from nnctrl.learning.methods import keys_of_method

    known = {key.name: key for key in keys_of_method(method)}
    opened = open_problem(dataclasses.replace(source, assignments={}, models=None))
    definition = opened.definition
    own = () if definition is None else tuple(key.name for key in definition.declared_keys())
    both = [name for name in own if name in known]
    if both:
        raise InputError(f"the problem's key '{both[0]}' is a key of the method too; rename it in the problem")
    for name in source.assignments:
        if name not in known and name not in own:
            raise UnknownNameError.among("key", name, [*own, *known])
    keys = {name: known[name].read(text) for name, text in source.assignments.items() if name in known}
    mine = {name: text for name, text in source.assignments.items() if name in own}
    if definition is not None:
        opened = dataclasses.replace(opened, subject=_with_network(definition.updated(mine), source.models))
    return opened, keys


def _with_network(definition: ProblemDefinition, models: Path | None) -> ProblemDefinition:
    """A task needs none; other problems are built with theirs before it is left aside."""
    from nnctrl.learning.task import TaskDefinition

    return definition if isinstance(definition, TaskDefinition) else definition.with_models(models)


def _with_keys_of(opened: OpenedProblem, outcome: SynthesisOutcome) -> SynthesisOutcome:
    """The outcome whose result tells the keys of the problem too."""
    definition, after = opened.definition, outcome.after
    if definition is None or after is None:
        return outcome
    result = dataclasses.replace(after.result, settings={**definition.values(), **after.result.settings})
    return dataclasses.replace(outcome, after=dataclasses.replace(after, result=result))


def _deliver(outcome: SynthesisOutcome, made_by: str, places: dict[str, Path | None], output: Output) -> ExitStatus:
    """Write the files that were asked for and show the outcome; the status of the run."""
    from nnctrl.cli.console import stderr_line, stdout_console
    from nnctrl.cli.outcome import status_of
    from nnctrl.files import write_atomically
    from nnctrl.io.files import json_bytes
    from nnctrl.report.synthesis import outcome_sentence, synthesis_json, synthesis_rows, write_synthesis
    from nnctrl.report.tables import print_result, print_rows, print_verdict

    after, console = outcome.after, stdout_console()
    warning = None
    try:
        if after is not None and places["--output"] is not None:
            _write_network(outcome, after, made_by, places["--output"])
        if output.json is not None:
            write_atomically(output.json, json_bytes(synthesis_json(outcome)))
        if output.report is not None:
            warning = write_synthesis(output.report, outcome)
    finally:
        # a file that cannot be written does not keep the outcome from being shown
        if not output.quiet:
            print_rows(console, synthesis_rows(outcome))
        if after is None:
            console.print(outcome_sentence(outcome), soft_wrap=True)
        elif output.quiet:
            print_verdict(console, after.result)
        else:
            print_result(console, after.problem, after.result)
    if warning is not None:
        stderr_line(f"warning: {warning}")
    return ExitStatus.UNKNOWN if after is None else status_of(after.result)


def _write_network(outcome: SynthesisOutcome, after: Judged, made_by: str, file: Path) -> None:
    from nnctrl.files import write_atomically
    from nnctrl.report.synthesis import synthesis_card

    card = synthesis_card(f"{made_by} --output {file.name}", outcome, after, file.name)
    write_atomically(file.with_suffix(".toml"), card.encode())
    write_atomically(file, outcome.onnx)
