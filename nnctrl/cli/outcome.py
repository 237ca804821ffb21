"""What happens with a finished result: shown, written, and turned into an exit status."""

from __future__ import annotations

import dataclasses

from nnctrl.cli.console import stderr_line, stdout_console
from nnctrl.cli.options import Output
from nnctrl.cli.status import ExitStatus
from nnctrl.files import write_atomically
from nnctrl.io.files import json_bytes
from nnctrl.io.problems import OpenedProblem
from nnctrl.report.tables import print_result, print_rows, print_verdict
from nnctrl.verification.problem import Problem
from nnctrl.verification.verdict import Result, Verdict


def deliver(opened: OpenedProblem, problem: Problem, result: Result, output: Output) -> ExitStatus:
    """Write the files that were asked for and show the result; the status of the run.

    The files come first, since whoever reads the output may leave; a file that cannot be written (InputError) does not
    keep the result from being shown.
    """
    if opened.definition is not None:
        result = dataclasses.replace(result, settings={**opened.definition.values(), **result.settings})
    try:
        warning = _write(problem, result, output)
    finally:
        _show(problem, result, output)
    if output.report is not None and not output.quiet:
        print_rows(stdout_console(), [("report", str(output.report))])
    if warning is not None:
        stderr_line(f"warning: {warning}")
    return status_of(result)


def _write(problem: Problem, result: Result, output: Output) -> str | None:
    """Write the files; a warning for the user, or None."""
    if output.json is not None:
        write_atomically(output.json, json_bytes(result.to_json()))
    if output.report is None:
        return None
    # pictures need matplotlib: only who wants one waits for it
    from nnctrl.report.folder import write_report

    return write_report(output.report, problem, result)


def _show(problem: Problem, result: Result, output: Output) -> None:
    console = stdout_console()
    if output.quiet:
        print_verdict(console, result)
    else:
        print_result(console, problem, result)


def status_of(result: Result) -> ExitStatus:
    """Status of a run: its verdict, or for a run without one whether it did all that was asked."""
    if result.verdict is Verdict.FALSIFIED:
        return ExitStatus.FALSIFIED
    if result.verdict is Verdict.UNKNOWN or (result.verdict is None and result.reason is not None):
        return ExitStatus.UNKNOWN
    return ExitStatus.DONE
