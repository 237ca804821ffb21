"""Funnels for discrete linear plants: ellipsoids E_0 -> E_1 -> ... -> E_T that lead an initial set into a goal.

Under u = K_t x + k_t every E_t goes into E_{t+1}, clear of obstacles, within everything to stay in and within the
limits of the inputs. First a tube of known widths about a trajectory with a constant gain (`nominal`); where no
gain of a regulator does, shapes and gains of all steps together in one semidefinite program (`tube`). Whatever
solvers said, a funnel is only returned when outward-rounded checks have proved every claim (`proof`).
"""

from __future__ import annotations

import numpy as np

from nnctrl.branching.meter import Meter
from nnctrl.errors import InputError, UnsupportedError
from nnctrl.learning.funnel.limits import limits_of
from nnctrl.learning.funnel.proof import Funnel
from nnctrl.learning.funnel.search import Search
from nnctrl.learning.task import Task
from nnctrl.progress import Progress, SilentProgress
from nnctrl.specs.spec import Reach

PUSHES = 3
"""So many ways round obstacles are tried, the straight one first."""

SHARES = (1.0, 0.75, 0.5)
"""Shares of the time that there is to reach a goal at which it is reached, one after another."""


class NoFunnelError(InputError):
    """No funnel was found; that proves nothing about the task."""


def funnel_objection(task: Task) -> str | None:
    """Why there can be no funnel for a task of this kind; None if one can be sought."""
    try:
        Search(task, limits_of(task))
    except UnsupportedError as error:
        return str(error)
    return None


def find_funnel(task: Task, seed: int = 0, progress: Progress | None = None, meter: Meter | None = None) -> Funnel:
    """A funnel for a discrete plant with affine dynamics without disturbances, as tolerant as one is found.

    NoFunnelError if none is found, or none within the time of `meter`; UnsupportedError for plants, sets and
    requirements that are not treated. Cost: some ten quadratic programs of T steps, more with obstacles (together 5 s
    for 60 steps of six states past two balls), and where none of them leads to a funnel as many semidefinite ones with
    T matrices of 2 n rows.
    """
    report, clock = progress or SilentProgress(), meter or Meter()
    may_choose = any(isinstance(item, Reach) and item.within is not None for item in task.spec.requirements)
    nearest = np.inf
    for share in SHARES if may_choose else SHARES[:1]:
        search = Search(task, limits_of(task, share))
        for push in range(PUSHES if any(limit.is_obstacle for limit in search.limits) else 1):
            aside = (push > 0) * np.random.default_rng((seed, push)).standard_normal(task.plant.state_size)
            report.update(f"looking for a funnel, way {push + 1}")
            found, violation = search.most_tolerant(aside, clock)
            if found is not None:
                return found
            nearest = min(nearest, violation)
            if clock.exhausted() is not None:
                raise NoFunnelError("the time ran out before a funnel was found")
    raise NoFunnelError(f"no funnel was found: {_reason(task, nearest)}")


def _reason(task: Task, violation: float) -> str:
    """What stood in the way: the trajectory, the spread of parameters, or the width of the tube."""
    if violation > 0.0:
        return (
            f"the best trajectory with room for a tube violates a limit by {violation:.3g} of its scale, and no gains "
            "make a tube narrow enough"
        )
    lower, upper = task.plant.parameter_bounds
    if (lower < upper).any():
        return (
            f"there are trajectories with room for a tube, but no tube is proved, most likely because of the spread of "
            f"the parameters of '{task.plant.name}': tubes are made for the middle of their ranges; narrow these"
        )
    return "there are trajectories with room for a tube, but no tube about them is proved"
