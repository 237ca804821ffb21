"""Figure 1: a function of one variable between its zeroth- and its first-order bounds.

Over the interval with centre c a Lipschitz constant L gives `f(c) +- L |x - c|`; the gradient g at the centre and a
bound lam of |f''| give the first-order Taylor abstraction `f(c) + g (x - c) +- lam/2 (x - c)^2`, which keeps the slope.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from nnctrl._typing import FloatArray
from nnctrl.bounds.expansion import expand_at
from nnctrl.bounds.first_order import FirstOrderBound
from nnctrl.bounds.layered import LayeredView
from nnctrl.bounds.view import NetworkView, tensor
from nnctrl.bounds.zeroth_order import ZerothOrderBound
from nnctrl.networks.activations import Tanh
from nnctrl.networks.network import Network
from nnctrl.plotting.chart import Chart, Curve, charts_png
from nnctrl.suite import AbstractExperiment, Conditions, Drawing, Expectation, Findings, Row
from nnctrl.threads import single_threaded

CENTRE = 0.2


@dataclass(frozen=True)
class Fig1(AbstractExperiment):
    """Both abstractions of a random 1-16-1 tanh network over intervals with the half-widths `radii`."""

    radii: tuple[float, ...] = (0.1, 0.25, 0.5)
    count: int = 201

    id: ClassVar[str] = "fig1"
    title: ClassVar[str] = "first-order Taylor abstraction of a function of one variable (Figure 1)"

    @single_threaded()
    def run(self, conditions: Conditions) -> Findings:
        """See `AbstractExperiment.run`."""
        view = NetworkView.of(one_dimensional_network())
        rows: list[Row] = []
        charts: list[Chart] = []
        inside = True
        for radius in self.radii:
            x = np.linspace(CENTRE - radius, CENTRE + radius, self.count)
            value = view(tensor(x[:, None]))[:, 0].numpy()
            constant, curvature, middle, slope = facts(view, radius)
            away = np.abs(x - CENTRE)
            bounds = {
                "zeroth order": (np.full_like(x, middle), constant * away),
                "first order": (middle + slope * (x - CENTRE), 0.5 * curvature * away**2),
            }
            for label, (line, spread) in bounds.items():
                # the curves are drawn in floating point
                inside &= bool((np.abs(value - line) <= spread + 1e-12).all())
                row: Row = {"radius": radius, "method": label, "lipschitz": constant, "hessian_norm": curvature}
                rows.append({**row, "widest": float(2.0 * spread.max()), "mean_width": float(2.0 * spread.mean())})
            charts.append(_chart(radius, x, value, bounds))
        return Findings(
            tuple(rows),
            (Drawing("fig1", "The function between both bounds.", lambda: charts_png(charts)),),
            (
                Expectation("the function lies between both kinds of bounds everywhere", inside),
                Expectation("on the smallest interval the first-order bounds are closer", _is_closer(rows[:2])),
            ),
        )


def one_dimensional_network() -> Network:
    """1-16-1, tanh, weights that bend within the interval."""
    rng = np.random.default_rng(1)
    weights = [rng.normal(size=(16, 1)) * 2.0, rng.normal(size=(1, 16)) / 4.0]
    return Network.from_layers(weights, [rng.normal(size=16), np.zeros(1)], Tanh())


def facts(view: NetworkView, radius: float) -> tuple[float, float, float, float]:
    """Lipschitz constant and bound of |f''| over the interval, value and slope at its centre."""
    centre, direction = torch.tensor([[CENTRE]], dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
    box = centre - radius, centre + radius
    constant = ZerothOrderBound().local_facts(view, *box, direction)[0, 0]
    curvature = FirstOrderBound().local_facts(view, *box, direction)[0, 0]
    found = expand_at(LayeredView.of(view), centre, direction)
    return float(constant), float(curvature), float(found.value_high[0]), float(found.gradient[0, 0])


def _is_closer(rows: list[Row]) -> bool:
    zeroth, first = (float(row["widest"] or 0.0) for row in rows)
    return first < zeroth


def _chart(radius: float, x: FloatArray, value: FloatArray, bounds: dict[str, tuple[FloatArray, FloatArray]]) -> Chart:
    curves = [Curve("function", x, value)]
    curves += [Curve(label, x, line, line - spread, line + spread) for label, (line, spread) in bounds.items()]
    return Chart(f"half-width {radius:g}", "x", "f(x)", curves)
