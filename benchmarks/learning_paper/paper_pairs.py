"""The paper's two experiments: pairs of ellipses that no affine map satisfies, and what each method makes of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from benchmarks.learning_paper.data import SAMPLES, THREE_PAIRS, TWO_PAIRS, Experiment
from benchmarks.learning_paper.methods import (
    AFFINE,
    JOINT,
    LAST_LAYER,
    LOCAL,
    PASSING,
    TRAINING,
    Method,
    Result,
    measure,
)
from nnctrl.networks.network import Network
from nnctrl.plotting.chart import Chart, Outline, charts_png
from nnctrl.plotting.shapes import projection_polygon
from nnctrl.sets.ellipsoid import Ellipsoid
from nnctrl.suite import AbstractExperiment, Conditions, Drawing, Expectation, Findings, Row
from nnctrl.threads import single_threaded

METHODS = (AFFINE, JOINT, LOCAL, PASSING, LAST_LAYER, TRAINING)

HEADLINE = LOCAL
"""The row of the paper's own claim: a network without feedthrough, certified."""

SAME = 1e-3
"""Relative difference up to which two least violations count as one."""

NOTES = (
    "with one sector for all pairs LMI (32) can be met if and only if an affine map meets the pairs, for x~ = 0 is "
    "always in the sector; a network that does more needs sectors of its own for every pair (docs/learning.md)",
    "positive violations are the least t for which |C y + d|^2 <= 1 + t is feasible; margins m prove <= 1 - m",
)


@dataclass(frozen=True)
class PaperPairs(AbstractExperiment):
    """All methods on one experiment of the paper; those about tanh networks with the experiment's number of neurons."""

    methods: tuple[Method, ...] = METHODS

    @property
    @abstractmethod
    def experiment(self) -> Experiment:
        """Which one."""

    @single_threaded()
    def run(self, conditions: Conditions) -> Findings:
        """See `AbstractExperiment.run`."""
        experiment = self.experiment
        rows: list[Row] = []
        found: dict[str, Result] = {}
        for method in self.methods:
            conditions.progress.update(f"{experiment.name}: {method.label}")
            result = measure(method, experiment.pairs, (experiment.neurons,))
            found[method.label] = result
            rows.append({"method": method.label, **result.row()})
        network = found[HEADLINE.label].network
        drawings = () if network is None else (self._drawing(network),)
        return Findings(tuple(rows), drawings, self._expectations(found), NOTES)

    def _expectations(self, found: Mapping[str, Result]) -> tuple[Expectation, ...]:
        affine, joint = found[AFFINE.label], found[JOINT.label]
        impossible = all((result.violation or 0.0) > 0.0 for result in (affine, joint))
        near = impossible and np.isclose(affine.violation or 0.0, joint.violation or 0.0, rtol=SAME)
        expected = [
            Expectation(
                "no affine map satisfies the pairs: the program without hidden neurons is infeasible",
                affine.network is None and (affine.violation or 0.0) > 0.0,
            ),
            Expectation("LMI (32) with one sector for all is as infeasible, with the same least violation", bool(near)),
            Expectation(
                "no certificate is refuted by branch and bound",
                not any(result.is_contradicted for result in found.values()),
            ),
        ]
        for label in (HEADLINE.label, PASSING.label):
            both = found[label].is_certified and found[label].is_checked
            expected.append(Expectation(f"{label}: certified, and proved again by branch and bound", both))
        for label in (LAST_LAYER.label, TRAINING.label):
            if label in found:
                expected.append(Expectation(f"{label}: proved", found[label].is_proved, binding=False))
        return tuple(expected)

    def _drawing(self, network: Network) -> Drawing:
        experiment = self.experiment
        rng = np.random.default_rng(0)
        samples = [pair.inputs.source.sample(rng, SAMPLES) for pair in experiment.pairs]
        inputs = _outlines([axes.ellipsoid for axes in experiment.inputs], "input")
        outputs = _outlines([axes.ellipsoid for axes in experiment.outputs], "output")
        points = np.concatenate(samples)
        charts = [
            Chart("input sets", "x1", "x2", outlines=inputs, points=points),
            Chart("output sets and images", "y1", "y2", outlines=outputs, points=network(points)),
        ]
        caption = f"{experiment.name}: the sets, {SAMPLES} samples of every input set, and their images."
        return Drawing(self.id, caption, lambda: charts_png(charts))


def _outlines(sets: Sequence[Ellipsoid], kind: str) -> list[Outline]:
    found = []
    for number, one in enumerate(sets, start=1):
        polygon = projection_polygon(one, 0, 1)
        if polygon is not None:
            found.append(Outline(f"{kind} {number}", polygon))
    return found


@dataclass(frozen=True)
class TwoPairs(PaperPairs):
    """Two pairs of equal ellipses, 10 neurons."""

    id: ClassVar[str] = "two-pairs"
    title: ClassVar[str] = "two pairs of equal ellipsoids, 10 neurons (figure 2)"

    @property
    def experiment(self) -> Experiment:
        """See `PaperPairs.experiment`."""
        return TWO_PAIRS


@dataclass(frozen=True)
class ThreePairs(PaperPairs):
    """Three pairs of ellipses of differing size, 5 neurons."""

    id: ClassVar[str] = "three-pairs"
    title: ClassVar[str] = "three pairs of ellipsoids of differing size, 5 neurons (figure 3)"

    @property
    def experiment(self) -> Experiment:
        """See `PaperPairs.experiment`."""
        return THREE_PAIRS
