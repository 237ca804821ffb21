"""Figure 4: first- against zeroth-order bounds over balls of growing radius, and Theorem 3's crossover.

On the largest ball X of radius R let L be a Lipschitz constant, lam a bound of the Hessian's norm and g the gradient at
the centre, all in the 2-norm. Over the ball of radius eps the bounds are `f(c) + L eps` and `f(c) + |g| eps + lam/2
eps^2`, so the first-order one is lower if and only if `eps < 2 (L - |g|) / lam`. Lower bounds: `f(c) - |g| eps - lam/2
eps^2` against `f(c) - L eps`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from benchmarks.hessian_paper_suite.fig6 import random_network
from nnctrl._typing import FloatArray
from nnctrl.bounds.ball import InputBall
from nnctrl.bounds.expansion import expand_at
from nnctrl.bounds.first_order import FirstOrderBound
from nnctrl.bounds.layered import LayeredView
from nnctrl.bounds.view import NetworkView, tensor
from nnctrl.bounds.zeroth_order import ZerothOrderBound
from nnctrl.plotting.chart import Chart, Curve, charts_png
from nnctrl.suite import AbstractExperiment, Conditions, Drawing, Expectation, Findings, Row
from nnctrl.threads import single_threaded

RADIUS = 1.0

CENTRE = np.array([0.3, -0.2])
"""Not where a random network is symmetric."""


@dataclass(frozen=True)
class Fig4(AbstractExperiment):
    """Upper bounds of the first output of a random network with `layers` layers, at `count` radii up to `RADIUS`."""

    layers: int = 3
    count: int = 20

    id: ClassVar[str] = "fig4"
    title: ClassVar[str] = "first- against zeroth-order bounds over the radius (Figure 4, Theorem 3)"

    @single_threaded()
    def run(self, conditions: Conditions) -> Findings:
        """See `AbstractExperiment.run`."""
        view = NetworkView.of(random_network(self.layers, 0))
        direction, centre = torch.tensor([[1.0, 0.0]], dtype=torch.float64), tensor(CENTRE)
        radii = RADIUS * np.arange(1, self.count + 1) / self.count
        box = (centre - RADIUS).unsqueeze(0), (centre + RADIUS).unsqueeze(0)
        zeroth, first = ZerothOrderBound(), FirstOrderBound()
        of_zeroth, of_first = (bound.local_facts(view, *box, direction) for bound in (zeroth, first))
        uppers: dict[str, list[float]] = {"zeroth order": [], "first order": []}
        for eps in radii:
            ball = InputBall(centre, float(eps), 2.0)
            part = (centre - eps).unsqueeze(0), (centre + eps).unsqueeze(0)
            for label, bound, facts in (("zeroth order", zeroth, of_zeroth), ("first order", first, of_first)):
                found = bound.within(ball).upper_from(view, *part, direction, facts)
                uppers[label].append(float(found.upper))
        slope = float(expand_at(LayeredView.of(view), centre.unsqueeze(0), direction).gradient.norm())
        constant, curvature = float(of_zeroth[0, 0]), float(of_first[0, 0])
        crossover = 2.0 * (constant - slope) / curvature
        zeroth_up, first_up = (np.array(uppers[label]) for label in ("zeroth order", "first order"))
        largest = _largest_sampled(view, radii)
        note = f"on the largest ball: Lipschitz constant {constant:.4g}, gradient {slope:.4g}, Hessian {curvature:.4g}"
        rows: list[Row] = [
            {"radius": float(r), "zeroth_order": float(z), "first_order": float(f), "sampled": float(s)}
            for r, z, f, s in zip(radii, zeroth_up, first_up, largest, strict=True)
        ]
        return Findings(
            tuple(rows),
            (Drawing("fig4", "Upper bounds of the first output over balls.", lambda: _picture(rows, crossover)),),
            _expectations(radii, zeroth_up, first_up, largest, crossover),
            (note,),
        )


def _largest_sampled(view: NetworkView, radii: FloatArray) -> FloatArray:
    """Largest value of the first output on circles of the radii and inside of them, an inner estimate."""
    angles = np.linspace(0.0, 2.0 * np.pi, 400)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    on_circles = [float(view(tensor(CENTRE + (1.0 - 1e-9) * r * circle))[:, 0].max()) for r in radii]
    return np.asarray(np.maximum.accumulate(on_circles))


def _expectations(
    radii: FloatArray, zeroth: FloatArray, first: FloatArray, largest: FloatArray, crossover: float
) -> tuple[Expectation, ...]:
    # rounding decides at the crossover itself
    away = np.abs(radii - crossover) > 1e-6 * RADIUS
    agrees = bool(((first < zeroth) == (radii < crossover))[away].all())
    sentence = f"the first-order bound is the lower one exactly below Theorem 3's radius ({crossover:.4g})"
    return (
        Expectation(sentence, agrees),
        Expectation("no sampled value is above a bound", bool((largest <= np.minimum(zeroth, first)).all())),
    )


def _picture(rows: list[Row], crossover: float) -> bytes:
    def column(name: str) -> FloatArray:
        return np.array([row[name] for row in rows], dtype=np.float64)

    names = {"sampled": "sampled maximum", "zeroth_order": "zeroth order", "first_order": "first order"}
    curves = [Curve(label, column("radius"), column(name)) for name, label in names.items()]
    return charts_png([Chart("upper bounds", "radius", "first output", curves, marks=[("Theorem 3", crossover)])])
