"""What a synthesis did: rows for the terminal, one JSON object, a provenance card, and a folder with pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nnctrl.io.files import json_bytes
from nnctrl.learning.method import CurvePoint
from nnctrl.learning.synthesis import Judged, SynthesisOutcome
from nnctrl.learning.task import Task
from nnctrl.plotting.comparison import comparison_png
from nnctrl.plotting.picture import png
from nnctrl.plotting.training_curve import training_png
from nnctrl.report.card import machine_data
from nnctrl.report.folder import PICTURE, drawn, report_page, scene_of, write_files
from nnctrl.report.toml import set_data, to_toml
from nnctrl.report.words import describe_problem, number_above, one_line
from nnctrl.verification.verdict import Result, json_numbers, loaded_versions

COMPARISON, TRAINING = "before-after.png", "training.png"

SYNTHESIS_FILES = (COMPARISON, TRAINING)
"""What a report of a synthesis has besides the files that every report has."""


def describe_task(task: Task) -> list[tuple[str, str]]:
    """Headings and sentences as for a problem, with what is wanted in place of a network."""
    layers = ", ".join(map(str, task.hidden))
    wanted = f"wanted: a network, by default with hidden layers of {layers} neurons ({task.activation.name})"
    rows = [(label, wanted if label == "controller" else text) for label, text in describe_problem(task.idle_problem)]
    return [*rows, ("expert", task.expert)] if task.expert else rows


def synthesis_rows(outcome: SynthesisOutcome) -> list[tuple[str, str]]:
    """Headings and sentences about the making of the network; what the verifier says of it comes after them."""
    attempt, before = outcome.attempt, outcome.before
    rows = [("method", f"{outcome.method}: {outcome.choice}")]
    chosen = {key: value for key, value in outcome.settings.values().items() if value is not None}
    rows.append(("keys", ", ".join(f"{key} {_plain(value)}" for key, value in chosen.items())))
    if outcome.task.expert:
        rows.append(("expert", outcome.task.expert))
    rows += [("", note) for note in attempt.notes]
    rows.append(("impossible" if attempt.impossible else "stopped", attempt.reason))
    if before is not None:
        first = "before sets were looked at" if before.network is attempt.before else "the imitation of the expert"
        rows.append(("before", f"{first}: {_verdict_words(before.result)}"))
    took = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in outcome.seconds.items())
    rows.append(("time", f"{took}; together {sum(outcome.seconds.values()):.1f} s"))
    if outcome.after is not None:
        digest = hashlib.sha256(outcome.onnx).hexdigest()
        rows.append(("made", f"{outcome.after.network.architecture()}, sha256 {digest}"))
    return rows


def outcome_sentence(outcome: SynthesisOutcome) -> str:
    """What there is to say instead of a verdict where no network was made."""
    if outcome.attempt.impossible:
        return f"IMPOSSIBLE. No controller does what is wanted: {outcome.attempt.reason}"
    return f"NO NETWORK. {outcome.attempt.reason}"


def synthesis_json(outcome: SynthesisOutcome) -> dict[str, Any]:
    """The object of the verifier's result with what was made, and how, under "synthesis"."""
    attempt, after, before = outcome.attempt, outcome.after, outcome.before
    nothing = {"problem": outcome.task.name, "verdict": None, "reason": None, "versions": loaded_versions()}
    made = {
        "method": outcome.method,
        "choice": outcome.choice,
        "settings": outcome.settings.values(),
        "expert": outcome.task.expert or None,
        "architecture": None if after is None else after.network.architecture(),
        "stopped": attempt.reason,
        "impossible": attempt.impossible,
        "notes": list(attempt.notes),
        "seconds": dict(outcome.seconds),
        "curve": [{name: json_numbers(value) for name, value in vars(point).items()} for point in attempt.curve],
        "before": None if before is None else _brief(before.result),
    }
    return {**(nothing if after is None else after.result.to_json()), "synthesis": made}


def synthesis_card(command: str, outcome: SynthesisOutcome, after: Judged, file: str) -> str:
    """TOML text about the network in the file called `file`: what made it, and what the verifier says of it."""
    task, attempt, result = outcome.task, outcome.attempt, after.result
    margins = {row.id: row.margin_certified for row in result.requirements}
    card: dict[str, Any] = {
        "file": file,
        "sha256": hashlib.sha256(outcome.onnx).hexdigest(),
        "network": after.network.architecture(),
        "synthesised_by": command,
        "task": task.name,
        "plant": task.plant.name,
        "horizon": task.horizon,
        "method": outcome.method,
        "stopped": attempt.reason,
        **({"expert": task.expert} if task.expert else {}),
        "initial_set": set_data(task.initial_set),
        "settings": {key: value for key, value in outcome.settings.values().items() if value is not None},
        "seconds": dict(outcome.seconds),
        "result": {
            "verdict": str(result.verdict),
            "reason": str(result.reason),
            "engine": result.engine,
            "arithmetic": result.arithmetic,
            "cpu_s": result.cpu_s,
            "margins_certified": margins,
        },
        **machine_data(),
    }
    return to_toml(card)


def write_synthesis(folder: Path, outcome: SynthesisOutcome) -> str | None:
    """Write report.md, result.json and the pictures; everything is made before the first file is written.

    Returns why a picture is missing, as a sentence, or None.
    """
    wanted: dict[str, Callable[[], bytes]] = {}
    after, before, curve = outcome.after, outcome.before, outcome.attempt.curve
    if after is not None:
        wanted[PICTURE] = lambda: png(scene_of(after.problem, after.result))
        if before is not None:
            wanted[COMPARISON] = lambda: comparison_png(
                scene_of(before.problem, before.result), scene_of(after.problem, after.result)
            )
    if curve:
        wanted[TRAINING] = lambda: training_png(curve)
    pictures, excuse = drawn(wanted)
    page = _page(outcome, set(pictures))
    files = {
        "report.md": page.encode(errors="backslashreplace"),
        "result.json": json_bytes(synthesis_json(outcome)),
    }
    write_files(folder, {**pictures, **files})
    return excuse


def _page(outcome: SynthesisOutcome, pictures: set[str]) -> str:
    """The verifier's page, if there is a result, and how the network was made."""
    after = outcome.after
    if after is None:
        lines = [f"# {outcome.task.name}", "", outcome_sentence(outcome), ""]
    else:
        lines = [report_page(after.problem, after.result, with_picture=PICTURE in pictures)]
    lines += ["## Synthesis", "", *(f"- {label}: {text}" if label else f"- {text}" for label, text in _rows(outcome))]
    for name, words in ((COMPARISON, "before and after"), (TRAINING, "training")):
        if name in pictures:
            lines += ["", f"![{words}]({name})"]
    if TRAINING in pictures:
        lines += ["", _curve_words(outcome.attempt.curve)]
    return "\n".join(lines) + "\n"


def _rows(outcome: SynthesisOutcome) -> list[tuple[str, str]]:
    return [(one_line(label), one_line(text)) for label, text in synthesis_rows(outcome)]


def _curve_words(curve: tuple[CurvePoint, ...]) -> str:
    last = curve[-1]
    return (
        f"Training ended after {last.seconds:.1f} s on {100.0 * last.size:.4g} % of the initial set, with a bound of "
        f"{number_above(last.violation)} on the violation there (all requirements hold where it is at most 0). It is "
        "not rounded outward; the verifier's margins are."
    )


def _verdict_words(result: Result) -> str:
    return "no verdict" if result.verdict is None or result.reason is None else f"{result.verdict} ({result.reason})"


def _brief(result: Result) -> dict[str, Any]:
    whole = result.to_json()
    return {name: whole[name] for name in ("verdict", "reason", "requirements", "engine", "cpu_s")}


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
