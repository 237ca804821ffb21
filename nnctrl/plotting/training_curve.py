"""The picture of a training: how loss, certified violation and share of the initial set went over time."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnctrl.plotting.picture import DOTS_PER_INCH
from nnctrl.plotting.style import COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nnctrl.learning.method import CurvePoint

SIZE_INCHES = (7.0, 6.4)

LINEAR = 0.1
"""Violations, which are in units of the requirements' sets, are drawn on a linear scale up to here: what matters is on
which side of 0 they end, and they may begin thousands of times as large.
"""


def draw_training(curve: Sequence[CurvePoint]) -> Figure:
    """A matplotlib figure of three panels over the seconds of training (Agg: no window, no global state)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    FigureCanvasAgg(figure)
    loss, violation, size = figure.subplots(3, 1, sharex=True, height_ratios=(2.0, 2.0, 1.0))
    seconds = np.array([point.seconds for point in curve])
    for panel, name, title, colour in (
        (loss, "loss", "loss", COLOURS["initial"]),
        (violation, "violation", "bound on the violation", COLOURS["avoid"]),
        (size, "size", "share of the set", COLOURS["stay"]),
    ):
        values = np.array([getattr(point, name) for point in curve])
        shown = np.isfinite(values)
        panel.plot(seconds[shown], values[shown], color=colour, linewidth=1.2, marker=".", markersize=2.5)
        panel.set_ylabel(title)
        panel.grid(color="0.92", linewidth=0.6)
        panel.set_axisbelow(True)
    if all(point.loss > 0.0 for point in curve):
        loss.set_yscale("log")
    lowest = min((point.violation for point in curve if np.isfinite(point.violation)), default=0.0)
    violation.set_yscale("symlog", linthresh=LINEAR)
    violation.set_ylim(bottom=2.0 * min(lowest, -0.5 * LINEAR))
    violation.axhline(0.0, color=COLOURS["reach"], linewidth=1.0)
    size.set_ylim(0.0, 1.05)
    size.set_xlabel("seconds since the method began")
    return figure


def training_png(curve: Sequence[CurvePoint]) -> bytes:
    """The picture as a PNG file."""
    stream = io.BytesIO()
    draw_training(curve).savefig(stream, format="png", dpi=DOTS_PER_INCH)
    return stream.getvalue()
