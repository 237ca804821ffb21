"""Certified training on pairs: networks of any depth that map input sets into what is wanted of them, proved.

A start imitates the middles of the output sets. Rounds of L-BFGS then lower the squared shortfall at points of the
input sets, and after each branch and bound decides. What it proves is the result. What it refutes becomes points of the
next round. Where it cannot decide within its budget the network does what is wanted and cannot be bounded well: the
next round lowers the rounded, differentiable bounds of `lmi.part_bounds` over parts of that input set as well.

Bounds over parts are not trained on before that. Where input sets nearly touch a network has to be steep, and no bound
over parts of a sensible number is negative there: with them from the second round on 17 of 20 draws of six discs were
proved and without them 19, in half the time (measured before first layers started between the sets, 60 s of wall time).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nnctrl.bounds.view import NetworkView, tensor
from nnctrl.branching.meter import Meter
from nnctrl.errors import InputError
from nnctrl.learning.certified.pairs_points import fitted, points_near, points_of
from nnctrl.learning.certified.trainable import Trainable
from nnctrl.learning.lmi.conditions import Pair, sizes_of
from nnctrl.learning.lmi.cross_check import CrossCheck, CrossCheckStatus, cross_check
from nnctrl.learning.lmi.part_bounds import Parts, Region, halved
from nnctrl.learning.lmi.start import deepest_outputs
from nnctrl.networks.activations import Activation, Relu
from nnctrl.networks.network import Network
from nnctrl.progress import Progress, SilentProgress
from nnctrl.threads import single_threaded

MARGIN = 0.2
"""Points are wanted below 0 by this share of what an inequality can reach; bounds over parts below 0."""

LEAST_DEPTH = 1e-9
"""An inequality that can reach no less is not scaled up further."""

MOST_PARTS = 64
"""Parts of one input set that a round trains on."""

POINT_ITERATIONS, PART_ITERATIONS = 1500, 100
"""Of L-BFGS in a round without and with bounds over parts; it ends earlier when nothing falls short."""

CHECKED_PARTS = 20_000
"""What branch and bound may spend on a pair after a round."""


@dataclass(frozen=True, eq=False)
class PairTraining:
    """`network`: the last one, which meets the pairs if `is_proved`; `checks`: branch and bound's answer for each pair.

    `start` and `round` it was made in, from 0; `seconds` of CPU time.
    """

    network: Network
    checks: tuple[CrossCheck, ...]
    start: int
    round: int
    seconds: float

    @property
    def is_proved(self) -> bool:
        """Whether every pair is proved."""
        return all(check.is_proved for check in self.checks)


@single_threaded()
def train_on_pairs(
    pairs: Sequence[Pair],
    hidden: Sequence[int],
    activation: Activation | None = None,
    *,
    starts: int = 4,
    rounds: int = 8,
    seconds: float = 50.0,
    seed: int = 0,
    progress: Progress | None = None,
) -> PairTraining:
    """A network n-hidden-m that meets every pair, or the last that was tried; ReLU by default.

    At most `starts` of `rounds` each; no round begins after `seconds` of CPU time. Specifications have to be convex in
    the output for the start to mean something. InputError for pairs of different sizes, and without hidden layers or
    starts. Cost: about a second for a start, tenths of a second to some seconds for a round.
    """
    sizes_of(pairs)
    if not hidden or starts < 1 or rounds < 1:
        raise InputError(
            f"hidden layers {tuple(hidden)}, {starts} starts and {rounds} rounds are asked for; give at least one each"
        )
    report, kind = progress or SilentProgress(), Relu() if activation is None else activation
    regions, began = [Region.of(pair) for pair in pairs], time.process_time()
    for start in range(starts):
        rng = np.random.default_rng([seed, start])
        network = fitted(pairs, hidden, kind, rng, report)
        objective = _Objective(pairs, regions, [tensor(points_of(pair, rng)) for pair in pairs])
        for number in range(rounds):
            value = objective.minimise(network)
            found = network.network(f"certified training on {len(pairs)} pairs, seed {seed}, start {start}")
            checks = tuple(cross_check(found, pair, Meter(allowed_nodes=CHECKED_PARTS)) for pair in pairs)
            spent = time.process_time() - began
            result = PairTraining(found, checks, start, number, spent)
            left = sum(not check.is_proved for check in checks)
            report.update(f"start {start}, shortfall {value:.2e}, pairs not proved: {left}", number, rounds)
            if result.is_proved or spent >= seconds:
                return result
            objective.learn(checks, network.view(), rng)
    return result


class _Objective:
    """The shortfall at points [k, n] of every pair, and of bounds over parts of some of the input sets."""

    def __init__(self, pairs: Sequence[Pair], regions: Sequence[Region], points: list[Tensor]) -> None:
        self.regions, self.points = regions, points
        self.depths = [_depths(pair, region, some) for pair, region, some in zip(pairs, regions, points, strict=True)]
        self.groups: list[tuple[Parts, Tensor]] = []

    def learn(self, checks: Sequence[CrossCheck], view: NetworkView, rng: np.random.Generator) -> None:
        """Points about what violates, and parts of the input sets that were not decided for the network `view`."""
        kinds: dict[tuple[int, int, bool], list[tuple[Parts, Tensor]]] = {}
        for place, (check, region, depths) in enumerate(zip(checks, self.regions, self.depths, strict=True)):
            if check.violation is not None:
                near = points_near(region, check.violation.coefficients, rng)
                self.points[place] = torch.cat([self.points[place], near])
            if check.status in (CrossCheckStatus.UNDECIDED, CrossCheckStatus.INDIVISIBLE):
                parts = _cut(region, view)
                kinds.setdefault(region.kind, []).append((parts, depths.expand(len(parts.lower), -1)))
        self.groups = [
            (Parts.joined([parts for parts, _ in some]), torch.cat([depths for _, depths in some]))
            for some in kinds.values()
        ]

    def minimise(self, network: Trainable) -> float:
        """One run of L-BFGS; returns the value that it ends with."""
        optimiser = torch.optim.LBFGS(
            network.parameters,
            max_iter=PART_ITERATIONS if self.groups else POINT_ITERATIONS,
            history_size=50,
            line_search_fn="strong_wolfe",
            tolerance_grad=1e-10,
            tolerance_change=1e-14,
        )

        def closure() -> Tensor:
            optimiser.zero_grad()
            value = self.value(network.view())
            value.backward()
            return value

        optimiser.step(closure)
        return float(self.value(network.view()).detach())

    def value(self, view: NetworkView) -> Tensor:
        """Mean squared shortfalls of points plus those of parts."""
        outputs = view(torch.cat(self.points)).split([len(points) for points in self.points])
        terms = []
        for region, depths, x, y in zip(self.regions, self.depths, self.points, outputs, strict=True):
            terms.append(_shortfall(_values(region, x, y) / depths + MARGIN).mean())
        total = torch.stack(terms).mean()
        for parts, depths in self.groups:
            total = total + _shortfall(parts.bounds(view).upper / depths).mean()
        return total


def _values(region: Region, x: Tensor, y: Tensor) -> Tensor:
    """`[x; y; 1]' S_i [x; y; 1]` [k, m] at points, in floating point."""
    joint = torch.cat([x, y, torch.ones_like(x[:, :1])], -1)
    return torch.einsum("ka,mab,kb->km", joint, region.middle, joint)


def _shortfall(excess: Tensor) -> Tensor:
    """The squares of what is positive, damped so that far away it counts as a squared distance would."""
    return (torch.sqrt(1.0 + excess.clamp(min=0.0)) - 1.0) ** 2


def _depths(pair: Pair, region: Region, points: Tensor) -> Tensor:
    """How far below 0 every inequality [m] can be at its best, the unit of its shortfall."""
    best = tensor(deepest_outputs(pair.specification, points.numpy()))
    return (-_values(region, points, best).mean(0)).clamp(min=LEAST_DEPTH)


def _cut(region: Region, view: NetworkView) -> Parts:
    """The input set in at most about `MOST_PARTS` parts, halved where the bounds are positive."""
    inputs = region.inputs
    lower, upper = inputs.lower.unsqueeze(0), inputs.upper.unsqueeze(0)
    with torch.no_grad():
        while True:
            met = ~inputs.misses(lower, upper)
            lower, upper = lower[met], upper[met]
            parts = region.parts(lower, upper)
            found = parts.bounds(view)
            is_open = ~(found.upper <= 0.0).all(-1)
            if len(lower) + int(is_open.sum()) > MOST_PARTS or not is_open.any():
                return parts
            halves = halved(lower[is_open], upper[is_open], found.effects[is_open])
            if halves is None:
                return parts
            lower, upper = torch.cat([lower[~is_open], halves[0]]), torch.cat([upper[~is_open], halves[1]])
