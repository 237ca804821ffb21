"""`nnctrl train`: a network that imitates an expert."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnctrl import registry
from nnctrl.cli.options import OutputPath
from nnctrl.cli.status import ExitStatus
from nnctrl.errors import InputError, UnknownNameError
from nnctrl.io.files import check_apart, check_writable
from nnctrl.io.problems import ProblemSource, open_problem
from nnctrl.verification.settings import Key, parse_assignments

if TYPE_CHECKING:
    from nnctrl.learning.recipe import Recipe


@click.command("train", short_help="A network that imitates an expert.")
@click.argument("reference", metavar="EXPERT|PROBLEM")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Change a key of the training.")
@click.option(
    "--output",
    type=OutputPath(),
    metavar="FILE.onnx",
    help="Write the network as ONNX, and its provenance as FILE.toml beside it.",
)
@click.option("--json", "json_file", type=OutputPath(), metavar="FILE", help="Write figures as JSON.")
@click.option("--quiet", is_flag=True, help="No progress, and only the last line of the outcome.")
def command(
    reference: str, assignments: tuple[str, ...], output: Path | None, json_file: Path | None, quiet: bool
) -> int:
    """Train a network to act as an expert does, and evaluate it on samples.

    With an id of `nnctrl list experts` its own recipe is followed, with one of `nnctrl list problems` that problem's
    expert is imitated from the problem's initial set; `nnctrl show` lists the keys that --set takes.
    """
    from nnctrl.cli.console import progress_shown, stdout_console
    from nnctrl.files import write_atomically
    from nnctrl.io.files import json_bytes
    from nnctrl.report.card import card_text
    from nnctrl.report.tables import print_rows
    from nnctrl.report.training import network_bytes, training_json, training_rows

    if output is not None and output.suffix != ".onnx":
        raise InputError(f"--output {output} does not end in .onnx; networks are written as ONNX files")
    card_file = None if output is None else output.with_suffix(".toml")
    places = {"--output": output, "the card of --output": card_file, "--json": json_file}
    for file in places.values():
        if file is not None:
            check_writable(file)
    check_apart(places)
    recipe = _recipe(reference).updated(parse_assignments(assignments))
    with progress_shown(quiet) as progress:
        trained = recipe.train(progress)
    onnx = network_bytes(reference, recipe, trained)
    if output is not None and card_file is not None:
        keys = "".join(f" --set {assignment}" for assignment in assignments)
        made_by = f"nnctrl train {reference}{keys} --output {output.name}"
        card = card_text(made_by, recipe, trained, output.name, onnx)
        write_atomically(card_file, card.encode())
        write_atomically(output, onnx)
    if json_file is not None:
        write_atomically(json_file, json_bytes(training_json(reference, recipe, trained, onnx)))
    rows = training_rows(recipe, trained)
    print_rows(stdout_console(), rows[-1:] if quiet else rows)
    return ExitStatus.DONE


def keys_of_recipe(expert: str) -> tuple[Key, ...]:
    """The keys of the training by the registered `expert`, with its own recipe's values as defaults."""
    from nnctrl.learning.recipe import recipe_of

    settings = recipe_of(expert, registry.load("experts", expert)).settings
    own = settings.values()
    return tuple(dataclasses.replace(key, default=own[key.name]) for key in settings.declared_keys())


def _recipe(reference: str) -> Recipe:
    """The recipe of an expert, or of a problem's expert with the problem's plant, set, horizon and requirements."""
    from nnctrl.learning.recipe import recipe_of

    if reference in registry.names("experts"):
        return recipe_of(reference, registry.load("experts", reference))
    if reference not in registry.names("problems"):
        raise UnknownNameError.among(
            "expert or problem", reference, registry.names("experts") + registry.names("problems")
        )
    opened = open_problem(ProblemSource(reference))
    name = "" if opened.definition is None else opened.definition.expert
    if not name:
        raise InputError(f"the problem '{reference}' names no expert to imitate; give an id of nnctrl list experts")
    problem = opened.build()
    return dataclasses.replace(
        recipe_of(name, registry.load("experts", name)),
        plant=problem.closed_loop.plant,
        initial_set=problem.initial_set,
        horizon=problem.samples,
        spec=problem.spec,
    )
