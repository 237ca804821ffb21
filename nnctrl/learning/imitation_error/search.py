"""Branch and bound for the largest absolute value of every output over several boxes at once.

Both signs of an output and all boxes share one attained value, so a part is settled as soon as it is below the largest
error that is known anywhere; `branching.search` keeps directions apart and would refine them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from nnctrl.bounds.ball import InputBall
from nnctrl.bounds.taylor import TaylorBound
from nnctrl.bounds.view import NetworkView
from nnctrl.branching.frontier import Evaluator, Frontier
from nnctrl.branching.meter import Exhausted, Meter
from nnctrl.branching.splitting import BlameSplit, cut, splittable
from nnctrl.learning.imitation_error.views import DifferenceView


@dataclass(frozen=True, eq=False)
class LargestError:
    """Per output [m]: certified `upper` and `attained`, both bounds of the largest absolute value; why the search
    `stopped` before they were close (None: they are).
    """

    upper: Tensor
    attained: Tensor
    stopped: Exhausted | None


class _Attained:
    """The largest values [m] found so far, in floating point, at `points` [m, q] with the sign of number `pairs` [m].

    Pair k of 2 m is output k, pair m + k its negative.
    """

    def __init__(self, view: DifferenceView, signs: Tensor) -> None:
        self._view, self._signs, size = view, signs, view.out_size
        self.values = torch.full((size,), -torch.inf, dtype=torch.float64)
        self.points = torch.zeros(size, view.in_size, dtype=torch.float64)
        self.pairs = torch.arange(size)

    def offer(self, pairs: Tensor, points: Tensor) -> None:
        """Keep what is better among `points` [batch, q] for the pairs [batch]."""
        with torch.no_grad():
            values = torch.nan_to_num((self._view(points) * self._signs[pairs]).sum(-1), nan=-torch.inf)
        outputs = pairs % len(self.values)
        best = self.values.scatter_reduce(0, outputs, values, "amax")
        winner = (values == best[outputs]) & (values > self.values[outputs])
        self.points[outputs[winner]], self.pairs[outputs[winner]] = points[winner], pairs[winner]
        self.values = best


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

    The search ends when every bound is within `tolerance` times the attained value plus `absolute` [m], or by `meter`;
    what is open then keeps its bound. `starts` [s, q]: points of the set to look at first. Cost: a Taylor form for
    every node.
    """
    size, roots = view.out_size, len(lower)
    signs = torch.cat([torch.eye(size, dtype=torch.float64), -torch.eye(size, dtype=torch.float64)])
    # a general bound takes this view, which is no network
    network = cast("NetworkView", view)
    evaluator = Evaluator(network, TaylorBound(), signs, meter, refresh=0)
    attained = _Attained(view, signs)
    attained.offer(torch.arange(2 * size).repeat_interleave(len(starts)), starts.repeat(2 * size, 1))
    frontier = _roots(evaluator, lower.repeat(2 * size, 1), upper.repeat(2 * size, 1), roots)
    settled = torch.zeros(size, dtype=torch.float64)
    while True:
        corners = torch.where(frontier.found.slope > 0.0, frontier.upper, frontier.lower)
        attained.offer(frontier.pairs, corners if ball is None else ball.pulled(corners))
        outputs = frontier.pairs % size
        gap = frontier.found.upper - ((1.0 + tolerance) * attained.values + absolute)[outputs]
        done = (gap <= 0.0) | ~splittable(frontier.lower, frontier.upper).any(-1)
        settled = settled.scatter_reduce(0, outputs[done], frontier.found.upper[done], "amax")
        frontier, gap = frontier.select(~done), gap[~done]
        stopped = meter.exhausted() if len(frontier) else None
        if not len(frontier) or stopped:
            break
        rank = torch.argsort(gap, descending=True)
        children = _children(evaluator, frontier.select(rank[: evaluator.batch]))
        if ball is not None:
            children = children.select(~ball.misses(children.lower, children.upper))
        frontier = frontier.select(rank[evaluator.batch :]).joined(children)
    found = settled.scatter_reduce(0, frontier.pairs % size, frontier.found.upper, "amax")
    # the values at the points, proved: minus the bound of the opposite sign over each point alone
    opposite = TaylorBound().upper(view, attained.points, attained.points, -signs[attained.pairs]).upper
    return LargestError(found, torch.nan_to_num(-opposite, nan=0.0).clamp(min=0.0), stopped)


def _roots(evaluator: Evaluator, lower: Tensor, upper: Tensor, count: int) -> Frontier:
    """All boxes for all pairs, [2 m count, q]."""
    pairs = torch.arange(len(lower) // count).repeat_interleave(count)
    facts = evaluator.facts(pairs, lower, upper)
    return Frontier(pairs, lower, upper, evaluator.bounds(pairs, lower, upper, facts), facts, torch.zeros_like(pairs))


def _children(evaluator: Evaluator, parents: Frontier) -> Frontier:
    """Both halves of every parent, cut where the bound sees most of its gap."""

    def parts(lower: Tensor, upper: Tensor) -> Tensor:
        return evaluator.bounds(parents.pairs.repeat(2), lower, upper, parents.facts.repeat(2, 1)).upper

    axis = BlameSplit().axis(parents.lower, parents.upper, parents.found, 2, parts)
    return evaluator.children(parents, *cut(parents.lower, parents.upper, axis, 2), 2)
