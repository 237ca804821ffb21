"""The picture of a scene: one panel per view, with a legend, a time scale and the verdict."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

from nnctrl.plotting.panel import axis_label, draw_panel
from nnctrl.plotting.requirements import STYLES
from nnctrl.plotting.scene import Scene
from nnctrl.plotting.style import COLOURS, PHASES, VERDICT_COLOURS
from nnctrl.verification.problem import TIME
from nnctrl.verification.verdict import Verdict

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

PANEL_INCHES = (4.6, 3.9)
DOTS_PER_INCH = 130


def draw(scene: Scene) -> Figure:
    """A matplotlib figure (Agg: no window, no global state)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = len(scene.views)
    columns = min(count, 2 if count == 4 else 3)
    rows = math.ceil(count / columns)
    size = (PANEL_INCHES[0] * columns + 0.8, PANEL_INCHES[1] * rows + 0.9)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, view in zip(panels, scene.views, strict=False):
        draw_panel(panel, scene, view)
    for panel in panels[count:]:
        panel.set_visible(False)
    verdict = scene.verdict
    title = scene.problem.name if verdict is None else f"{scene.problem.name}: {verdict}"
    figure.suptitle(title, color="black" if verdict is None else VERDICT_COLOURS[verdict], fontweight="bold")
    handles = legend_entries(scene, visible_kinds(figure))
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 4), frameon=False, fontsize=9)
    if scene.flowpipe is not None:
        add_time_scale(figure, scene)
    return figure


def png(scene: Scene) -> bytes:
    """The picture as a PNG file."""
    stream = io.BytesIO()
    draw(scene).savefig(stream, format="png", dpi=DOTS_PER_INCH)
    return stream.getvalue()


def add_time_scale(figure: Figure, scene: Scene) -> None:
    """The bar that says which colour of the flowpipe is which time."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.ticker import MaxNLocator

    scale = ScalarMappable(Normalize(0.0, scene.problem.horizon), PHASES)
    ticks = MaxNLocator(integer=scene.problem.is_discrete)
    label = axis_label(scene.problem, TIME)
    figure.colorbar(scale, ax=figure.axes, label=label, ticks=ticks, fraction=0.025, pad=0.02)


def visible_kinds(figure: Figure) -> set[str | None]:
    """The kinds of requirements of which something is drawn; the others need no place in the legend."""
    return {artist.get_gid() for panel in figure.axes for artist in (*panel.patches, *panel.collections)}


def legend_entries(scene: Scene, visible: set[str | None]) -> list[Artist]:
    """Samples of all that is drawn of a scene, with words; of requirements those of the `visible` kinds."""
    from matplotlib import colormaps
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    entries: list[Artist] = [Patch(facecolor="none", edgecolor=COLOURS["initial"], linewidth=1.6, label="initial set")]
    if scene.flowpipe is not None:
        middle = colormaps[PHASES](0.5)
        label = "enclosure of all trajectories" if scene.flowpipe.whole else "enclosure of trajectories from some parts"
        entries.append(Patch(facecolor=(*middle[:3], 0.35), edgecolor=middle, label=label))
    words = {"reach": "to reach", "stay": "to stay in", "avoid": "to avoid (projection)"}
    entries += [Patch(**STYLES[kind], label=words[kind]) for kind in words if kind in visible]
    if scene.samples is not None:
        entries.append(Line2D([], [], color=COLOURS["sample"], linewidth=0.8, label="sampled trajectories"))
    if scene.counterexample is not None:
        proved = scene.verdict is Verdict.FALSIFIED
        label = "counterexample" if proved else "candidate counterexample (not proved)"
        entries.append(Line2D([], [], color=COLOURS["counterexample"], marker="o", markersize=3.0, label=label))
    return entries
