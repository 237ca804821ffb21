"""One panel of a picture: two coordinates against each other, or one over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.plotting.requirements import draw_requirements
from nnctrl.plotting.scene import Scene, Tracks, View
from nnctrl.plotting.shapes import drawable, extent, projection_polygon
from nnctrl.plotting.style import COLOURS, LAYERS, PHASES
from nnctrl.plotting.window import same_unit, window_of
from nnctrl.reachability.flowpipe import Flowpipe
from nnctrl.verification.problem import TIME, Problem

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SAMPLE_WIDTH = 0.5
"""Width, in steps, of the bar that shows a discrete plant's range at one sample."""


def draw_panel(panel: Axes, scene: Scene, view: View, window: FloatArray | None = None) -> None:
    """Draw everything that `view` shows of the scene, in a `window` [2, 2] (lower and upper corner) or its own."""
    from matplotlib.ticker import MaxNLocator

    problem = scene.problem
    window = window_of(scene, view) if window is None else window
    panel.set_xlim(window[0, 0], window[1, 0])
    panel.set_ylim(window[0, 1], window[1, 1])
    panel.set_xlabel(axis_label(problem, view[0]))
    panel.set_ylabel(axis_label(problem, view[1]))
    if same_unit(scene, view):
        panel.set_aspect("equal", adjustable="box")
    if view[0] == TIME and problem.is_discrete:
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.grid(color="0.92", linewidth=0.6)
    panel.set_axisbelow(True)
    draw_requirements(panel, problem, view, window)
    if scene.flowpipe is not None:
        _draw_flowpipe(panel, scene.flowpipe, problem, view)
    _draw_initial_set(panel, problem, view)
    if scene.samples is not None:
        _draw_tracks(panel, scene.samples, view, "sample", linewidth=0.5, alpha=0.7, marker=".", markersize=1.5)
    if scene.witness is not None:
        _draw_tracks(panel, scene.witness, view, "counterexample", linewidth=1.4, marker="o", markersize=3.0)


def axis_label(problem: Problem, name: str) -> str:
    """Name and unit."""
    if name == TIME:
        return f"step (of {problem.closed_loop.plant.dt:g} s)" if problem.is_discrete else "time (s)"
    unit = problem.signal_units()[name]
    return name if unit == "1" else f"{name} ({unit})"


def _draw_flowpipe(panel: Axes, flowpipe: Flowpipe, problem: Problem, view: View) -> None:
    from matplotlib import colormaps
    from matplotlib.collections import PolyCollection

    if any(name != TIME and name not in flowpipe.names for name in view):
        return
    polygons, times = [], []
    for index, step in enumerate(flowpipe.steps):
        found = _bars(flowpipe, problem, index, view[1]) if view[0] == TIME else _slices(flowpipe, index, view)
        polygons += found
        times += [step.time[0]] * len(found)
    colours = np.asarray(colormaps[PHASES](np.array(times) / problem.horizon)).reshape(-1, 4)
    panel.add_collection(
        PolyCollection(
            polygons,
            facecolors=colours * [1.0, 1.0, 1.0, 0.3],
            edgecolors=colours * [0.8, 0.8, 0.8, 1.0],
            linewidths=0.5,
            zorder=LAYERS["flowpipe"],
        ),
        autolim=False,
    )


def _slices(flowpipe: Flowpipe, index: int, view: View) -> list[FloatArray]:
    """Projections of the sets of one step; those of a diverged enclosure are left out."""
    first, second = flowpipe.coordinates(view)
    parts = [part for part in flowpipe.steps[index].sets if drawable(extent(part, first) + extent(part, second))]
    found = [projection_polygon(part, first, second) for part in parts]
    return [polygon for polygon in found if polygon is not None]


def _bars(flowpipe: Flowpipe, problem: Problem, index: int, name: str) -> list[FloatArray]:
    """The range of one coordinate as a rectangle over the time of the step; samples get some width to be seen."""
    (axis,) = flowpipe.coordinates((name,))
    box = flowpipe.bounding_box(index)
    low, high = float(box.lower[axis]), float(box.upper[axis])
    first, last = flowpipe.steps[index].time
    if problem.is_discrete:
        first, last = first - 0.5 * SAMPLE_WIDTH, last + 0.5 * SAMPLE_WIDTH
    corners = np.array([[first, low], [last, low], [last, high], [first, high]])
    return [corners] if drawable(corners) else []


def _draw_initial_set(panel: Axes, problem: Problem, view: View) -> None:
    from matplotlib.patches import Polygon

    states = list(problem.closed_loop.plant.states)
    if any(name not in states for name in view):
        return
    polygon = projection_polygon(problem.initial_set, states.index(view[0]), states.index(view[1]))
    if polygon is not None:
        style = {"facecolor": "none", "edgecolor": COLOURS["initial"], "linewidth": 1.6}
        panel.add_patch(Polygon(polygon, closed=True, zorder=LAYERS["initial"], **style))


def _draw_tracks(panel: Axes, tracks: Tracks, view: View, kind: str, **style: Any) -> None:
    curve = tracks.curve(view)
    if curve is None:
        return
    first, second = (values.T for values in curve)
    panel.plot(first, second, color=COLOURS[kind], zorder=LAYERS[kind], scalex=False, scaley=False, **style)
