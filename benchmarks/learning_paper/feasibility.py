"""How often a network is found and proved, against its width and its depth (the paper's closing observation)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from benchmarks.learning_paper.draws import Draw
from benchmarks.learning_paper.methods import LAST_LAYER_RELU, LOCAL_RELU, SHORT_TRAINING_RELU, Method, measure
from nnctrl.plotting.chart import Chart, Curve, charts_png
from nnctrl.suite import AbstractExperiment, Conditions, Drawing, Expectation, Findings, Row
from nnctrl.threads import single_threaded

WIDTHS = (2, 5, 10, 20, 32)

DEPTHS = (1, 2, 3)

NEURONS = 10
"""In every hidden layer, where the depth varies."""

PAIRS = 4

NOTE = f"draws of {PAIRS} pairs, the same for all sizes; what is not found in the time given counts as a failure"


@dataclass(frozen=True)
class Feasibility(AbstractExperiment):
    """Share of the draws 0 to `draws` - 1 for which a method finds a network of a certain size that is proved."""

    draws: int = 8

    @property
    @abstractmethod
    def sizes(self) -> Sequence[tuple[int, tuple[int, ...]]]:
        """What varies, and the sizes of the hidden layers that go with it."""

    @property
    @abstractmethod
    def varied(self) -> str:
        """Its name."""

    @property
    @abstractmethod
    def methods(self) -> tuple[Method, ...]:
        """Those that can make such networks."""

    @single_threaded()
    def run(self, conditions: Conditions) -> Findings:
        """See `AbstractExperiment.run`."""
        rows: list[Row] = []
        contradicted = 0
        rates: dict[str, list[float]] = {method.label: [] for method in self.methods}
        for value, hidden in self.sizes:
            for method in self.methods:
                found = []
                for seed in range(self.draws):
                    conditions.progress.update(f"{self.varied} {value}, {method.label}, draw {seed}")
                    found.append(measure(method, Draw.of(PAIRS, seed).pairs, hidden, certify=False))
                contradicted += sum(result.is_contradicted for result in found)
                proved = sum(result.is_proved for result in found)
                rates[method.label].append(proved / self.draws)
                seconds = float(np.mean([result.made_s + result.checked_s for result in found]))
                row: Row = {self.varied: value, "hidden": "-".join(map(str, hidden)), "method": method.label}
                rows.append({**row, "draws": self.draws, "proved": proved, "mean_cpu_s": seconds})
        best = [max(column) for column in zip(*rates.values(), strict=True)]
        expectations = (
            Expectation("no certificate is refuted by branch and bound", contradicted == 0),
            Expectation(
                f"the best method proves no fewer draws with the greatest {self.varied} ({best[-1]:.0%}) than with the "
                f"least ({best[0]:.0%})",
                best[-1] >= best[0],
                binding=False,
            ),
        )
        x = np.array([value for value, _ in self.sizes], dtype=np.float64)
        chart = Chart(
            f"{PAIRS} pairs, {self.draws} draws",
            self.varied,
            "share of draws proved",
            [Curve(label, x, np.array(values)) for label, values in rates.items()],
        )
        drawing = Drawing(self.id, f"Feasibility rate by {self.varied}.", lambda: charts_png([chart]))
        return Findings(tuple(rows), (drawing,), expectations, (NOTE,))


@dataclass(frozen=True)
class ByWidth(Feasibility):
    """One hidden layer of `widths` neurons."""

    widths: tuple[int, ...] = WIDTHS

    id: ClassVar[str] = "width"
    title: ClassVar[str] = "feasibility rate against the number of hidden neurons"

    @property
    def sizes(self) -> Sequence[tuple[int, tuple[int, ...]]]:
        """See `Feasibility.sizes`."""
        return [(width, (width,)) for width in self.widths]

    @property
    def varied(self) -> str:
        """See `Feasibility.varied`."""
        return "width"

    @property
    def methods(self) -> tuple[Method, ...]:
        """See `Feasibility.methods`."""
        return LOCAL_RELU, SHORT_TRAINING_RELU


@dataclass(frozen=True)
class ByDepth(Feasibility):
    """One, two or three hidden layers of `neurons` neurons each."""

    depths: tuple[int, ...] = DEPTHS
    neurons: int = NEURONS

    id: ClassVar[str] = "depth"
    title: ClassVar[str] = "feasibility rate against the number of hidden layers"

    @property
    def sizes(self) -> Sequence[tuple[int, tuple[int, ...]]]:
        """See `Feasibility.sizes`."""
        return [(depth, (self.neurons,) * depth) for depth in self.depths]

    @property
    def varied(self) -> str:
        """See `Feasibility.varied`."""
        return "depth"

    @property
    def methods(self) -> tuple[Method, ...]:
        """See `Feasibility.methods`."""
        return LAST_LAYER_RELU, SHORT_TRAINING_RELU
