"""`nnctrl simulate`: trajectories from random initial states."""

from __future__ import annotations

import click

from nnctrl.cli.options import Output, output_options, sampling_options, source_options
from nnctrl.cli.status import ExitStatus
from nnctrl.io.problems import ProblemSource, open_problem

SAMPLES = 100


@click.command("simulate", short_help="Trajectories from random initial states.")
@source_options
@sampling_options(SAMPLES)
@output_options
def command(source: ProblemSource, samples: int, seed: int, output: Output) -> int:
    """Simulate PROBLEM from random initial states, under random disturbances, noise and parameters in their ranges.

    Prints the range of every signal; --json writes the trajectories and --report draws the first 1000 too.
    """
    opened = open_problem(source)

    from nnctrl.cli.console import stderr_line, stdout_console
    from nnctrl.files import write_atomically
    from nnctrl.io.files import json_bytes
    from nnctrl.report.samples import sample_trajectories, samples_json, signal_table
    from nnctrl.report.words import one_line

    problem = opened.build()
    found = sample_trajectories(problem, samples, seed)
    warning = None
    if output.json is not None:
        write_atomically(output.json, json_bytes(samples_json(problem, found, seed)))
    if output.report is not None:
        from nnctrl.report.folder import write_simulation

        warning = write_simulation(output.report, problem, found, seed)
    console = stdout_console()
    if not output.quiet:
        console.print(signal_table(problem, found))
    name = one_line(problem.name)
    console.print(f"{samples} trajectories of {name}, seed {seed}; samples prove nothing", soft_wrap=True)
    if warning is not None:
        stderr_line(f"warning: {warning}")
    return ExitStatus.DONE
