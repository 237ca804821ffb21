"""The methods that the experiments compare: a bound with a way of branching, and what a run of one costs.

The paper's algorithm computes Lipschitz constants and Hessian norms once, for the whole set, expands at centres and
halves the longest edge; nnctrl's own default is the Taylor bound with cuts by blame. Bounds are those of nnctrl, so a
row called "first order" has the paper's formulas with certified arithmetic, its tails bounded neuron by neuron.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from nnctrl.bounds.base import AbstractBound
from nnctrl.bounds.first_order import FirstOrderBound
from nnctrl.bounds.layered import LayeredView, Ranges
from nnctrl.bounds.lipschitz import AbstractLipschitz, LipLT, LipschitzConstants, NaiveLipschitz
from nnctrl.bounds.lipsdp import LipSDP
from nnctrl.bounds.taylor import TaylorBound
from nnctrl.bounds.zeroth_order import ZerothOrderBound
from nnctrl.branching.meter import Meter
from nnctrl.branching.splitting import Branching, LongestEdge
from nnctrl.suite import Row

PAPER_BRANCHING = Branching(LongestEdge(), pieces=2, refresh=0)

LIPSCHITZ: dict[str, AbstractLipschitz] = {"naive": NaiveLipschitz(), "LipLT": LipLT(), "LipSDP": LipSDP()}

MOST_NODES, MOST_SECONDS, MOST_BYTES = 2_000_000, 300.0, 8e9
"""What one run may spend. Nodes are what ends the hopeless ones: their number does not depend on the machine."""


def budget() -> Meter:
    """A meter for one run, started now."""
    return Meter(seconds=MOST_SECONDS, memory_bytes=MOST_BYTES, allowed_nodes=MOST_NODES)


@dataclass(frozen=True)
class Method:
    """A bound and a way of branching; `lipschitz` is the name of the constants' method, None for bounds without."""

    label: str
    bound: AbstractBound
    branching: Branching = PAPER_BRANCHING
    lipschitz: str | None = None

    def timed(self, clock: Clock) -> Method:
        """The same method, with the time of its Lipschitz constants added to `clock`."""
        if not isinstance(self.bound, ZerothOrderBound | FirstOrderBound):
            return self
        return replace(self, bound=replace(self.bound, lipschitz=TimedLipschitz(self.bound.lipschitz, clock)))


def zeroth_order(lipschitz: str = "LipSDP") -> Method:
    """The paper's baseline, ReachLipBnB: Lipschitz constants only."""
    return Method("zeroth order", ZerothOrderBound(LIPSCHITZ[lipschitz]), lipschitz=lipschitz)


def first_order(lipschitz: str = "LipLT", branching: Branching = PAPER_BRANCHING) -> Method:
    """The paper's method."""
    return Method("first order", FirstOrderBound(LIPSCHITZ[lipschitz]), branching, lipschitz)


DEFAULT = Method("taylor (default)", TaylorBound(), Branching())


@dataclass
class Clock:
    """Seconds that were spent on something."""

    seconds: float = 0.0


@dataclass(frozen=True)
class TimedLipschitz(AbstractLipschitz):
    """The constants of `method`, with their time added to `clock`."""

    method: AbstractLipschitz
    clock: Clock

    def constants(
        self, net: LayeredView, ranges: Ranges, directions: Tensor, p: float, scale: Tensor | None = None
    ) -> LipschitzConstants:
        """See `AbstractLipschitz.constants`."""
        started = time.perf_counter()
        found = self.method.constants(net, ranges, directions, p, scale)
        self.clock.seconds += time.perf_counter() - started
        return found


@dataclass(frozen=True)
class Cost:
    """What one run took: boxes made (`branches`, as the paper counts), bounds computed (`nodes`), seconds in all and
    for the Lipschitz constants; `stopped`: the budget that ended it, or None.
    """

    branches: int
    nodes: int
    time_s: float
    lipschitz_s: float
    stopped: str | None


@dataclass(frozen=True)
class Repeated:
    """The costs of the same run with several seeds."""

    costs: Sequence[Cost] = field(default_factory=tuple)

    @staticmethod
    def over_seeds(seeds: int, run: Callable[[int], Cost]) -> Repeated:
        """`run` with the seeds from 0 on; a run that its budget ends is not repeated."""
        costs: list[Cost] = []
        for seed in range(seeds):
            costs.append(run(seed))
            if costs[-1].stopped is not None:
                return Repeated(costs[-1:])
        return Repeated(costs)

    @property
    def stopped(self) -> str | None:
        """The budget that ended the runs, if one did."""
        return self.costs[-1].stopped

    @property
    def branches(self) -> float:
        """Mean number of boxes; of a run that was ended, a lower bound of what it needs."""
        return statistics.fmean(cost.branches for cost in self.costs)

    @property
    def nodes(self) -> float:
        """Mean number of bounds."""
        return statistics.fmean(cost.nodes for cost in self.costs)

    def row(self) -> Row:
        """Means and standard deviations."""
        times = [cost.time_s for cost in self.costs]
        return {
            "seeds": len(self.costs),
            "branches": self.branches,
            "branches_std": statistics.pstdev(cost.branches for cost in self.costs),
            "nodes": self.nodes,
            "time_s": statistics.fmean(times),
            "time_s_std": statistics.pstdev(times),
            "lipschitz_s": statistics.fmean(cost.lipschitz_s for cost in self.costs),
            "ended_by": self.stopped,
        }
