"""Figure 8: images of the unit box under random tanh networks with more and more layers, 16 directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from benchmarks.hessian_paper_suite.methods import Method
from benchmarks.hessian_paper_suite.random_networks import (
    DIRECTIONS,
    DRAWN,
    METHODS,
    bound_image,
    fewer_nodes,
    first_below_zeroth,
    outlines,
    published_network,
    sampled_outputs,
    samples_contained,
)
from nnctrl.plotting.chart import Chart, charts_png
from nnctrl.suite import AbstractExperiment, Conditions, Drawing, Expectation, Findings, Row

NETWORKS = {"Tanh": 4.0, "Tanh1": 2.0, "Tanh2": 10.0, "Tanh3": 10.0}
"""The published networks, and how many times fewer nodes the default bound takes than first order."""


@dataclass(frozen=True)
class Fig8(AbstractExperiment):
    """All `methods` on each of the networks `names`."""

    names: tuple[str, ...] = tuple(NETWORKS)
    methods: tuple[Method, ...] = METHODS

    id: ClassVar[str] = "fig8"
    title: ClassVar[str] = "reachable sets of random tanh networks (Figure 8)"
    networks: ClassVar[tuple[str, ...]] = tuple(f"randomNet{name}.pth" for name in NETWORKS)

    def run(self, conditions: Conditions) -> Findings:
        """See `AbstractExperiment.run`."""
        rows: list[Row] = []
        charts: list[Chart] = []
        expectations: list[Expectation] = []
        for name in self.names:
            network = published_network(f"randomNet{name}.pth", "tanh", conditions)
            found = {}
            for method in self.methods:
                conditions.progress.update(f"fig8, {name}, {method.label}")
                found[method.label] = bound_image(network, method, DIRECTIONS["16 directions"])
                rows.append({"network": name, "method": method.label, **found[method.label].row()})
            outputs = sampled_outputs(network, DRAWN)
            shapes = outlines(found, searched=True)
            charts.append(Chart(name, "output 1", "output 2", outlines=shapes, points=outputs))
            expectations += [
                samples_contained(network, found, name),
                first_below_zeroth(found, name),
                fewer_nodes(found, NETWORKS[name], name),
            ]
        caption = "Polygons of the bounds after the search and sampled outputs."
        return Findings(tuple(rows), (Drawing("fig8", caption, lambda: charts_png(charts)),), tuple(expectations))
