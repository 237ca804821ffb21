"""`nnctrl show`: a problem in words and numbers, and the keys that --set takes."""

from __future__ import annotations

import click

from nnctrl.cli.options import source_options
from nnctrl.cli.status import ExitStatus
from nnctrl.io.problems import AUTO, ProblemSource, keys_of_engine, open_problem


@click.command("show", short_help="A problem in words and numbers, and its keys.")
@source_options
@click.option("--toml", is_flag=True, help="Print plain TOML instead.")
def command(source: ProblemSource, toml: bool) -> int:
    """Show PROBLEM in words and numbers, and the keys that --set takes."""
    opened = open_problem(source)

    from nnctrl.cli.console import stdout_console
    from nnctrl.cli.train import keys_of_recipe
    from nnctrl.learning.methods import AUTO as AUTO_METHOD
    from nnctrl.learning.methods import keys_of_method
    from nnctrl.learning.task import TaskDefinition
    from nnctrl.report.synthesis import describe_task
    from nnctrl.report.tables import key_table, print_rows
    from nnctrl.report.toml import problem_data, to_toml
    from nnctrl.report.words import describe_problem

    definition = opened.definition
    console = stdout_console()
    if toml:
        problem = opened.build()
        own = {} if definition is None else definition.values()
        click.echo(to_toml(problem_data(problem, {**own, **problem.settings, **opened.engine_values})), nl=False)
        return ExitStatus.DONE
    # the keys come first: they say how to give what a problem without its network lacks
    if definition is not None and definition.declared_keys():
        console.print(key_table(definition.declared_keys(), "problem"))
    console.print(key_table(keys_of_engine(AUTO), "engines"))
    wanted = isinstance(definition, TaskDefinition) and definition.network is None
    if wanted:
        console.print(key_table(keys_of_method(AUTO_METHOD), "synthesis by nnctrl synthesize"))
    if definition is not None and definition.expert:
        console.print(key_table(keys_of_recipe(definition.expert), "training by nnctrl train"))
    print_rows(console, describe_task(opened.task()) if wanted else describe_problem(opened.build()))
    return ExitStatus.DONE
