"""`nnctrl list`: what is registered."""

from __future__ import annotations

import click

from nnctrl import registry
from nnctrl.registry import Kind, parse_kind


@click.command("list", short_help="Ids that are registered, and where each comes from.")
@click.argument("kind", required=False, metavar="[" + "|".join(kind.value for kind in Kind) + "]")
def command(kind: str | None) -> int:
    """List the ids of plants, controllers, experts, problems, engines, bounds and suites, and where each comes from."""
    kinds = [parse_kind(kind)] if kind is not None else list(Kind)
    for index, which in enumerate(kinds):
        entries = registry.entries(which)
        if kind is None:
            click.echo(("\n" if index else "") + f"{which.value}:")
        indent = "  " if kind is None else ""
        width = max((len(entry.id) for entry in entries), default=0)
        for entry in entries:
            package = f" ({entry.package})" if entry.package else ""
            click.echo(f"{indent}{entry.id:{width}}  {entry.source}{package}")
        if not entries:
            click.echo(f"{indent}none")
    return 0
