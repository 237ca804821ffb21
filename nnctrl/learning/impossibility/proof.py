"""Proofs that no controller at all can do what a task asks for.

A sentence that is returned is a theorem about the task, whatever the controller reads, remembers or computes: sets are
compared by certified operations, and what inputs within their limits can reach is bounded by multipliers whose bound is
evaluated with outward rounding (`weights`). None says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from nnctrl.branching.meter import Meter
from nnctrl.errors import UnsupportedError
from nnctrl.learning.funnel.checks import slack_inside
from nnctrl.learning.funnel.limits import named
from nnctrl.learning.impossibility.points import extreme_point, listed
from nnctrl.learning.impossibility.reach import out_of_reach
from nnctrl.learning.lmi.enclosed import Enclosed
from nnctrl.learning.task import Task
from nnctrl.sets.base import AbstractSet
from nnctrl.sets.box import MAX_VERTEX_DIM, Box
from nnctrl.sets.ellipsoid import Ball, Ellipsoid
from nnctrl.sets.intersection import intersects
from nnctrl.sets.interval import Interval
from nnctrl.sets.polytope import Polytope
from nnctrl.sets.zonotope import Zonotope
from nnctrl.specs.moving import Moving
from nnctrl.specs.spec import Avoid, Reach, Requirement, Stay

DIRECTIONS = 50
"""Random directions in which round sets to stay in are looked for points outside."""

MOST_CORNERS = 12
"""Boxes of up to so many sides are compared with round sets corner by corner."""


SECONDS = 2.0
"""Time for linear programs if the caller sets none."""


def impossibility(task: Task, meter: Meter | None = None) -> str | None:
    """One or two sentences that prove that no controller can do `task`; None if no proof was found.

    Looked for are: an initial state that touches an obstacle or is outside a set to stay in; a goal that an obstacle
    covers or that a set to stay in does not meet; and for affine plants with limited inputs an initial state from which
    the goal is out of reach, or from which the sets to stay in are left, whatever the inputs. Disturbances are held in
    the middle of their ranges: a controller has to cope with these, too. Cost: some ten linear programs over all inputs
    up to the horizon, more for goals within a time; none is begun when `meter`, by default one of
    `SECONDS`, is exhausted.
    """
    for id, requirement in task.spec.items():
        if _static(requirement) is None or requirement.window(task.horizon)[0] > 0.0:
            continue
        sentence = _wrong_at_the_start(task, id, requirement)
        if sentence is not None:
            return sentence
    for id, requirement in task.spec.items():
        if isinstance(requirement, Reach):
            sentence = _forbidden_goal(task, id, requirement)
            if sentence is not None:
                return sentence
    return out_of_reach(task, meter or Meter(seconds=SECONDS))


def _static(requirement: Requirement) -> AbstractSet | None:
    """The set of a requirement at time 0, None for one that is given by an expression."""
    target = requirement.target.base if isinstance(requirement.target, Moving) else requirement.target
    return target if isinstance(target, AbstractSet) else None


def _wrong_at_the_start(task: Task, id: str, requirement: Requirement) -> str | None:
    found, target = named(requirement.on, task), _static(requirement)
    if found is None or found[1] or target is None or isinstance(requirement, Reach):
        return None
    picks, _ = found
    names = [list(task.plant.states)[pick] for pick in picks]
    shadow = _shadow(task.initial_set, picks, exact=True)
    if shadow is None:
        return None
    if isinstance(requirement, Avoid):
        meeting = intersects(shadow, target)
        if meeting.verdict != "intersecting" or meeting.witness is None:
            return None
        return (
            f"the initial set touches the set of '{id}', which is to be avoided from the start: both hold "
            f"{listed(names, Enclosed.exact(meeting.witness[:, None]), 'point')}"
        )
    for point in _far_points(shadow, target):
        spread = Interval(point.middle[:, 0] - point.radius[:, 0], point.middle[:, 0] + point.radius[:, 0])
        # the ends are rounded to the nearest, which a widening by the next number covers
        wider = Interval(np.nextafter(spread.lower, -np.inf), np.nextafter(spread.upper, np.inf))
        exact = not point.radius.any()
        if target.contains(point.middle[:, 0] if exact else wider).verdict == "outside":
            return (
                f"the initial set leaves the set of '{id}', in which the state has to stay from the start: it holds "
                f"{listed(names, point, 'point')}, which is outside"
            )
    return None


def _far_points(shadow: AbstractSet, target: AbstractSet) -> Iterator[Enclosed]:
    """Points of a set that are candidates for being outside another one."""
    axes = np.eye(shadow.dim)
    directions = [*axes, *-axes]
    if isinstance(target, Polytope):
        directions += list(target.normals)
    elif not isinstance(target, Box):
        directions += list(np.random.default_rng(0).standard_normal((DIRECTIONS, shadow.dim)))
        if isinstance(target, Ball | Ellipsoid):
            away = shadow.bounding_box().centre - target.centre
            directions += [away] * bool(away.any())
    for direction in directions:
        point = extreme_point(shadow, direction)
        if point is not None:
            yield point


def _forbidden_goal(task: Task, id: str, goal: Reach) -> str | None:
    """A goal that must not be entered when it is due; for `within`, at no time up to then."""
    found = named(goal.on, task)
    first, last = goal.window(task.horizon)
    if found is None or found[1] or last > task.horizon or isinstance(goal.target, Moving):
        return None
    target = _static(goal)
    for other_id, other in task.spec.items():
        start, end = other.window(task.horizon)
        region, place = _static(other), named(other.on, task)
        moves = isinstance(other.target, Moving)
        if target is None or region is None or place is None or place[1] or moves or start > first or end < last:
            continue
        when = f"at {first:g}" if first == last else f"at any time up to {last:g}"
        if isinstance(other, Avoid) and _covers(region, place[0], target, found[0]):
            return (
                f"the goal '{id}' lies within the set of '{other_id}', which is to be avoided, so that it cannot be "
                f"entered {when}"
            )
        if isinstance(other, Stay) and _apart(region, place[0], target, found[0]):
            return (
                f"the goal '{id}' and the set of '{other_id}', in which the state has to stay, have no point in "
                f"common, so that the goal cannot be entered {when}"
            )
    return None


def _covers(obstacle: AbstractSet, over: Sequence[int], goal: AbstractSet, picks: Sequence[int]) -> bool:
    """Whether every state in the goal is proved to be in the obstacle."""
    if not set(over) <= set(picks):
        return False
    inner = _shadow(goal, [picks.index(pick) for pick in over], exact=False)
    if inner is None:
        return False
    if isinstance(obstacle, Box) and isinstance(inner, Box):
        return bool((obstacle.lower <= inner.lower).all() and (inner.upper <= obstacle.upper).all())
    if isinstance(obstacle, Polytope | Box):
        walls = obstacle if isinstance(obstacle, Polytope) else Polytope.from_box(obstacle)
        return bool((inner.support(walls.normals) <= walls.offsets).all())
    if isinstance(inner, Ball | Ellipsoid) and isinstance(obstacle, Ball | Ellipsoid):
        shape = inner.radius * np.eye(inner.dim) if isinstance(inner, Ball) else inner.shape
        centre = Enclosed.exact(inner.centre[:, None])
        try:
            return slack_inside(centre, Enclosed.exact(shape), obstacle, np.ones(inner.dim)) >= 0.0
        except UnsupportedError:
            return False
    try:
        box = inner.bounding_box()
    except UnsupportedError:
        return False
    if (box.lower < box.upper).sum() > min(MOST_CORNERS, MAX_VERTEX_DIM):
        return False
    return all(obstacle.contains(corner).verdict == "inside" for corner in box.vertices())


def _apart(region: AbstractSet, over: Sequence[int], goal: AbstractSet, picks: Sequence[int]) -> bool:
    """Whether two sets are proved to have no state in common."""
    common = [pick for pick in over if pick in picks]
    if not common:
        return False
    one = _shadow(region, [list(over).index(pick) for pick in common], exact=False)
    other = _shadow(goal, [list(picks).index(pick) for pick in common], exact=False)
    return one is not None and other is not None and intersects(one, other).verdict == "disjoint"


def _shadow(of: AbstractSet, picks: Sequence[int], exact: bool) -> AbstractSet | None:
    """The projection of a set on some of its coordinates; where it is not of a known kind, None, or if it need not be
    `exact` a set that contains it.
    """
    rows = list(picks)
    if isinstance(of, Box):
        return Box(of.lower[rows], of.upper[rows])
    if isinstance(of, Ball):
        return Ball(of.centre[rows], of.radius)
    if isinstance(of, Ellipsoid):
        return Ellipsoid(of.centre[rows], of.shape[rows])
    if isinstance(of, Zonotope):
        return Zonotope(of.centre[rows], of.generators[rows])
    if isinstance(of, Polytope) and len(rows) == of.dim:
        return Polytope(of.normals[:, rows], of.offsets)
    if exact:
        return None
    try:
        box: Box = of.bounding_box()
    except UnsupportedError:
        return None
    return _shadow(box, rows, exact=True)
