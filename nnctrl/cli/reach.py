"""`nnctrl reach`: enclose all trajectories, without a verdict."""

from __future__ import annotations

import click

from nnctrl.cli.options import Output, budget_options, engine_option, output_options, source_options
from nnctrl.io.problems import ProblemSource, open_problem
from nnctrl.verification.settings import Budget


@click.command("reach", short_help="Enclose all trajectories, without a verdict.")
@source_options
@engine_option
@budget_options
@output_options
def command(source: ProblemSource, engine: str, budget: Budget, output: Output) -> int:
    """Enclose all trajectories of PROBLEM and draw them (--report), without judging them.

    Exits with status 20 when the accuracy that was asked for is not reached.
    """
    opened = open_problem(source)

    from nnctrl.cli.console import progress_shown
    from nnctrl.cli.outcome import deliver
    from nnctrl.verification.decide import reach

    problem = opened.build()
    with progress_shown(output.quiet) as progress:
        result = reach(problem, engine=engine, budget=budget, settings=opened.engine_values, progress=progress)
    return deliver(opened, problem, result, output)
