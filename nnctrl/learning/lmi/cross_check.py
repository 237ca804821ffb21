"""Branch and bound as a second, independent proof that a network meets a specification on a set.

Where `analysis.certify` covers the whole set with one matrix inequality and sectors, this cuts the set's coefficients
into boxes and bounds the inequalities over each by a rounded Taylor form (`part_bounds`). Neither sectors nor
multipliers nor a solver have a part in it. With enough parts it decides every specification that holds, or fails, with
room to spare.
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
from nnctrl.learning.lmi.part_bounds import Region, halved
from nnctrl.networks.network import Network
from nnctrl.sets.polytope import Polytope
from nnctrl.sets.rounding import dot_up
from nnctrl.threads import single_threaded

BATCH = 512
"""Parts that are bounded together."""

MOST_PARTS = 200_000
"""By default the search ends undecided after so many."""

INWARD = 1.0 - 1e-12
"""Points are drawn into the unit ball by this factor; whether they are certainly inside is asked afterwards."""


class CrossCheckStatus(Enum):
    """Proved and violated are proofs, each for all matrices that the specification encloses."""

    PROVED = "proved: the specification holds on the whole set, by branch and bound"
    VIOLATED = "violated: a point of the set does not meet the specification"
    UNDECIDED = "undecided: the budget ended before every part was decided"


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
        self.parts, self.margin = 0, torch.inf

    def run(self) -> CrossCheck:
        """Until no part is left, a point violates, or the budget ends."""
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
            halves = halved(low, high, found.effects[~is_closed])
            if halves is None:
                return self._ended(CrossCheckStatus.UNDECIDED)
            lower, upper = torch.cat([lower, halves[0]]), torch.cat([upper, halves[1]])
        return self._ended(CrossCheckStatus.PROVED)

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
        points = points[self._certainly_inside(points)]
        if not len(points):
            return None
        least = torch.nan_to_num(-self.negated.parts(points, points).bounds(self.view).upper, nan=-torch.inf)
        row, index = divmod(int(least.argmax()), least.shape[1])
        if not least[row, index] > 0.0:
            return None
        return Violation(points[row].numpy(), inputs.view(points[row]).numpy(), index, float(least[row, index]))

    def _certainly_inside(self, points: Tensor) -> Tensor:
        """Which points [k, q] are coefficients of points of the set, rounding included."""
        if self.region.is_round:
            return dot_up(points, points) <= 1.0
        if isinstance(self.source, Polytope):
            normals, offsets = tensor(self.source.normals), tensor(self.source.offsets)
            return (dot_up(points.unsqueeze(1), normals) <= offsets).all(-1)
        # of boxes and zonotopes the coefficients are a box, which the points were clipped to
        return torch.ones(len(points), dtype=torch.bool)
