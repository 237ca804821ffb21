"""Targets of requirements: where to go, where to stay, what to avoid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.plotting.scene import View
from nnctrl.plotting.shapes import projection_polygon
from nnctrl.plotting.style import COLOURS, LAYERS
from nnctrl.plotting.window import target_range
from nnctrl.specs.moving import Moving
from nnctrl.specs.spec import Avoid, Stay
from nnctrl.specs.sublevel import Sublevel
from nnctrl.verification.problem import TIME, Problem

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nnctrl.verification.problem import AnyRequirement

MOVING_FRAMES = 5
GRID_POINTS = 121

STYLES: dict[str, dict[str, Any]] = {
    "avoid": {
        "facecolor": (0.706, 0.137, 0.094, 0.22),
        "edgecolor": COLOURS["avoid"],
        "hatch": "////",
        "linewidth": 0.8,
    },
    "reach": {"facecolor": (0.102, 0.498, 0.216, 0.16), "edgecolor": COLOURS["reach"], "linewidth": 1.2},
    "stay": {"facecolor": "none", "edgecolor": COLOURS["stay"], "linestyle": "--", "linewidth": 1.2},
}


def draw_requirements(panel: Axes, problem: Problem, view: View, window: FloatArray) -> None:
    """Draw every requirement that the two coordinates of `view` say something about."""
    for _, requirement in problem.requirements():
        names = problem.coordinates(requirement)
        if view[0] == TIME:
            if view[1] in names:
                _draw_over_time(panel, requirement, names.index(view[1]), window, problem)
        elif view[0] in names and view[1] in names:
            _draw_in_plane(panel, requirement, (names.index(view[0]), names.index(view[1])), window, problem)
        else:
            _draw_strip(panel, requirement, names, view, window, problem)


def _draw_in_plane(
    panel: Axes, requirement: AnyRequirement, axes: tuple[int, int], window: FloatArray, problem: Problem
) -> None:
    target = requirement.target
    base = target.base if isinstance(target, Moving) else target
    frames = _frames(requirement, axes, problem)
    if isinstance(base, Sublevel):
        for shift, _ in frames:
            _draw_sublevel(panel, requirement.kind, base, axes, window, shift)
        return
    # a plane polytope is cut off at the window, out of which it might move
    polygon = projection_polygon(base, *axes, None if isinstance(target, Moving) else window)
    if polygon is None:
        return
    for shift, strength in frames:
        _add_polygon(panel, requirement.kind, polygon + shift, window, strength)


def _frames(requirement: AnyRequirement, axes: tuple[int, int], problem: Problem) -> list[tuple[FloatArray, float]]:
    """Shifts [2] of a target at some times that count, and how strongly it is drawn there: the later the stronger."""
    target = requirement.target
    if not isinstance(target, Moving):
        return [(np.zeros(2), 1.0)]
    times = np.linspace(*requirement.window(problem.horizon), MOVING_FRAMES)
    return [(time * target.velocity[list(axes)], (age + 1.0) / MOVING_FRAMES) for age, time in enumerate(times)]


def _add_polygon(panel: Axes, kind: str, polygon: FloatArray, window: FloatArray, strength: float = 1.0) -> None:
    """Add what reaches into the window; the kind as group id tells the legend that there is one."""
    from matplotlib.patches import Polygon

    if (polygon.max(0) < window[0]).any() or (polygon.min(0) > window[1]).any():
        return
    style = dict(STYLES[kind])
    if strength < 1.0 and style["facecolor"] != "none":
        red, green, blue, alpha = style["facecolor"]
        style |= {"facecolor": (red, green, blue, alpha * strength), "edgecolor": (red, green, blue, strength)}
    panel.add_patch(Polygon(polygon, closed=True, zorder=LAYERS["requirement"], gid=kind, **style))


def _draw_sublevel(
    panel: Axes, kind: str, target: Sublevel, axes: tuple[int, int], window: FloatArray, shift: FloatArray
) -> None:
    """The region of a plane inequality, moved by `shift`, on a grid; of one with more coordinates no projection is
    drawn.
    """
    if target.dim != len(axes):
        return
    grid = np.meshgrid(*(np.linspace(low, high, GRID_POINTS) for low, high in window.T))
    points = np.zeros((*grid[0].shape, 2))
    points[..., axes[0]], points[..., axes[1]] = grid[0] - shift[0], grid[1] - shift[1]
    values = np.asarray(target.value_tape(points)[0]).reshape(grid[0].shape)
    style = STYLES[kind]
    lines: dict[str, Any] = {"colors": [style["edgecolor"]], "linestyles": [style.get("linestyle", "-")]}
    if (values <= 0.0).any() and (values > 0.0).any():
        panel.contour(*grid, values, levels=[0.0], zorder=LAYERS["requirement"], **lines).set_gid(kind)
    if style["facecolor"] != "none":
        fill: dict[str, Any] = {"colors": [style["facecolor"]], "hatches": [style.get("hatch", "")]}
        panel.contourf(*grid, values, levels=[-np.inf, 0.0], zorder=LAYERS["requirement"], **fill)


def _draw_strip(
    panel: Axes, requirement: AnyRequirement, names: tuple[str, ...], view: View, window: FloatArray, problem: Problem
) -> None:
    """A requirement on one of the two coordinates only: a strip, unless it depends on others that are not shown."""
    if len(names) > 1 and not isinstance(requirement, Stay):
        return
    for axis, name in enumerate(view):
        limits = target_range(requirement, names.index(name), problem.horizon) if name in names else None
        if limits is not None:
            # beyond the window, so that the strip has no ends
            ends = window + (window[1] - window[0]) * np.array([[-1.0], [1.0]])
            ends[:, axis] = limits
            _add_rectangle(panel, requirement.kind, ends, window)


def _draw_over_time(panel: Axes, requirement: AnyRequirement, index: int, window: FloatArray, problem: Problem) -> None:
    """The range of one coordinate of the target during the times that count; obstacles only if they have no other."""
    limits = target_range(requirement, index, problem.horizon)
    if limits is None or (isinstance(requirement, Avoid) and requirement.target.dim > 1):
        return
    first, last = requirement.window(problem.horizon)
    # a single time needs some width to be seen, all times have no ends
    always = (first, last) == (0.0, problem.horizon)
    spare = problem.horizon if always else 0.4 if problem.is_discrete else 0.005 * problem.horizon
    _add_rectangle(panel, requirement.kind, np.array([[first - spare, limits[0]], [last + spare, limits[1]]]), window)


def _add_rectangle(panel: Axes, kind: str, ends: FloatArray, window: FloatArray) -> None:
    (left, low), (right, high) = ends
    _add_polygon(panel, kind, np.array([[left, low], [right, low], [right, high], [left, high]]), window)
