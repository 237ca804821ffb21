"""Pictures of suites: curves, polygons and points in a row of charts, without a problem behind them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from nnctrl._typing import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANEL_INCHES = (4.6, 3.9)
DOTS_PER_INCH = 80
COLOURS = ("#111111", "#1f4e9c", "#b42318", "#1a7f37", "#9a6700", "#7a3e9d")


@dataclass(frozen=True, eq=False)
class Curve:
    """`y` [k] over `x` [k], with the region between `low` and `high` [k] shaded if both are given."""

    label: str
    x: FloatArray
    y: FloatArray
    low: FloatArray | None = None
    high: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class Outline:
    """A closed polygon with the vertices `points` [v, 2]."""

    label: str
    points: FloatArray


@dataclass(frozen=True, eq=False)
class Chart:
    """One panel: curves and outlines in the colours of their order, `points` [k, 2] as dots below them, `marks` as
    labelled vertical lines.
    """

    title: str
    x_label: str
    y_label: str
    curves: Sequence[Curve] = ()
    outlines: Sequence[Outline] = ()
    points: FloatArray | None = None
    marks: Sequence[tuple[str, float]] = ()
    scale: Literal["linear", "log"] = "linear"


def charts_png(charts: Sequence[Chart]) -> bytes:
    """The charts side by side as a PNG file (Agg: no window, no global state)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(PANEL_INCHES[0] * len(charts), PANEL_INCHES[1]), layout="constrained")
    FigureCanvasAgg(figure)
    for panel, chart in zip(figure.subplots(1, len(charts), squeeze=False).ravel(), charts, strict=True):
        _draw(panel, chart)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=DOTS_PER_INCH)
    return stream.getvalue()


def _draw(panel: Axes, chart: Chart) -> None:
    panel.set_title(chart.title, fontsize=10)
    panel.set_xlabel(chart.x_label)
    panel.set_ylabel(chart.y_label)
    panel.set_yscale(chart.scale)
    panel.grid(color="0.92", linewidth=0.6)
    panel.set_axisbelow(True)
    if chart.points is not None:
        panel.plot(*chart.points.T, ".", color="0.55", markersize=1.5, label="samples")
    for index, curve in enumerate(chart.curves):
        colour = COLOURS[index % len(COLOURS)]
        panel.plot(curve.x, curve.y, color=colour, linewidth=1.3, label=curve.label)
        if curve.low is not None and curve.high is not None:
            panel.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.15, linewidth=0.0)
    for index, outline in enumerate(chart.outlines):
        x, y = outline.points[[*range(len(outline.points)), 0]].T
        panel.plot(x, y, color=COLOURS[index % len(COLOURS)], linewidth=1.1, label=outline.label)
    for label, place in chart.marks:
        panel.axvline(place, color="0.4", linestyle="--", linewidth=1.0, label=label)
    panel.legend(fontsize=7)
