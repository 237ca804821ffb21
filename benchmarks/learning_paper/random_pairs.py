"""Random specifications of 2, 3, 4 and 6 pairs: how often each method succeeds, and in what time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from benchmarks.learning_paper.draws import COUNTS, NEURONS, Draw
from benchmarks.learning_paper.methods import (
    AFFINE,
    JOINT,
    LAST_LAYER_RELU,
    LOCAL,
    LOCAL_RELU,
    TRAINING_RELU,
    Method,
    Result,
    measure,
)
from nnctrl.plotting.chart import Chart, Curve, charts_png
from nnctrl.suite import AbstractExperiment, Conditions, Drawing, Expectation, Findings, Row
from nnctrl.threads import single_threaded

METHODS = (AFFINE, JOINT, LOCAL, LOCAL_RELU, LAST_LAYER_RELU, TRAINING_RELU)

GOAL = 0.95
"""Share of draws of every kind that the best method should prove,"""

MOST_SECONDS = 60.0
"""in at most so much CPU time for each."""

NOTES = (
    "every draw is kept; a draw that a method calls infeasible counts against it, although disjoint inputs make every "
    "draw feasible for some network",
    "proved: by the certificate of the matrix inequality or by branch and bound; both are tried but for certified "
    "training, whose networks branch and bound alone decides",
    "--seeds is the number of draws for every number of pairs; 100 take an hour or two",
)


@dataclass(frozen=True)
class RandomPairs(AbstractExperiment):
    """`counts` pairs each, 32 hidden neurons, as many draws as there are seeds."""

    counts: tuple[int, ...] = COUNTS
    methods: tuple[Method, ...] = METHODS

    id: ClassVar[str] = "random-pairs"
    title: ClassVar[str] = "random specifications of several pairs: success by method"

    @single_threaded()
    def run(self, conditions: Conditions) -> Findings:
        """See `AbstractExperiment.run`."""
        rows: list[Row] = []
        best: dict[int, float] = {}
        contradicted, slowest = 0, 0.0
        rates: dict[str, list[float]] = {method.label: [] for method in self.methods}
        solved: dict[str, list[bool]] = {method.label: [] for method in self.methods}
        for count in self.counts:
            draws = [Draw.of(count, seed) for seed in range(conditions.seeds)]
            for method in self.methods:
                found = []
                for seed, draw in enumerate(draws):
                    conditions.progress.update(f"{count} pairs, {method.label}, draw {seed}")
                    found.append(measure(method, draw.pairs, (NEURONS,), certify=method is not TRAINING_RELU))
                rows.append(_row(count, method, found))
                contradicted += sum(result.is_contradicted for result in found)
                rate = sum(result.is_proved for result in found) / len(found)
                rates[method.label].append(rate)
                solved[method.label] += [result.is_proved for result in found]
                if rate > best.get(count, -1.0):
                    best[count] = rate
                if method is self.methods[-1]:
                    slowest = max(slowest, *(_seconds(result) for result in found))
        least = min(best.values())
        expectations = [
            Expectation("no certificate is refuted by branch and bound", contradicted == 0),
            Expectation(
                f"the best method proves at least {GOAL:.0%} of the draws of every number of pairs ({least:.0%})",
                least >= GOAL,
                binding=False,
            ),
            Expectation(
                f"{self.methods[-1].label} takes at most {MOST_SECONDS:g} CPU s a draw ({slowest:.1f})",
                slowest <= MOST_SECONDS,
                binding=False,
            ),
        ]
        if AFFINE in self.methods and JOINT in self.methods:
            same = solved[AFFINE.label] == solved[JOINT.label]
            expectations.append(
                Expectation("LMI (32) succeeds on exactly the draws that an affine map satisfies", same)
            )
        drawing = Drawing(
            "random-pairs", "Share of draws proved, by number of pairs.", lambda: charts_png([self._chart(rates)])
        )
        return Findings(tuple(rows), (drawing,), tuple(expectations), NOTES)

    def _chart(self, rates: dict[str, list[float]]) -> Chart:
        x = np.array(self.counts, dtype=np.float64)
        curves = [Curve(label, x, np.array(values)) for label, values in rates.items()]
        return Chart("32 hidden neurons", "pairs", "share of draws proved", curves)


def _row(count: int, method: Method, found: Sequence[Result]) -> Row:
    times = [_seconds(result) for result in found]
    return {
        "pairs": count,
        "method": method.label,
        "draws": len(found),
        "proved": sum(result.is_proved for result in found),
        "by_sdp": sum(result.is_certified for result in found),
        "by_branch_and_bound": sum(result.is_checked for result in found),
        "called_infeasible": sum(result.said == "infeasible" for result in found),
        "mean_cpu_s": float(np.mean(times)),
        "median_cpu_s": float(np.median(times)),
        "max_cpu_s": max(times),
    }


def _seconds(result: Result) -> float:
    """CPU time of making and proving."""
    return result.made_s + result.certified_s + result.checked_s
