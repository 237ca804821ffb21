"""What a suite found, as tables on the terminal, CSV, JSON and a page in Markdown."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nnctrl.report.words import one_line
from nnctrl.suite import AbstractExperiment, AbstractSuite, Findings, Row, Value
from nnctrl.verification.verdict import loaded_versions

if TYPE_CHECKING:
    from rich.console import Console

SPREAD = "_std"
"""Ends the column with the standard deviation of the one before it; in tables both share a cell."""

DIGITS = 4
"""Significant ones in tables; CSV and JSON have them all."""

WIDEST = 400
"""Columns that a table may take where no window limits it."""

EXPERIMENT = "experiment"
"""The first column of the CSV file."""


@dataclass(frozen=True)
class Finished:
    """An experiment that was run, what it found, and how long it took."""

    experiment: AbstractExperiment
    findings: Findings
    wall_s: float


def columns_of(rows: Iterable[Row]) -> list[str]:
    """All columns in the order in which they first appear."""
    return list(dict.fromkeys(name for row in rows for name in row))


def shown(value: Value) -> str:
    """A value in a table; nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        plain = 10.0 ** (DIGITS - 1) <= abs(value) < 1e7
        return f"{value:.0f}" if plain else f"{value:.{DIGITS}g}"
    return one_line(str(value))


def table_of(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Columns and cells as people read them: means with their deviations, and no column that is empty throughout."""
    known = [name for name in columns_of(rows) if any(row.get(name) is not None for row in rows)]
    spreads = {name for name in known if name.endswith(SPREAD) and name.removesuffix(SPREAD) in known}
    columns = [name for name in known if name not in spreads]

    def cell(row: Row, name: str) -> str:
        spread = row.get(name + SPREAD)
        return shown(row.get(name)) + ("" if not spread else f" ± {shown(spread)}")

    return columns, [[cell(row, name) for name in columns] for row in rows]


def outcome_lines(findings: Findings) -> list[str]:
    """Notes, then every expectation with how it came out."""
    words = {(True, True): "holds", (True, False): "DOES NOT HOLD", (False, True): "met", (False, False): "missed"}
    lines = [one_line(note) for note in findings.notes]
    for item in findings.expectations:
        kind = "expected" if item.binding else "goal"
        lines.append(f"{kind}: {one_line(item.sentence)}: {words[item.binding, item.holds]}")
    return lines


def print_findings(console: Console, finished: Finished) -> None:
    """One experiment: a table as wide as it needs to be, and what to say about it."""
    from rich.table import Table

    rows, experiment = finished.findings.rows, finished.experiment
    columns, cells = table_of(rows)
    table = Table(title=f"{experiment.id}: {experiment.title}", title_justify="left")
    for name in columns:
        numeric = all(isinstance(row.get(name), int | float | None) for row in rows)
        # long names break at their spaces
        table.add_column(name.replace("_", " "), justify="right" if numeric else "left", overflow="fold")
    for line in cells:
        table.add_row(*line)
    if not console.is_terminal:
        # nobody's window is too narrow for a file
        console.width = max(
            console.width, console.measure(table, options=console.options.update(max_width=WIDEST)).maximum
        )
    console.print(table)
    for text in outcome_lines(finished.findings):
        console.print(text, soft_wrap=True)


def csv_bytes(suite: AbstractSuite, done: Sequence[Finished]) -> bytes:
    """All rows in one table, the id of the experiment first unless the suite has columns of its own; what an
    experiment does not have is empty.
    """
    rows: list[Row] = [{EXPERIMENT: item.experiment.id, **row} for item in done for row in item.findings.rows]
    stream = io.StringIO(newline="")
    columns = suite.csv_columns or columns_of(rows) or [EXPERIMENT]
    writer = csv.DictWriter(stream, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode(errors="backslashreplace")


def suite_json(suite: AbstractSuite, done: Sequence[Finished], seeds: int) -> dict[str, Any]:
    """The whole run as one object."""
    experiments = [
        {
            "id": item.experiment.id,
            "title": item.experiment.title,
            "wall_s": item.wall_s,
            "rows": [{name: _plain(value) for name, value in row.items()} for row in item.findings.rows],
            "expectations": [
                {"sentence": e.sentence, "holds": e.holds, "binding": e.binding} for e in item.findings.expectations
            ],
            "notes": list(item.findings.notes),
            "contradictions": item.findings.contradictions(),
        }
        for item in done
    ]
    return {"suite": suite.id, "seeds": seeds, "experiments": experiments, "versions": loaded_versions()}


def suite_page(suite: AbstractSuite, done: Sequence[Finished], pictures: set[str]) -> str:
    """The page in Markdown; `pictures` are the names of those that were drawn."""
    lines = [f"# {suite.title}", ""]
    for item in done:
        columns, cells = table_of(item.findings.rows)
        lines += [f"## {item.experiment.id}: {item.experiment.title}", ""]
        lines += [_line(columns), "|" + "---|" * len(columns)]
        lines += map(_line, cells)
        lines += ["", *(f"- {line}" for line in outcome_lines(item.findings)), f"- run in {item.wall_s:.1f} s", ""]
        for drawing in item.findings.drawings:
            if drawing.name in pictures:
                lines += [f"![{drawing.caption}]({drawing.name}.png)", "", drawing.caption, ""]
    return "\n".join(map(one_line, lines)) + "\n"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _plain(value: Value) -> Value:
    """JSON has neither infinity nor nan."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
