"""A closed loop before and after its network was made anew, side by side in the same windows."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.plotting.panel import draw_panel
from nnctrl.plotting.picture import DOTS_PER_INCH, PANEL_INCHES, add_time_scale, legend_entries, visible_kinds
from nnctrl.plotting.style import VERDICT_COLOURS
from nnctrl.plotting.window import window_of

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

    from nnctrl.plotting.scene import Scene, View

MOST_VIEWS = 3
"""Views that are compared."""

WIDEST = 3.0
"""A loop that diverges is cut off where the window would become so many times as wide as the other loop's."""


def draw_comparison(before: Scene, after: Scene) -> Figure:
    """A matplotlib figure with a row for each of the first views: `before` on the left, `after`, whose views they are,
    on the right (Agg: no window, no global state).
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    views = after.views[:MOST_VIEWS]
    figure = Figure(figsize=(2.0 * PANEL_INCHES[0] + 0.8, PANEL_INCHES[1] * len(views) + 0.9), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(views), 2, squeeze=False)
    for row, view in zip(panels, views, strict=True):
        window = common_window(before, after, view)
        for panel, scene in zip(row, (before, after), strict=True):
            draw_panel(panel, scene, view, window)
    for panel, scene, word in zip(panels[0], (before, after), ("before", "after"), strict=True):
        colour = "black" if scene.verdict is None else VERDICT_COLOURS[scene.verdict]
        panel.set_title(word if scene.verdict is None else f"{word}: {scene.verdict}", color=colour, fontweight="bold")
    figure.suptitle(after.problem.name, fontweight="bold")
    entries: dict[object, Artist] = {}
    for scene in (before, after):
        entries |= {entry.get_label(): entry for entry in legend_entries(scene, visible_kinds(figure))}
    figure.legend(handles=list(entries.values()), loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    if after.flowpipe is not None or before.flowpipe is not None:
        add_time_scale(figure, after)
    return figure


def comparison_png(before: Scene, after: Scene) -> bytes:
    """The picture as a PNG file."""
    stream = io.BytesIO()
    draw_comparison(before, after).savefig(stream, format="png", dpi=DOTS_PER_INCH)
    return stream.getvalue()


def common_window(before: Scene, after: Scene, view: View) -> FloatArray:
    """Lower and upper corner [2, 2] of a window that shows both loops, unless the one before is far away."""
    own = window_of(after, view)
    both = np.stack([own, window_of(before, view)])
    room = 0.5 * (WIDEST - 1.0) * (own[1] - own[0])
    return np.stack([np.maximum(both[:, 0].min(0), own[0] - room), np.minimum(both[:, 1].max(0), own[1] + room)])
