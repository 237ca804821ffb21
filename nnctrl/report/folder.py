"""The folder that --report writes: the result, a picture, and a page that explains both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from nnctrl.errors import describe_error
from nnctrl.files import path_faults_named, write_atomically
from nnctrl.io.files import json_bytes
from nnctrl.plotting.picture import png
from nnctrl.plotting.scene import Scene, Tracks
from nnctrl.report.samples import Samples, sample_trajectories, samples_json, signals_of
from nnctrl.report.tables import counterexample_rows, run_rows
from nnctrl.report.words import describe_problem, describe_requirement, number_above, number_below, one_line
from nnctrl.verification.problem import Problem
from nnctrl.verification.verdict import Result, Verdict

SAMPLES = 40
SEED = 0

MOST_DRAWN = 1000
"""Trajectories in a picture: more of them only hide one another, and a million take hours to draw."""

PICTURE = "picture.png"


def write_report(folder: Path, problem: Problem, result: Result) -> str | None:
    """Write result.json, picture.png and report.md; everything is made before the first file is written.

    Returns why there is no picture, as a sentence, or None.
    """
    pictures, excuse = drawn({PICTURE: lambda: png(scene_of(problem, result))})
    page = report_page(problem, result, with_picture=excuse is None)
    files = {"report.md": page.encode(errors="backslashreplace"), "result.json": json_bytes(result.to_json())}
    write_files(folder, {**pictures, **files})
    return excuse


def write_simulation(folder: Path, problem: Problem, samples: Samples, seed: int) -> str | None:
    """Write trajectories.json, and picture.png of the first `MOST_DRAWN`; returns why there is no picture, or None."""

    def scene() -> Scene:
        shown = {name: values[:MOST_DRAWN] for name, values in signals_of(problem, samples).items()}
        return Scene(problem, samples=Tracks(samples.t, shown))

    pictures, excuse = drawn({PICTURE: lambda: png(scene())})
    write_files(folder, {**pictures, "trajectories.json": json_bytes(samples_json(problem, samples, seed))})
    return excuse


def scene_of(problem: Problem, result: Result) -> Scene:
    """What the picture of a result shows: its flowpipe and counterexample among sampled trajectories."""
    samples = sample_trajectories(problem, SAMPLES, SEED)
    tracks = Tracks(samples.t, signals_of(problem, samples))
    return Scene(problem, result.verdict, result.flowpipe, tracks, result.counterexample)


def drawn(pictures: Mapping[str, Callable[[], bytes]]) -> tuple[dict[str, bytes], str | None]:
    """The pictures as files by name, without those that cannot be drawn, and a sentence that says why, or None."""
    files, excuse = {}, None
    for name, draw in pictures.items():
        try:
            files[name] = draw()
        except Exception as error:  # noqa: BLE001  a fault of a picture must not cost a verdict that took hours
            excuse = f"no picture was drawn ({describe_error(error)}); the result does not depend on it."
    return files, excuse


def write_files(folder: Path, files: dict[str, bytes]) -> None:
    """Write several files into a folder, made if need be."""
    with path_faults_named(folder, "made"):
        folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_atomically(folder / name, content)


def report_page(problem: Problem, result: Result, with_picture: bool = True) -> str:
    """The page in Markdown."""
    reason = result.reason
    outcome = "Enclosure" if result.verdict is None else result.verdict.value
    lines = [f"# {problem.name}: {outcome}", ""]
    if reason is not None:
        lines += [reason.sentence if result.verdict is Verdict.VERIFIED else f"{reason.sentence} {reason.remedy}", ""]
    if with_picture:
        lines += [f"![{problem.name}]({PICTURE})", ""]
    if result.requirements:
        demands = {name: describe_requirement(item, problem) for name, item in problem.requirements()}
        lines += ["| requirement | demands | verdict | certified margin | sampled margin |", "|---|---|---|---|---|"]
        for row in result.requirements:
            margins = (number_below(row.margin_certified), number_above(row.margin_sampled))
            cells = [row.id, demands[row.id], row.verdict.value, *margins]
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        lines += [
            "",
            "The true margin lies between the certified and the sampled one; a positive margin means satisfied.",
            "",
        ]
    if result.counterexample is not None:
        heading = "Counterexample" if result.verdict is Verdict.FALSIFIED else "Candidate counterexample (not proved)"
        lines += [f"## {heading}", ""]
        lines += _list(counterexample_rows(problem, result.counterexample, result.verdict is Verdict.FALSIFIED))
    lines += ["## Problem", "", *_list(describe_problem(problem)), "## Run", "", *_list(run_rows(problem, result))]
    return "\n".join(map(one_line, lines))


def _list(rows: list[tuple[str, str]]) -> list[str]:
    return [*(f"- {label.strip()}: {text}" if label.strip() else f"- {text}" for label, text in rows), ""]
