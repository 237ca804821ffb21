"""`nnctrl verify`: decide a problem."""

from __future__ import annotations

import click

from nnctrl.cli.options import Output, budget_options, engine_option, output_options, source_options
from nnctrl.cli.status import ExitStatus
from nnctrl.io.problems import ProblemSource, open_problem
from nnctrl.verification.settings import Budget

VERDICTS = ("VERIFIED", "FALSIFIED", "UNKNOWN")


@click.command("verify", short_help="Decide a problem.")
@source_options
@engine_option
@budget_options
@output_options
@click.option(
    "--expect",
    type=click.Choice(VERDICTS, case_sensitive=False),
    metavar="VERDICT",
    help="Exit with status 4 on any other verdict.",
)
def command(source: ProblemSource, engine: str, budget: Budget, output: Output, expect: str | None) -> int:
    """Decide PROBLEM: verified, falsified with a counterexample, or unknown.

    PROBLEM is an id of `nnctrl list problems` or a Python file that defines `problem`.
    """
    opened = open_problem(source)

    from nnctrl.cli.console import progress_shown, stderr_line
    from nnctrl.cli.outcome import deliver
    from nnctrl.verification.decide import verify

    problem = opened.build()
    with progress_shown(output.quiet) as progress:
        result = verify(problem, engine=engine, budget=budget, settings=opened.engine_values, progress=progress)
    status = deliver(opened, problem, result, output)
    if expect is not None and result.verdict != expect:
        stderr_line(f"the verdict is {result.verdict} but --expect {expect} was given")
        return ExitStatus.REFUSED
    return status
