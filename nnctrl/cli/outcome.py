"""What happens with a finished result: shown, written, and turned into an exit status."""

from __future__ import annotations

import dataclasses

from nnctrl.cli.console import stdout_console
from nnctrl.cli.options import Output
from nnctrl.cli.status import ExitStatus
from nnctrl.files import write_atomically
from nnctrl.io.files import json_bytes
from nnctrl.io.problems import OpenedProblem
from nnctrl.report.tables import print_result, print_rows, print_verdict
from nnctrl.verification.problem import Problem
from nnctrl.verification.verdict import Result, Verdict


def deliver(opened: OpenedProblem, problem: Problem, result: Result, output: Output) -> ExitStatus:
    """Show the result, then write the files that were asked for; the status of the run."""
    if opened.definition is not None:
        result = dataclasses.replace(result, settings={**opened.definition.values(), **result.settings})
    console = stdout_console()
    if output.quiet:
        print_verdict(console, result)
    else:
        print_result(console, problem, result)
    if output.json is not None:
        write_atomically(output.json, json_bytes(result.to_json()))
    if output.report is not None:
        # pictures need matplotlib: only who wants one waits for it
        from nnctrl.report.folder import write_report

        write_report(output.report, problem, result)
        if not output.quiet:
            print_rows(console, [("report", str(output.report))])
    return status_of(result)


def status_of(result: Result) -> ExitStatus:
    """Status of a run: its verdict, or for a run without one whether it did all that was asked."""
    if result.verdict is Verdict.FALSIFIED:
        return ExitStatus.FALSIFIED
    if result.verdict is Verdict.UNKNOWN or (result.verdict is None and result.reason is not None):
        return ExitStatus.UNKNOWN
    return ExitStatus.DONE
