"""Branch and bound for the largest absolute value of every output over several boxes at once.

Both signs of an output and all boxes share one attained value, so a part is settled as soon as it is below the largest
error that is known anywhere; `branching.search` keeps directions apart and would refine them all.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from nnctrl.bounds.ball import InputBall
from nnctrl.bounds.base import UpperBound
from nnctrl.bounds.taylor import TaylorBound
from nnctrl.bounds.view import NetworkView
from nnctrl.branching.frontier import Evaluator, Frontier
from nnctrl.branching.meter import BudgetSpentError, Exhausted, Meter
from nnctrl.branching.splitting import BlameSplit, cut, splittable
from nnctrl.learning.imitation_error.views import DifferenceView

TRIES = 4
"""Points whose proof is tried, for every output, among those that are offered at once."""

NOTICEABLE = 1e-9
"""Share by which a value must exceed the proved one to be worth a proof."""

STARTING = 0.2
"""Share of the time that the first points may take."""

FEWEST, SHORT_S = 16, 0.1
"""A batch has so many points or boxes at first, and twice as many after one that took less than so many seconds."""


@dataclass(frozen=True, eq=False)
class LargestError:
    """Per output [m]: `upper` and `attained`, proved bounds of the largest absolute value from both sides (None: no
    point was found where the law is proved to have an input). `close`: they are as close as was asked for.
    `stopped`: what of the budget was spent before they were. `partial`: at some point the law seemed to have no input.
    """

    upper: Tensor
    attained: Tensor | None
    close: bool
    stopped: Exhausted | None
    partial: bool


class _Attained:
    """Proved lower bounds `values` [m] of the largest absolute values; -inf until a point with a law is found.

    `partial`: see `LargestError`.
    """

    def __init__(self, view: DifferenceView) -> None:
        self._view = view
        self.values = torch.full((view.out_size,), -torch.inf, dtype=torch.float64)
        self.partial = False

    @property
    def found(self) -> bool:
        """Whether there is a point with a law."""
        return bool((self.values >= 0.0).all())

    def offer(self, points: Tensor) -> None:
        """Prove and keep what is better at `points` [batch, q] of the set."""
        if not len(points):
            return
        with torch.no_grad():
            difference = self._view(points)
        lawless = torch.isnan(difference).any(-1, keepdim=True)
        self.partial |= bool(lawless.any())
        sizes = torch.where(lawless, -torch.inf, difference.abs())
        for _ in range(TRIES):
            best, place = sizes.max(0)
            better = torch.nonzero(best > self.values + NOTICEABLE * self.values.clamp(min=0.0)).flatten()
            if not len(better):
                return
            # one place for every output, so that no entry is written twice
            place = place[better]
            proved = self._proved(better, points[place], difference[place, better].sign())
            self.values[better] = torch.maximum(self.values[better], proved)
            sizes[place, better] = -torch.inf

    def _proved(self, outputs: Tensor, points: Tensor, signs: Tensor) -> Tensor:
        """What the outputs [batch] with these signs are at least at points [batch, q]; -inf if there may be no law."""
        exists = self._view.has_law(points)
        if bool(exists.any()):
            # no absolute value is less than 0
            self.values = self.values.clamp(min=0.0)
        directions = torch.nn.functional.one_hot(outputs, len(self.values)) * signs.unsqueeze(-1)
        # minus the bound of the opposite sign over each point alone
        least = -TaylorBound().upper(self._view, points, points, -directions).upper
        return torch.where(exists, torch.nan_to_num(least, nan=0.0, neginf=0.0).clamp(min=0.0), -torch.inf)


def largest_error(
    view: DifferenceView,
    lower: Tensor,
    upper: Tensor,
    *,
    tolerance: float,
    absolute: Tensor,
    meter: Meter,
    starts: Tensor,
    ball: InputBall | None = None,
) -> LargestError:
    """Bound max |view(v)_j| over the boxes [lower, upper] [r, q], or over their intersections with `ball`.

    The search ends when every bound is within `tolerance` times the attained value plus `absolute` [m], or by `meter`,
    also in the midst of a batch; what is open then keeps its bound. `starts` [s, q]: points of the set to look at
    first. Cost: a Taylor form for every node.
    """
    size = view.out_size
    signs = torch.cat([torch.eye(size, dtype=torch.float64), -torch.eye(size, dtype=torch.float64)])
    # a general bound takes this view, which is no network
    evaluator = Evaluator(cast("NetworkView", view), TaylorBound(), signs, meter, refresh=0)
    attained = _Attained(view)
    frontier = _unbounded(lower.repeat(2 * size, 1), upper.repeat(2 * size, 1), len(lower))
    settled = torch.zeros(size, dtype=torch.float64)
    batch, stopped = FEWEST, None
    try:
        frontier = _bounded(evaluator, frontier)
        fresh = frontier
        # the first alone, as each may take a while
        for part in (starts[:1], *starts[1:].split(FEWEST)):
            attained.offer(part)
            if meter.elapsed() > STARTING * meter.seconds:
                break
        while True:
            corners = torch.where(fresh.found.slope > 0.0, fresh.upper, fresh.lower)
            attained.offer(corners if ball is None else ball.pulled(corners))
            goal = (1.0 + tolerance) * attained.values.clamp(min=0.0) + absolute
            gap = frontier.found.upper - goal[frontier.pairs % size]
            done = (gap <= 0.0) | ~splittable(frontier.lower, frontier.upper).any(-1)
            settled = settled.scatter_reduce(0, frontier.pairs[done] % size, frontier.found.upper[done], "amax")
            frontier, gap = frontier.select(~done), gap[~done]
            stopped = meter.exhausted() if len(frontier) else None
            if not len(frontier) or stopped:
                break
            rank, began = torch.argsort(gap, descending=True), time.monotonic()
            fresh = _children(evaluator, frontier.select(rank[:batch]))
            if ball is not None:
                fresh = fresh.select(~ball.misses(fresh.lower, fresh.upper))
            frontier = frontier.select(rank[batch:]).joined(fresh)
            batch = min(evaluator.batch, 2 * batch) if time.monotonic() - began < SHORT_S else max(1, batch // 2)
    except BudgetSpentError as error:
        stopped = error.reason
    found = settled.scatter_reduce(0, frontier.pairs % size, frontier.found.upper, "amax")
    close = attained.found and bool((found <= (1.0 + tolerance) * attained.values + absolute).all())
    return LargestError(found, attained.values if attained.found else None, close, stopped, attained.partial)


def _unbounded(lower: Tensor, upper: Tensor, count: int) -> Frontier:
    """All boxes for all pairs, [2 m count, q], with nothing known about them."""
    pairs, nothing = torch.arange(len(lower) // count).repeat_interleave(count), torch.zeros_like(lower)
    found = UpperBound(torch.full_like(lower[:, 0], torch.inf), nothing, nothing)
    return Frontier(pairs, lower, upper, found, lower.new_zeros(len(lower), 0), torch.zeros_like(pairs))


def _bounded(evaluator: Evaluator, frontier: Frontier) -> Frontier:
    """The same boxes with their bounds."""
    found = evaluator.bounds(frontier.pairs, frontier.lower, frontier.upper, frontier.facts)
    return dataclasses.replace(frontier, found=found)


def _children(evaluator: Evaluator, parents: Frontier) -> Frontier:
    """Both halves of every parent, cut where the bound sees most of its gap."""

    def parts(lower: Tensor, upper: Tensor) -> Tensor:
        return evaluator.bounds(parents.pairs.repeat(2), lower, upper, parents.facts.repeat(2, 1)).upper

    axis = BlameSplit().axis(parents.lower, parents.upper, parents.found, 2, parts)
    return evaluator.children(parents, *cut(parents.lower, parents.upper, axis, 2), 2)
