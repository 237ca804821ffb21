"""Parts of the initial set: enclosed step by step, closed, or split where the specification is open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from nnctrl.bounds.taylor_form import TaylorForm
from nnctrl.branching.meter import Meter
from nnctrl.reachability.chain import StepChain
from nnctrl.reachability.parametrisation import Parametrisation
from nnctrl.sets.rounding import TINY, UNIT_ROUNDOFF, widen_up
from nnctrl.sets.zonotope import Zonotope
from nnctrl.specs.monitor import Monitor

PICTURE_SYMBOLS = 24
"""Residual symbols that stored flowpipe sets keep besides those of the initial set."""


@dataclass(frozen=True, eq=False)
class PartsResult:
    """What enclosing a batch of parts showed.

    `margins` [batch, requirements]: certified lower bounds over the whole horizon, -inf where nothing was proved, as
    for parts that were abandoned. `closed` [batch]: all requirements hold. `score` [batch, q]: where an open part
    should be split. `diverged`: some enclosure was not finite.
    """

    margins: Tensor
    closed: Tensor
    score: Tensor
    diverged: bool
    sets: list[list[Zonotope | None]] = field(default_factory=list)


def enclose_parts(
    chain: StepChain,
    initial: Parametrisation,
    monitors: Sequence[Monitor],
    lower: Tensor,
    upper: Tensor,
    horizon: int,
    *,
    keep_sets: bool,
    meter: Meter,
    to_the_end: bool = False,
) -> PartsResult:
    """Enclose the trajectories from the parts [lower, upper] [batch, q] and evaluate every requirement.

    A part is abandoned at the first step where a Stay or Avoid requirement is not proved, unless `to_the_end`; all are
    when `meter`, which counts the nodes, is exhausted. `sets`[k]: zonotopes of the closed
    parts at step k, None for one that overflowed.
    """
    batch = len(lower)
    watch = _Watch(monitors, batch, lower.shape[1], meter)
    alive = torch.arange(batch)
    state = chain.start(initial, lower, upper)
    sets: list[list[tuple[int, Zonotope | None]]] = [[] for _ in range(horizon + 1)]
    for k in range(horizon + 1):
        signals, following = chain.step(state) if k < horizon else (chain.last(state), state)
        if keep_sets:
            sets[k].extend(zip(alive.tolist(), zonotopes(signals.state), strict=True))
        keep = watch.observe(k, alive, signals.signals) | to_the_end
        if k < horizon and meter.exhausted():
            keep = torch.zeros_like(keep)
        alive, state = alive[keep], following.parts(keep)
        if not len(alive):
            break
    closed = watch.finish(alive)
    chosen = [[z for part, z in row if closed[part]] for row in sets] if keep_sets else []
    return PartsResult(watch.margins, closed, watch.score, watch.diverged, chosen)


class _Watch:
    """Margins of a batch of parts while they are propagated."""

    def __init__(self, monitors: Sequence[Monitor], batch: int, inputs: int, meter: Meter) -> None:
        self.monitors, self.meter = monitors, meter
        start = [-torch.inf if monitor.is_reach else torch.inf for monitor in monitors]
        self.margins = torch.tensor(start, dtype=torch.float64).repeat(batch, 1)
        self.score = torch.zeros(batch, inputs, dtype=torch.float64)
        self.diverged = False

    def observe(self, k: int, alive: Tensor, signals: TaylorForm) -> Tensor:
        """Update the margins of the parts numbered `alive`; returns which of them go on."""
        keep = torch.ones(len(alive), dtype=torch.bool)
        for number, monitor in enumerate(self.monitors):
            if not monitor.active(k):
                continue
            self.meter.nodes += len(alive)
            found = monitor.certified(k, signals)
            margin = torch.nan_to_num(found.margin, nan=-torch.inf, neginf=-torch.inf)
            self.diverged = self.diverged or not bool(torch.isfinite(margin).all())
            before = self.margins[alive, number]
            if monitor.is_reach:
                better = margin > before
                blame = monitor.blame(signals, found.direction)
                self.score[alive[better]] = _known(blame[better])
                self.margins[alive, number] = torch.maximum(before, margin)
                continue
            self.margins[alive, number] = torch.minimum(before, margin)
            failed = ~monitor.holds(margin) & keep
            if failed.any():
                blame = monitor.blame(signals, found.direction)
                self.score[alive[failed]] = _known(blame[failed])
                keep &= ~failed
        return keep

    def finish(self, alive: Tensor) -> Tensor:
        """Which parts are closed: followed to the end, every requirement holding."""
        abandoned = torch.ones(len(self.margins), dtype=torch.bool)
        abandoned[alive] = False
        for number, monitor in enumerate(self.monitors):
            if not monitor.is_reach:
                # steps that nobody looked at may be worse
                self.margins[abandoned, number] = -torch.inf
        holds = [monitor.holds(self.margins[:, number]) for number, monitor in enumerate(self.monitors)]
        return ~abandoned & torch.stack(holds).all(0)


def _known(blame: Tensor) -> Tensor:
    """Blame [batch, q] where all of a row is finite, else nothing: then the widest coordinate is split."""
    return torch.where(torch.isfinite(blame).all(-1, keepdim=True), blame, torch.zeros_like(blame))


def zonotopes(form: TaylorForm) -> list[Zonotope | None]:
    """One outer zonotope per batch entry, its symbols reduced for storage; None where the form is not finite."""
    small = form.folded().reduced(PICTURE_SYMBOLS)
    centre, offset = small.centre.numpy(), small.offset.numpy()
    middle = centre + offset
    slack = widen_up(np.abs(centre) + np.abs(offset)) * (2.0 * UNIT_ROUNDOFF) + TINY
    generators = small.symbols.numpy()
    finite = np.isfinite(middle).all(-1) & np.isfinite(generators).all((-1, -2))
    useful = (generators[finite] != 0.0).any(axis=(0, 1))
    return [
        Zonotope(c, np.concatenate([g[:, useful], np.diag(s)], axis=1)) if ok else None
        for c, g, s, ok in zip(middle, generators, slack, finite, strict=True)
    ]
