"""How much of the plane a panel shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.plotting.scene import Scene, View
from nnctrl.plotting.shapes import LARGEST_DRAWN, extent
from nnctrl.specs.moving import Moving
from nnctrl.specs.spec import Stay
from nnctrl.specs.sublevel import Sublevel
from nnctrl.verification.problem import TIME

if TYPE_CHECKING:
    from nnctrl.verification.problem import AnyRequirement

MARGIN = 0.06

PROPORTION = 1.2
"""Width of a panel by its height."""

REQUIREMENT_SHARE = 0.8
"""A target may widen the window by this share of the reached range to either side; far away ones are cut off."""


def window_of(scene: Scene, view: View) -> FloatArray:
    """Lower and upper corner [2, 2]; where both scales must agree, in the proportions of a panel."""
    window = np.array([_range(scene, name) for name in view]).T
    if not same_unit(scene, view):
        return window
    width, height = window[1] - window[0]
    grown = np.array([max(width, PROPORTION * height), max(height, width / PROPORTION)])
    middle = 0.5 * (window[0] + window[1])
    return np.stack([middle - 0.5 * grown, middle + 0.5 * grown])


def same_unit(scene: Scene, view: View) -> bool:
    """Whether both coordinates of a view have the same physical unit."""
    units = scene.problem.signal_units()
    return TIME not in view and units[view[0]] == units[view[1]] != "1"


def target_range(requirement: AnyRequirement, index: int, horizon: float) -> tuple[float, float] | None:
    """Smallest and largest value of coordinate `index` of the target over time; None if unbounded or unknown."""
    target = requirement.target
    base = target.base if isinstance(target, Moving) else target
    if isinstance(base, Sublevel):
        return None
    drift = float(target.velocity[index]) * horizon if isinstance(target, Moving) else 0.0
    low, high = extent(base, index)
    return (low + min(drift, 0.0), high + max(drift, 0.0)) if np.isfinite([low, high]).all() else None


def _range(scene: Scene, name: str) -> tuple[float, float]:
    problem = scene.problem
    if name == TIME:
        spare = 0.5 if problem.is_discrete else 0.0
        return -spare, problem.horizon + spare
    values = np.concatenate([np.ravel(part) for part in _reached(scene, name)])
    values = values[np.abs(values) <= LARGEST_DRAWN]
    low, high = (float(values.min()), float(values.max())) if values.size else (-1.0, 1.0)
    spare = REQUIREMENT_SHARE * (high - low)
    least, most = low - spare, high + spare
    for _, requirement in problem.requirements():
        names = problem.coordinates(requirement)
        found = target_range(requirement, names.index(name), problem.horizon) if name in names else None
        if found is None:
            continue
        if isinstance(requirement, Stay):
            # limits that are far away say nothing about the picture
            low = min(low, found[0]) if found[0] >= least else low
            high = max(high, found[1]) if found[1] <= most else high
        else:
            low, high = min(low, max(found[0], least)), max(high, min(found[1], most))
    spare = MARGIN * (high - low) or 0.1 * abs(high) or 1.0
    return low - spare, high + spare


def _reached(scene: Scene, name: str) -> list[FloatArray]:
    """Values of a signal over the whole scene, or their extremes."""
    parts: list[FloatArray] = [np.zeros(0)]
    states = list(scene.problem.closed_loop.plant.states)
    if name in states:
        box = scene.problem.initial_set.bounding_box()
        parts.append(np.array([box.lower[states.index(name)], box.upper[states.index(name)]]))
    if scene.flowpipe is not None and name in scene.flowpipe.names:
        (index,) = scene.flowpipe.coordinates((name,))
        boxes = [scene.flowpipe.bounding_box(step) for step in range(len(scene.flowpipe.steps))]
        parts += [np.array([box.lower[index], box.upper[index]]) for box in boxes]
    parts += [track.signals[name] for track in (scene.samples, scene.witness) if track and name in track.signals]
    return parts
