"""Branch and bound as a second, independent proof that a network meets a specification on a set.

Where `analysis.certify` covers the whole set with one matrix inequality and sectors, this cuts the set's coefficients
into boxes and bounds the inequalities over each by a rounded Taylor form (`part_bounds`). Neither sectors nor
multipliers nor a solver have a part in it. With enough parts it proves every specification that holds with room to
spare (more than rounding), and refutes those that fail so, but for one kind of set: a point that refutes is a vector of
doubles that is in the set exactly, and a polytope that is flat may hold none. Of one whose flat directions are axes
such points are found; of other flat ones it may well stay undecided.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor

from nnctrl._typing import FloatArray
from nnctrl.bounds.interval import midpoint_radius
from nnctrl.bounds.view import NetworkView, tensor
from nnctrl.branching.meter import Meter
from nnctrl.errors import DimensionError
from nnctrl.learning.lmi.conditions import Pair
from nnctrl.learning.lmi.part_bounds import Region, divisible, halved
from nnctrl.networks.network import Network
from nnctrl.sets.polytope import Polytope
from nnctrl.sets.rounding import dot_down, dot_up
from nnctrl.threads import single_threaded

BATCH = 512
"""Parts that are bounded together."""

MOST_PARTS = 200_000
"""By default the search ends undecided after so many."""

INWARD = 1.0 - 1e-12
"""Points are drawn into the unit ball by this factor; whether they are certainly inside is asked afterwards."""

MOST_EXACT = 16
"""So many points of a batch are tried for membership in rational arithmetic."""


class CrossCheckStatus(Enum):
    """Proved and violated are proofs, each for all matrices that the specification encloses."""

    PROVED = "proved: the specification holds on the whole set, by branch and bound"
    VIOLATED = "violated: a point of the set does not meet the specification"
    UNDECIDED = "undecided: the budget ended before every part was decided"
    INDIVISIBLE = "undecided: some part cannot be cut further"


@dataclass(frozen=True, eq=False)
class Violation:
    """At the point with the coefficients `coefficients` [q], near `point` [n], inequality `index` is at least `value`
    > 0. This is proved for the real point that the coefficients stand for, which is in the set.
    """

    coefficients: FloatArray
    point: FloatArray
    index: int
    value: float


@dataclass(frozen=True, eq=False)
class CrossCheck:
    """`margin`: every inequality is at most minus this on the whole set (None unless PROVED). A part is closed as soon
    as its margin is not negative, so that more may hold. `parts`: how many were bounded.
    """

    status: CrossCheckStatus
    margin: float | None
    violation: Violation | None
    parts: int

    @property
    def is_proved(self) -> bool:
        """Whether the specification is proved."""
        return self.status is CrossCheckStatus.PROVED


@single_threaded()
def cross_check(network: Network, pair: Pair, meter: Meter | None = None) -> CrossCheck:
    """Whether `network` meets the specification of `pair` on its whole input set, by branch and bound.

    Any network of any depth and any specification, convex in the output or not. `meter`: what may be spent, by default
    `MOST_PARTS` parts. DimensionError if the sizes do not agree. Cost: one Taylor form of all hidden neurons for every
    part; parts number in the tens where the margin is a fair share of the output set.
    """
    sizes = (pair.inputs.dim, pair.specification.out_size)
    if (network.in_size, network.out_size) != sizes:
        raise DimensionError(
            f"a network of {network.in_size} inputs and {network.out_size} outputs is checked for {sizes[0]} inputs "
            f"and {sizes[1]} outputs; they must agree"
        )
    return _Search(network, pair, meter or Meter(allowed_nodes=MOST_PARTS)).run()


class _Search:
    """Open parts are halved along the coefficient that is most to blame; depth first, so that few are kept."""

    def __init__(self, network: Network, pair: Pair, meter: Meter) -> None:
        self.view, self.meter, self.source = NetworkView.of(network), meter, pair.inputs.source
        self.region = Region.of(pair)
        self.negated = self.region.negated()
        self.parts, self.margin, self.is_stuck = 0, torch.inf, False

    def run(self) -> CrossCheck:
        """Until no part is left that can be cut, a point violates, or the budget ends."""
        inputs = self.region.inputs
        lower, upper = inputs.lower.unsqueeze(0), inputs.upper.unsqueeze(0)
        while len(lower):
            if self.meter.exhausted() is not None:
                return self._ended(CrossCheckStatus.UNDECIDED)
            low, high = lower[-BATCH:], upper[-BATCH:]
            lower, upper = lower[:-BATCH], upper[:-BATCH]
            met = ~inputs.misses(low, high)
            low, high = low[met], high[met]
            if not len(low):
                continue
            found = self.region.parts(low, high).bounds(self.view)
            self.parts += len(low)
            self.meter.nodes += len(low)
            # a bound that is nan proves nothing: its part stays open
            is_closed = (found.upper <= 0.0).all(-1)
            if is_closed.any():
                self.margin = min(self.margin, float(-found.upper[is_closed].amax()))
            if is_closed.all():
                continue
            low, high = low[~is_closed], high[~is_closed]
            violation = self._violation(low, high, found.slopes[~is_closed])
            if violation is not None:
                return self._ended(CrossCheckStatus.VIOLATED, violation)
            effects = found.effects[~is_closed]
            can_be_cut = divisible(low, high, effects)
            # a part that stays undecided for ever forbids a proof, but others may violate
            self.is_stuck = self.is_stuck or not bool(can_be_cut.all())
            halves = halved(low[can_be_cut], high[can_be_cut], effects[can_be_cut])
            if halves is not None:
                lower, upper = torch.cat([lower, halves[0]]), torch.cat([upper, halves[1]])
        return self._ended(CrossCheckStatus.INDIVISIBLE if self.is_stuck else CrossCheckStatus.PROVED)

    def _ended(self, status: CrossCheckStatus, violation: Violation | None = None) -> CrossCheck:
        margin = self.margin if status is CrossCheckStatus.PROVED else None
        return CrossCheck(status, margin, violation, self.parts)

    def _violation(self, lower: Tensor, upper: Tensor, slopes: Tensor) -> Violation | None:
        """The worst of the middles and of the corners that the slopes point to, if it is proved to violate."""
        inputs, (middle, radius) = self.region.inputs, midpoint_radius(lower, upper)
        corners = middle.unsqueeze(1) + torch.sign(slopes) * radius.unsqueeze(1)
        points = torch.cat([middle, corners.flatten(0, 1)])
        points = torch.minimum(torch.maximum(points, inputs.lower), inputs.upper)
        if self.region.is_round:
            length = torch.linalg.vector_norm(points, dim=-1, keepdim=True)
            points = points * torch.where(length > INWARD, INWARD / length, torch.ones_like(length))
        points = points[self._perhaps_inside(points)]
        if not len(points):
            return None
        least = torch.nan_to_num(-self.negated.parts(points, points).bounds(self.view).upper, nan=-torch.inf)
        worst, indices = least.max(-1)
        order = torch.argsort(worst, descending=True)
        for row in order[worst[order] > 0.0][:MOST_EXACT].tolist():
            if self._is_inside(points[row]):
                point = inputs.view(points[row]).numpy()
                return Violation(points[row].numpy(), point, int(indices[row]), float(worst[row]))
        return None

    def _perhaps_inside(self, points: Tensor) -> Tensor:
        """Points [k, q] less those that are certainly no coefficients of points of a polytope, and less those that are
        not certainly some of an ellipsoid.
        """
        if self.region.is_round:
            return dot_up(points, points) <= 1.0
        if isinstance(self.source, Polytope):
            normals, offsets = tensor(self.source.normals), tensor(self.source.offsets)
            return (dot_down(points.unsqueeze(1), normals) <= offsets).all(-1)
        # of boxes and zonotopes the coefficients are a box, which the points were clipped to
        return torch.ones(len(points), dtype=torch.bool)

    def _is_inside(self, point: Tensor) -> bool:
        """Whether what is perhaps inside is: no inequality of a flat polytope is left room for rounding."""
        return not isinstance(self.source, Polytope) or self.source.contains(point.numpy()).verdict == "inside"
