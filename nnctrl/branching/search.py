"""Branch and bound for support functions: maximise `d' f(x)` over a box for many directions d at once.

Best first, in batches of pairs (box, direction): pairs whose upper bound is within the tolerance of the best attained
value are settled, the others with the largest gaps are halved. A child never has a worse bound than its parent (both
hold). What a budget cuts off keeps its bound, so the answer is an upper bound whatever happens; `stopped` says why it
is not as tight as asked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nnctrl.bounds.base import AbstractBound, UpperBound
from nnctrl.bounds.view import NetworkView
from nnctrl.branching.meter import Exhausted, Meter
from nnctrl.branching.splitting import AbstractSplitting, halve, splittable

ASCENT_STEPS = 8
BATCH_BYTES = 256e6
LARGEST_BATCH = 4096
PATIENCE = 1000
"""Nodes per direction after which a search asks whether rounding is what keeps it from its tolerance."""


@dataclass(frozen=True)
class SupportSearch:
    """Result of `maximise`, per direction: certified `upper` [p], `attained` [p] (float values of f at `points` [p,
    n]), and the number of pairs bounded; `stopped` is None when every direction closed to its tolerance.
    """

    upper: Tensor
    attained: Tensor
    points: Tensor
    nodes: int
    stopped: Exhausted | None

    @property
    def gap(self) -> float:
        """Largest difference between bound and attained value."""
        return float((self.upper - self.attained).amax())


@dataclass
class _Incumbents:
    """Best attained value and its point for every direction."""

    view: NetworkView
    directions: Tensor
    values: Tensor
    points: Tensor

    def offer(self, pairs: Tensor, points: Tensor) -> None:
        """Evaluate `points` [batch, n] for the directions numbered `pairs` [batch] and keep what is better."""
        with torch.no_grad():
            values = (self.view(points) * self.directions[pairs]).sum(-1)
        best = torch.full_like(self.values, -torch.inf).scatter_reduce(0, pairs, values, "amax")
        winner = (values == best[pairs]) & (values > self.values[pairs])
        self.points[pairs[winner]] = points[winner]
        self.values = torch.maximum(self.values, best)


def maximise(
    view: NetworkView,
    lower: Tensor,
    upper: Tensor,
    directions: Tensor,
    *,
    bound: AbstractBound,
    splitting: AbstractSplitting,
    tolerance: Tensor,
    meter: Meter,
    starts: Tensor,
) -> SupportSearch:
    """Bound the support function of the image of one box [lower, upper] (n) in `directions` [p, m].

    `tolerance` [p]: how far above an attained value a bound may stay; the search gives up, with the bound it has, where
    the rounding of the bound at a point is larger. `starts` [q, n]: points of the box to begin the
    search for attained values from. Cost: one bound per pair; the memory is limited by the batch and by the frontier,
    which `meter` watches.
    """
    incumbents = _first_incumbents(view, lower, upper, directions, starts)
    count = directions.shape[0]
    pairs = torch.arange(count)
    boxes = (lower.expand(count, -1), upper.expand(count, -1))
    batch = int(max(16, min(LARGEST_BATCH, BATCH_BYTES // max(1, bound.bytes_per_pair(view)))))
    found = _bound(view, bound, *boxes, directions, batch, meter)
    nodes = count
    meter.nodes += count
    settled = torch.full((count,), -torch.inf, dtype=torch.float64)
    stopped: Exhausted | None = None
    asked = PATIENCE * count if bool(torch.isfinite(found.upper).all()) else 0.0
    while True:
        if nodes >= asked:
            # splitting does not get below the rounding of the bound; to ask once is enough
            tolerance = torch.maximum(tolerance, 2.0 * _rounding_floor(view, bound, incumbents, batch, meter))
            nodes, meter.nodes, asked = nodes + count, meter.nodes + count, math.inf
        # where both overflow nothing is known
        gap = torch.nan_to_num(found.upper - incumbents.values[pairs], nan=torch.inf, posinf=torch.inf)
        # what cannot be split any more keeps the bound it has
        done = (gap <= tolerance[pairs]) | ~splittable(*boxes).any(-1)
        settled = settled.scatter_reduce(0, pairs[done], found.upper[done], "amax")
        pairs, boxes, found = _select(pairs, boxes, found, ~done)
        stopped = meter.exhausted() if len(pairs) else None
        if not len(pairs) or stopped:
            break
        rank = torch.argsort(gap[~done], descending=True)
        chosen, rest = rank[:batch], rank[batch:]
        old_pairs, old_boxes, old_found = _select(pairs, boxes, found, chosen)
        axis = splitting.axis(*old_boxes, old_found)
        children = halve(*old_boxes, axis)
        child_pairs = old_pairs.repeat(2)
        new = _bound(view, bound, *children, directions[child_pairs], batch, meter)
        new = new._replace(upper=torch.fmin(new.upper, old_found.upper.repeat(2)))
        nodes += len(child_pairs)
        meter.nodes += len(child_pairs)
        incumbents.offer(child_pairs, _corner(*children, new.slope))
        kept_pairs, kept_boxes, kept_found = _select(pairs, boxes, found, rest)
        pairs = torch.cat([kept_pairs, child_pairs])
        boxes = (torch.cat([kept_boxes[0], children[0]]), torch.cat([kept_boxes[1], children[1]]))
        found = UpperBound(*(torch.cat([a, b]) for a, b in zip(kept_found, new, strict=True)))
    result = settled.scatter_reduce(0, pairs, torch.nan_to_num(found.upper, nan=torch.inf, posinf=torch.inf), "amax")
    return SupportSearch(result, incumbents.values, incumbents.points, nodes, stopped)


def _rounding_floor(
    view: NetworkView, bound: AbstractBound, incumbents: _Incumbents, batch: int, meter: Meter
) -> Tensor:
    """How far the bound of a single point, the best known one, lies above its value, [p]; inf where it overflows."""
    points = incumbents.points
    upper = _bound(view, bound, points, points, incumbents.directions, batch, meter).upper
    return torch.nan_to_num(upper - incumbents.values, nan=torch.inf, posinf=torch.inf)


def _bound(
    view: NetworkView,
    bound: AbstractBound,
    lower: Tensor,
    upper: Tensor,
    directions: Tensor,
    batch: int,
    meter: Meter,
) -> UpperBound:
    """The bound in batches that fit into memory, without gradients; what the budget does not reach is +inf."""
    pieces = []
    with torch.no_grad():
        for i in range(0, len(lower), batch):
            if i and meter.exhausted() in ("time-budget", "memory-budget"):
                nothing = torch.zeros_like(lower[i:])
                pieces.append(UpperBound(torch.full_like(nothing[:, 0], torch.inf), nothing, nothing))
                break
            pieces.append(bound.upper(view, lower[i : i + batch], upper[i : i + batch], directions[i : i + batch]))
    found = UpperBound(*(torch.cat(parts) for parts in zip(*pieces, strict=True)))
    return found._replace(upper=torch.nan_to_num(found.upper, nan=torch.inf, posinf=torch.inf))


def _select(
    pairs: Tensor, boxes: tuple[Tensor, Tensor], found: UpperBound, index: Tensor
) -> tuple[Tensor, tuple[Tensor, Tensor], UpperBound]:
    return pairs[index], (boxes[0][index], boxes[1][index]), UpperBound(*(part[index] for part in found))


def _corner(lower: Tensor, upper: Tensor, slope: Tensor) -> Tensor:
    """The corner that the gradient points to; the centre where it is flat."""
    return torch.where(slope > 0.0, upper, torch.where(slope < 0.0, lower, 0.5 * lower + 0.5 * upper))


def _first_incumbents(
    view: NetworkView, lower: Tensor, upper: Tensor, directions: Tensor, starts: Tensor
) -> _Incumbents:
    """Best start for each direction, improved by projected gradient steps of shrinking size."""
    with torch.no_grad():
        values, where = (view(starts) @ directions.T).max(0)
    incumbents = _Incumbents(view, directions, values, starts[where].clone())
    pairs = torch.arange(len(directions))
    point, step = incumbents.points.clone(), 1.0
    for _ in range(ASCENT_STEPS):
        with torch.enable_grad():
            variable = point.detach().requires_grad_(True)
            (gradient,) = torch.autograd.grad((view(variable) * directions).sum(), variable)
        target = _corner(lower, upper, gradient)
        point = torch.minimum(torch.maximum(point + step * (target - point), lower), upper)
        incumbents.offer(pairs, point)
        step *= 0.6
    return incumbents
