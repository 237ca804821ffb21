"""The open boxes of a search, and their evaluation in batches that fit into memory."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from nnctrl.bounds.base import AbstractBound, AbstractLocalBound, UpperBound
from nnctrl.bounds.view import NetworkView
from nnctrl.branching.meter import Meter

BATCH_BYTES = 256e6
LARGEST_BATCH = 4096

FIRST_SLICE, SHORT_S = 16, 0.1
"""Facts are renewed for so many pairs at first, and for twice as many after a slice that took less than so many
seconds.
"""


@dataclass(frozen=True, eq=False)
class Frontier:
    """Pairs of a box and a direction: numbers of the directions `pairs` [batch], corners `lower`, `upper` [batch, n],
    their bounds `found`, local `facts` [batch, c] that hold on them, and how often they were cut, `level` [batch].
    """

    pairs: Tensor
    lower: Tensor
    upper: Tensor
    found: UpperBound
    facts: Tensor
    level: Tensor

    def __len__(self) -> int:
        return len(self.pairs)

    def select(self, index: Tensor) -> Frontier:
        """The pairs in `index` (positions or a mask)."""
        return Frontier(
            self.pairs[index],
            self.lower[index],
            self.upper[index],
            UpperBound(*(part[index] for part in self.found)),
            self.facts[index],
            self.level[index],
        )

    def joined(self, other: Frontier) -> Frontier:
        """All pairs of both."""
        return Frontier(
            torch.cat([self.pairs, other.pairs]),
            torch.cat([self.lower, other.lower]),
            torch.cat([self.upper, other.upper]),
            UpperBound(*(torch.cat([a, b]) for a, b in zip(self.found, other.found, strict=True))),
            torch.cat([self.facts, other.facts]),
            torch.cat([self.level, other.level]),
        )


@dataclass
class Evaluator:
    """Bounds boxes of one network in batches, without gradients, and counts what that costs.

    `refresh`: see `splitting.Branching`.
    """

    view: NetworkView
    bound: AbstractBound
    directions: Tensor
    meter: Meter
    refresh: int

    @property
    def batch(self) -> int:
        """Pairs that are bounded at once."""
        return int(max(16, min(LARGEST_BATCH, BATCH_BYTES // max(1, self.bound.bytes_per_pair(self.view)))))

    def roots(self, lower: Tensor, upper: Tensor) -> Frontier:
        """The box [lower, upper] (n) for every direction."""
        count = len(self.directions)
        pairs = torch.arange(count)
        low, high = lower.expand(count, -1), upper.expand(count, -1)
        facts = self.facts(pairs, low, high)
        return Frontier(pairs, low, high, self.bounds(pairs, low, high, facts), facts, torch.zeros_like(pairs))

    def children(self, parents: Frontier, lower: Tensor, upper: Tensor, pieces: int) -> Frontier:
        """The parts [lower, upper] [pieces * batch, n] of `parents`; none has a worse bound than its parent."""
        pairs, level = parents.pairs.repeat(pieces), parents.level.repeat(pieces) + 1
        facts = parents.facts.repeat(pieces, 1)
        if self.refresh and facts.shape[1]:
            self._renew(facts, pairs, lower, upper, torch.nonzero(level % self.refresh == 0).flatten())
        found = self.bounds(pairs, lower, upper, facts)
        found = found._replace(upper=torch.fmin(found.upper, parents.found.upper.repeat(pieces)))
        return Frontier(pairs, lower, upper, found, facts, level)

    def _renew(self, facts: Tensor, pairs: Tensor, lower: Tensor, upper: Tensor, due: Tensor) -> None:
        """Compute the facts of the pairs `due` anew, in slices between which the clock is looked at: a semidefinite
        program for each of thousands takes minutes. What time does not reach keeps its parent's, which hold as well.
        """
        start, size = 0, FIRST_SLICE
        while start < len(due) and self.meter.exhausted() not in ("time-budget", "memory-budget"):
            part, began = due[start : start + size], time.monotonic()
            facts[part] = self.facts(pairs[part], lower[part], upper[part])
            start += size
            if time.monotonic() - began < SHORT_S:
                size *= 2

    def facts(self, pairs: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
        """Local facts of at least one box, no columns for bounds without any."""
        if not isinstance(self.bound, AbstractLocalBound):
            return lower.new_zeros(len(lower), 0)
        directions, batch = self.directions[pairs], self.batch
        parts = [slice(i, i + batch) for i in range(0, len(lower), batch)]
        with torch.no_grad():
            return torch.cat(
                [self.bound.local_facts(self.view, lower[part], upper[part], directions[part]) for part in parts]
            )

    def bounds(self, pairs: Tensor, lower: Tensor, upper: Tensor, facts: Tensor) -> UpperBound:
        """Bounds of boxes that `facts` hold on; what time or memory do not reach is +inf."""
        directions, batch = self.directions[pairs], self.batch
        pieces = []
        self.meter.nodes += len(lower)
        with torch.no_grad():
            for i in range(0, len(lower), batch):
                if i and self.meter.exhausted() in ("time-budget", "memory-budget"):
                    nothing = torch.zeros_like(lower[i:])
                    pieces.append(UpperBound(torch.full_like(nothing[:, 0], torch.inf), nothing, nothing))
                    break
                part = slice(i, i + batch)
                box = (self.view, lower[part], upper[part], directions[part])
                if isinstance(self.bound, AbstractLocalBound):
                    pieces.append(self.bound.upper_from(*box, facts[part]))
                else:
                    pieces.append(self.bound.upper(*box))
        found = UpperBound(*(torch.cat(parts) for parts in zip(*pieces, strict=True)))
        return found._replace(upper=torch.nan_to_num(found.upper, nan=torch.inf, posinf=torch.inf))
