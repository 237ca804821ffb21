"""`nnctrl bench`: the experiments of a suite."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnctrl import registry
from nnctrl.cli.options import Output, OutputPath, models_option, output_options
from nnctrl.cli.status import ExitStatus
from nnctrl.errors import InputError, describe_error, what_is
from nnctrl.io.files import check_apart, check_writable
from nnctrl.suite import AbstractSuite, Conditions

if TYPE_CHECKING:
    from nnctrl.report.suites import Finished

SEEDS, MOST_SEEDS = 5, 1000


@click.command("bench", short_help="Run the experiments of a suite.")
@click.argument("suite_id", metavar="SUITE")
@click.argument("more", nargs=-1, metavar="")
@models_option
@click.option("--only", multiple=True, metavar="ID ...", help="Run these experiments of the suite only.")
@click.option(
    "--seeds",
    type=click.IntRange(min=1, max=MOST_SEEDS),
    default=SEEDS,
    show_default=True,
    metavar="N",
    help="Seeds that what is random is repeated with.",
)
@click.option("--csv", "csv_file", type=OutputPath(), metavar="FILE", help="Write all rows as one table.")
@output_options
def command(
    suite_id: str,
    more: tuple[str, ...],
    models: Path | None,
    only: tuple[str, ...],
    seeds: int,
    csv_file: Path | None,
    output: Output,
) -> int:
    """Run the experiments of SUITE, an id of `nnctrl list suites`, and show a table for each.

    Exits with status 4 when a verdict is not the expected one or when something that must hold does not. What --csv,
    --json and --report ask for is written anew after every experiment.
    """
    if more and not only:
        raise click.UsageError(f"there is no argument '{more[0]}' after SUITE; choose experiments with --only ID")
    if csv_file is not None:
        check_writable(csv_file)
    check_apart({"--csv": csv_file, "--json": output.json, "--report": output.report})
    suite = _suite(suite_id)
    chosen = suite.chosen((*only, *more))
    suite.check_networks(chosen, models)

    from nnctrl.cli.console import progress_shown, stderr_line, stdout_console
    from nnctrl.report.suites import Finished, print_findings

    files = _Files(suite, seeds, csv_file, output)
    done: list[Finished] = []
    with progress_shown(output.quiet) as progress:
        for experiment in chosen:
            progress.update(experiment.id)
            started = time.monotonic()
            findings = experiment.run(Conditions(models, seeds, progress))
            done.append(Finished(experiment, findings, time.monotonic() - started))
            files.write(done)
    console = stdout_console()
    if not output.quiet:
        for item in done:
            print_findings(console, item)
    broken = [f"{item.experiment.id}: {text}" for item in done for text in item.findings.contradictions()]
    total = sum(item.wall_s for item in done)
    result = f"contradictions: {len(broken) or 'none'}"
    console.print(f"{suite.id}, experiments: {len(done)}, in {total:.1f} s, {result}", soft_wrap=True)
    for text in files.warnings:
        stderr_line(f"warning: {text}")
    for text in broken:
        stderr_line(text)
    return ExitStatus.REFUSED if broken else ExitStatus.DONE


def _suite(name: str) -> AbstractSuite:
    """The registered suite, an instance of its class."""
    found = registry.load("suites", name)
    suite = found() if isinstance(found, type) and issubclass(found, AbstractSuite) else found
    if not isinstance(suite, AbstractSuite):
        raise InputError(f"the suite '{name}' is {what_is(found)}; it must be a nnctrl.suite.AbstractSuite")
    return suite


@dataclass
class _Files:
    """Where results go; pictures are drawn once, and one that cannot be drawn costs a warning."""

    suite: AbstractSuite
    seeds: int
    csv: Path | None
    output: Output

    def __post_init__(self) -> None:
        self.warnings: list[str] = []
        self._drawn: set[str] = set()

    def write(self, done: list[Finished]) -> None:
        """Write everything that was asked for; `done` grows by one experiment from call to call."""
        from nnctrl.files import write_atomically
        from nnctrl.io.files import json_bytes
        from nnctrl.report.suites import csv_bytes, suite_json, suite_page

        if self.csv is not None:
            write_atomically(self.csv, csv_bytes(self.suite, done))
        data = json_bytes(suite_json(self.suite, done, self.seeds))
        if self.output.json is not None:
            write_atomically(self.output.json, data)
        if self.output.report is None:
            return
        # pictures need matplotlib: only who wants one waits for it
        from nnctrl.report.folder import write_files

        pictures = self._pictures(done[-1])
        page = suite_page(self.suite, done, self._drawn)
        write_files(self.output.report, {**pictures, "report.md": page.encode(), "result.json": data})

    def _pictures(self, finished: Finished) -> dict[str, bytes]:
        files = {}
        for drawing in finished.findings.drawings:
            try:
                files[f"{drawing.name}.png"] = drawing.draw()
                self._drawn.add(drawing.name)
            except Exception as error:  # noqa: BLE001  a fault of a picture must not cost results that took hours
                self.warnings.append(f"the picture {drawing.name} was not drawn ({describe_error(error)})")
        return files
