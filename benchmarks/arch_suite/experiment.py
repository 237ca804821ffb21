"""One instance as an experiment: verify it as it is, and say how that compares with what is expected."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np

from benchmarks.arch_suite.instances import Instance
from nnctrl import registry
from nnctrl.files import is_file
from nnctrl.plotting.picture import png
from nnctrl.plotting.scene import Scene, Tracks
from nnctrl.report.samples import sample_trajectories, signals_of
from nnctrl.report.words import number_above, number_below
from nnctrl.suite import AbstractExperiment, Conditions, Drawing, Expectation, Findings, Row
from nnctrl.verification.decide import verify
from nnctrl.verification.problem import Problem, ProblemDefinition
from nnctrl.verification.verdict import RequirementResult, Result, Verdict

TRAJECTORIES = 40
"""Sampled ones in a picture."""

NOT_MEASURED = "not measured: {} missing"


class InstanceExperiment(AbstractExperiment):
    """Verifies `instance` with no option given.

    The first four columns of its row are those of the competition's result files; `time` is in seconds on the clock.
    An undecided instance is a missed goal; only the opposite of the expected verdict, or a certified margin above a
    sampled one, contradicts.
    """

    instance: ClassVar[Instance]

    @classmethod
    def missing(cls, models: Path | None) -> str | None:
        """The network file that the folder lacks; None if the problem can be built from what is there."""
        definition = cls._definition()
        parts = definition.network_parts
        choices = [[f"{name}/{part}" for part in parts] or [name] for name in definition.network_files]
        gaps = [[name for name in files if models is None or not is_file(models / name)] for files in choices]
        return gaps[0][0] if gaps and all(gaps) else None

    @classmethod
    def _definition(cls) -> type[ProblemDefinition]:
        found: type[ProblemDefinition] = registry.load("problems", cls.instance.problem)
        return found

    def run(self, conditions: Conditions) -> Findings:
        """See `AbstractExperiment.run`: an instance whose network is not there costs nothing and claims nothing."""
        absent = self.missing(conditions.models)
        if absent is not None:
            return Findings((_row(self.instance, NOT_MEASURED.format(absent)),))
        problem = self._definition()().with_models(conditions.models).build()
        result = verify(problem, progress=conditions.progress)
        drawing = Drawing(self.instance.id, _caption(problem, result), _picture(problem, result))
        return Findings(
            (_row(self.instance, _word(result.verdict), result),),
            (drawing,),
            expectations(self.instance, result),
            tuple(_notes(result)),
        )


def experiment_of(instance: Instance) -> InstanceExperiment:
    """The experiment that verifies `instance`."""

    class Verified(InstanceExperiment):
        """See `InstanceExperiment`."""

    Verified.id, Verified.instance = instance.id, instance
    Verified.title = f"{instance.benchmark}, {instance.name}"
    return Verified()


def expectations(instance: Instance, result: Result) -> tuple[Expectation, ...]:
    """What must hold of a result, and what it should be."""
    expected, verdict = instance.expected, result.verdict
    opposite = {Verdict.VERIFIED: Verdict.FALSIFIED, Verdict.FALSIFIED: Verdict.VERIFIED}[expected]
    return (
        Expectation(f"{instance.id} is {_word(expected)}", verdict is expected, binding=False),
        Expectation(f"{instance.id} is not {_word(opposite)}", verdict is not opposite),
        Expectation(
            f"no certified margin of {instance.id} is above a sampled one",
            not any(row.margin_certified > row.margin_sampled for row in result.requirements),
        ),
    )


def _row(instance: Instance, outcome: str, result: Result | None = None) -> Row:
    row: Row = {
        "benchmark": instance.benchmark,
        "instance": instance.name,
        "result": outcome,
        "time": None if result is None else result.wall_s,
        "expected": _word(instance.expected),
    }
    if result is None:
        return row
    return row | {
        "cpu_s": result.cpu_s,
        "parts": result.statistics.parts,
        "segments": result.statistics.steps,
        # as texts: a table would round them to the nearest number, which may claim too much
        "certified_margin": number_below(_least([row.margin_certified for row in result.requirements])),
        "sampled_margin": number_above(_least([row.margin_sampled for row in result.requirements])),
        "peak_mb": result.peak_bytes / 1e6,
    }


def _least(margins: list[float]) -> float:
    """The least; nan if one is not known."""
    return float(np.min(margins))


def _word(verdict: Verdict | None) -> str:
    """The competition's word for a verdict."""
    return (verdict or Verdict.UNKNOWN).value.lower()


def _notes(result: Result) -> list[str]:
    """The margins one by one where there are several, what a counterexample violates, and why nothing was decided."""
    known = [row for row in result.requirements if math.isfinite(row.margin_certified)]
    notes = [_margins(row) for row in known] if len(result.requirements) > 1 else []
    point = result.counterexample
    if point is not None and result.verdict is Verdict.FALSIFIED:
        unit = "s" if result.time_unit == "s" else "steps"
        notes.append(f"'{point.requirement}' is violated by {point.violation:.3g} within {point.t[-1]:g} {unit}")
    if result.verdict is Verdict.UNKNOWN and result.reason is not None:
        notes.append(result.reason.sentence)
    return [*notes, *result.notes]


def _margins(row: RequirementResult) -> str:
    bounds = f"certified margin {number_below(row.margin_certified)}, sampled {number_above(row.margin_sampled)}"
    return f"'{row.id}': {bounds}"


def _caption(problem: Problem, result: Result) -> str:
    kept = "" if result.flowpipe is None else "what was kept of the enclosure and "
    return f"{problem.name}, {_word(result.verdict)}: {kept}{TRAJECTORIES} sampled trajectories."


def _picture(problem: Problem, result: Result) -> Callable[[], bytes]:
    def draw() -> bytes:
        samples = sample_trajectories(problem, TRAJECTORIES, 0)
        tracks = Tracks(samples.t, signals_of(problem, samples))
        return png(Scene(problem, result.verdict, result.flowpipe, tracks, result.counterexample))

    return draw
