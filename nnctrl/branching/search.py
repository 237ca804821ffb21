"""Branch and bound for support functions: maximise `d' f(x)` over a box for many directions d at once.

Best first, in batches of pairs (box, direction): pairs whose upper bound is within the tolerance of the best attained
value are settled, the others with the largest gaps are cut. A child never has a worse bound than its parent (both
hold). What a budget cuts off keeps its bound, so the answer is an upper bound whatever happens; `stopped` says why it
is not as tight as asked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from nnctrl.bounds.ball import InputBall
from nnctrl.bounds.base import AbstractBound
from nnctrl.bounds.plant_bound import suited
from nnctrl.bounds.view import NetworkView, View
from nnctrl.branching.frontier import Evaluator, Frontier
from nnctrl.branching.meter import Exhausted, Meter
from nnctrl.branching.splitting import Branching, cut, splittable

ASCENT_STEPS = 8
PATIENCE = 1000
"""Nodes per direction after which a search asks whether rounding is what keeps it from its tolerance."""


@dataclass(frozen=True)
class SupportSearch:
    """Result of `maximise`, per direction: certified `upper` [p], `attained` [p] (float values of f at `points` [p,
    n]), the number of pairs bounded (`nodes`) and of boxes made, roots included (`branches`: fewer where a rule looks
    ahead); `stopped` is None when every direction closed to its tolerance.
    """

    upper: Tensor
    attained: Tensor
    points: Tensor
    nodes: int
    branches: int
    stopped: Exhausted | None

    @property
    def gap(self) -> float:
        """Largest difference between bound and attained value."""
        return float((self.upper - self.attained).amax())


@dataclass
class _Incumbents:
    """Best attained value and its point for every direction."""

    view: View
    directions: Tensor
    values: Tensor
    points: Tensor
    ball: InputBall | None

    def offer(self, pairs: Tensor, points: Tensor) -> None:
        """Evaluate `points` [batch, n] for the directions numbered `pairs` [batch] and keep what is better."""
        if self.ball is not None:
            points = self.ball.pulled(points)
        with torch.no_grad():
            values = (self.view(points) * self.directions[pairs]).sum(-1)
        best = torch.full_like(self.values, -torch.inf).scatter_reduce(0, pairs, values, "amax")
        winner = (values == best[pairs]) & (values > self.values[pairs])
        self.points[pairs[winner]] = points[winner]
        self.values = torch.maximum(self.values, best)


def maximise(
    view: View,
    lower: Tensor,
    upper: Tensor,
    directions: Tensor,
    *,
    bound: AbstractBound,
    branching: Branching,
    tolerance: Tensor,
    meter: Meter,
    starts: Tensor,
    ball: InputBall | None = None,
) -> SupportSearch:
    """Bound the support function of the image of one box [lower, upper] (n) in `directions` [p, m], or of its
    intersection with `ball`, of which parts that miss the ball are dropped.

    `tolerance` [p]: how far above an attained value a bound may stay; the search gives up, with the bound it has, where
    the rounding of the bound at a point is larger. `starts` [q, n]: points of the box to begin the
    search for attained values from. Cost: one bound per pair; the memory is limited by the batch and by the frontier,
    which `meter` watches. UnsupportedError for a bound that is for networks only and a view that is more (`suited`).
    """
    if ball is not None:
        bound = bound.within(ball)
    incumbents = _first_incumbents(view, lower, upper, directions, starts, ball)
    # a suited bound takes this view, whatever it is
    network = cast("NetworkView", view)
    evaluator, before = Evaluator(network, suited(bound, view), directions, meter, branching.refresh), meter.nodes
    frontier = evaluator.roots(lower, upper)
    count = branches = len(frontier)
    settled = torch.full((count,), -torch.inf, dtype=torch.float64)
    stopped: Exhausted | None = None
    asked = PATIENCE * count if bool(torch.isfinite(frontier.found.upper).all()) else 0.0
    while True:
        if meter.nodes - before >= asked:
            # splitting does not get below the rounding of the bound; to ask once is enough
            tolerance = torch.maximum(tolerance, 2.0 * _rounding_floor(evaluator, incumbents))
            asked = math.inf
        # where both overflow nothing is known
        gap = frontier.found.upper - incumbents.values[frontier.pairs]
        gap = torch.nan_to_num(gap, nan=torch.inf, posinf=torch.inf)
        # what cannot be split any more keeps the bound it has
        done = (gap <= tolerance[frontier.pairs]) | ~splittable(frontier.lower, frontier.upper).any(-1)
        settled = settled.scatter_reduce(0, frontier.pairs[done], frontier.found.upper[done], "amax")
        frontier, gap = frontier.select(~done), gap[~done]
        stopped = meter.exhausted() if len(frontier) else None
        if not len(frontier) or stopped:
            break
        rank = torch.argsort(gap, descending=True)
        chosen, rest = rank[: evaluator.batch], rank[evaluator.batch :]
        children = _children(evaluator, frontier.select(chosen), branching)
        branches += len(children)
        if ball is not None:
            children = children.select(~ball.misses(children.lower, children.upper))
        incumbents.offer(children.pairs, _corner(children.lower, children.upper, children.found.slope))
        frontier = frontier.select(rest).joined(children)
    result = settled.scatter_reduce(0, frontier.pairs, frontier.found.upper, "amax")
    return SupportSearch(result, incumbents.values, incumbents.points, meter.nodes - before, branches, stopped)


def _children(evaluator: Evaluator, parents: Frontier, branching: Branching) -> Frontier:
    """All parts of every parent."""
    pieces = branching.pieces

    def look_ahead(lower: Tensor, upper: Tensor) -> Tensor:
        return evaluator.bounds(parents.pairs.repeat(pieces), lower, upper, parents.facts.repeat(pieces, 1)).upper

    axis = branching.splitting.axis(parents.lower, parents.upper, parents.found, pieces, look_ahead)
    return evaluator.children(parents, *cut(parents.lower, parents.upper, axis, pieces), pieces)


def _rounding_floor(evaluator: Evaluator, incumbents: _Incumbents) -> Tensor:
    """How far the bound of a single point, the best known one, lies above its value, [p]; inf where it overflows."""
    points, pairs = incumbents.points, torch.arange(len(incumbents.points))
    upper = evaluator.bounds(pairs, points, points, evaluator.facts(pairs, points, points)).upper
    return torch.nan_to_num(upper - incumbents.values, nan=torch.inf, posinf=torch.inf)


def _corner(lower: Tensor, upper: Tensor, slope: Tensor) -> Tensor:
    """The corner that the gradient points to; the centre where it is flat."""
    return torch.where(slope > 0.0, upper, torch.where(slope < 0.0, lower, 0.5 * lower + 0.5 * upper))


def _first_incumbents(
    view: View, lower: Tensor, upper: Tensor, directions: Tensor, starts: Tensor, ball: InputBall | None
) -> _Incumbents:
    """Best start for each direction, improved by projected gradient steps of shrinking size."""
    if ball is not None:
        starts = ball.pulled(starts)
    with torch.no_grad():
        values, where = (view(starts) @ directions.T).max(0)
    incumbents = _Incumbents(view, directions, values, starts[where].clone(), ball)
    pairs = torch.arange(len(directions))
    point, step = incumbents.points.clone(), 1.0
    for _ in range(ASCENT_STEPS):
        with torch.enable_grad():
            variable = point.detach().requires_grad_(True)
            (gradient,) = torch.autograd.grad((view(variable) * directions).sum(), variable)
        target = _corner(lower, upper, gradient)
        point = torch.minimum(torch.maximum(point + step * (target - point), lower), upper)
        if ball is not None:
            point = ball.pulled(point)
        incumbents.offer(pairs, point)
        step *= 0.6
    return incumbents
