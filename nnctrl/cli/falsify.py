"""`nnctrl falsify`: look for a counterexample only."""

from __future__ import annotations

import click

from nnctrl.cli.options import (
    Output,
    budget_options,
    engine_option,
    output_options,
    sampling_options,
    source_options,
)
from nnctrl.io.problems import ProblemSource, open_problem
from nnctrl.verification.settings import Budget

SAMPLES = 20_000


@click.command("falsify", short_help="Look for a counterexample only.")
@source_options
@engine_option
@budget_options
@sampling_options(SAMPLES)
@output_options
def command(source: ProblemSource, engine: str, budget: Budget, samples: int, seed: int, output: Output) -> int:
    """Look for a trajectory that violates a requirement of PROBLEM, and prove that it does.

    Exits with status 10 when there is one and with status 20 when none was found, which proves nothing.
    """
    opened = open_problem(source)

    from nnctrl.cli.console import progress_shown
    from nnctrl.cli.outcome import deliver
    from nnctrl.verification.decide import falsify

    problem = opened.build()
    with progress_shown(output.quiet) as progress:
        result = falsify(
            problem,
            engine=engine,
            budget=budget,
            settings=opened.engine_values,
            progress=progress,
            samples=samples,
            seed=seed,
        )
    return deliver(opened, problem, result, output)
