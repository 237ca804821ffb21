"""Results on the terminal: a table of requirements, the verdict in words, and what the run was and cost."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from nnctrl.reachability.flowpipe import Flowpipe
from nnctrl.report.words import (
    describe_enclosure,
    describe_network,
    describe_requirement,
    describe_time,
    describe_violation,
    number,
    number_above,
    number_below,
    one_line,
)
from nnctrl.verification.problem import Problem
from nnctrl.verification.settings import Key
from nnctrl.verification.verdict import Counterexample, Result, Verdict

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

STYLES = {Verdict.VERIFIED: "bold green", Verdict.FALSIFIED: "bold red", Verdict.UNKNOWN: "bold yellow"}

LABEL_WIDTH = 11


def print_result(console: Console, problem: Problem, result: Result) -> None:
    """Everything about a run, the verdict last but for the facts about the run itself."""
    if result.requirements:
        console.print(_requirement_table(problem, result))
    if result.counterexample is not None:
        print_rows(console, counterexample_rows(problem, result.counterexample, result.verdict is Verdict.FALSIFIED))
    print_verdict(console, result)
    if result.flowpipe is not None and result.flowpipe.steps:
        print_rows(console, [enclosure_row(problem, result.flowpipe)])
    print_rows(console, run_rows(problem, result))


def print_verdict(console: Console, result: Result) -> None:
    """The verdict with its reason and what to do next, on one line."""
    from rich.text import Text

    line = Text()
    if result.verdict is not None:
        line.append(result.verdict.value, style=STYLES[result.verdict])
        line.append(". ")
    if result.reason is None:
        line.append("The enclosure is complete up to the horizon and as accurate as asked.")
    else:
        line.append(result.reason.sentence)
    if result.reason is not None and result.verdict is not Verdict.VERIFIED:
        line.append(f" {result.reason.remedy}")
    console.print(line, soft_wrap=True)


def print_rows(console: Console, rows: Iterable[tuple[str, str]]) -> None:
    """Label and text, the labels aligned; long texts stay on one line for those who read them by program."""
    shown = [(one_line(label), one_line(text)) for label, text in rows]
    width = max([LABEL_WIDTH, *(len(label) for label, _ in shown)])
    for label, text in shown:
        console.print(f"{label:{width}}  {text}".rstrip(), soft_wrap=True)


def key_table(keys: Iterable[Key], owner: str) -> Table:
    """The keys that --set takes."""
    from rich.table import Table

    table = Table(
        "key", "takes", "default", "meaning", title=f"keys of the {owner} (--set key=value)", title_justify="left"
    )
    for key in keys:
        table.add_row(key.name, key.type_words, _plain(key.default), key.help)
    return table


def counterexample_rows(problem: Problem, point: Counterexample, proved: bool) -> list[tuple[str, str]]:
    """Where the trajectory starts, when and what it violates, and by how much."""
    plant = problem.closed_loop.plant
    start = ", ".join(f"{name} = {value!r}" for name, value in zip(plant.states, point.x0.tolist(), strict=True))
    when = f"step {number(point.t[-1])}" if problem.is_discrete else f"{number(point.t[-1])} s"
    size = describe_violation(problem, point, proved)
    rows = [("starts at" if proved else "candidate", start), ("violates", f"{point.requirement} at {when}, {size}")]
    if point.w.size:
        rows.append(("under", f"{', '.join(point.w_names)}, which change with time (see --json)"))
    return rows


def enclosure_row(problem: Problem, flowpipe: Flowpipe) -> tuple[str, str]:
    """Where all trajectories are at the end of the flowpipe."""
    box, time = flowpipe.bounding_box(-1), number(flowpipe.steps[-1].time[1])
    when = f"at step {time}" if problem.is_discrete else f"at {time} s"
    return ("enclosure", f"{when}: {describe_enclosure(box.lower, box.upper, flowpipe.names)}")


def run_rows(problem: Problem, result: Result) -> list[tuple[str, str]]:
    """Engine and its choices, network, meaning of time, cost and work."""
    rows = [("engine", result.engine)]
    rows += [("", note) for note in result.notes]
    if result.settings:
        # what is None was not asked for: the JSON has it all the same
        chosen = {key: value for key, value in result.settings.items() if value is not None}
        rows.append(("settings", ", ".join(f"{key} {_plain(value)}" for key, value in chosen.items())))
    rows.append(("arithmetic", result.arithmetic))
    rows.append(("network", describe_network(problem)))
    rows.append(("time", describe_time(problem)))
    peak = f"peak memory {result.peak_bytes / 1e6:.0f} MB"
    rows.append(("cost", f"wall {result.wall_s:.2f} s, CPU {result.cpu_s:.2f} s, {peak}"))
    done = result.statistics
    counts = {name: value for name, value in dataclasses.asdict(done).items() if name != "gap"}
    gap = f", gap {number_above(done.gap)}" if math.isfinite(done.gap) else ""
    rows.append(("work", ", ".join(f"{name} {count}" for name, count in counts.items()) + gap))
    return rows


def _plain(value: object) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _requirement_table(problem: Problem, result: Result) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table("requirement", "verdict")
    table.add_column("certified margin >=", justify="right")
    table.add_column("sampled margin <=", justify="right")
    demands = dict(problem.requirements())
    for row in result.requirements:
        what = Text(row.id, style="bold").append(f": {describe_requirement(demands[row.id], problem)}", style="")
        verdict = Text(row.verdict.value, style=STYLES[row.verdict])
        table.add_row(what, verdict, number_below(row.margin_certified), number_above(row.margin_sampled))
    return table
