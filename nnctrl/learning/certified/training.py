"""Training on a bound: first on trajectories of points, then on enclosures of ever larger shares of the initial set.

The boxes cover a share of the initial set about its middle that grows whenever the bound says that all requirements
hold there (the curriculum of interval bound propagation, Gowal et al. 2018, on the size of the set and along closed
loops). Where the bound stays violated the boxes are cut.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from nnctrl.branching.meter import Meter
from nnctrl.learning.certified.objective import Objective
from nnctrl.learning.certified.requirements import Shortfall
from nnctrl.learning.certified.trainable import Trainable
from nnctrl.learning.method import CurvePoint
from nnctrl.progress import Progress

FIRST_SHARE, GROWTH = 0.1, 1.5
"""The least share of the initial set that enclosures begin with, and the factor by which it grows."""

PATIENCE = 40
"""Steps without a lower bound before the boxes are cut."""

MOST_BOXES = 16

LARGEST_GRADIENT = 10.0
"""Longer gradients are shortened to this length."""


@dataclass(frozen=True)
class Schedule:
    """At most `point_steps` on points and `box_steps` on boxes, and the optimiser's `rate`."""

    point_steps: int
    box_steps: int
    rate: float


class Training:
    """One training run on one network; `curve` says how it went.

    `share` is that of the initial set that boxes cover. The best state of the network is kept: that with the largest
    share on which the bound holds with half the slack to spare, and among equals the one with the least loss.
    """

    def __init__(
        self, network: Trainable, objective: Objective, schedule: Schedule, meter: Meter, progress: Progress
    ) -> None:
        self.network, self.objective, self.schedule = network, objective, schedule
        self.meter, self.progress = meter, progress
        self.curve: list[CurvePoint] = []
        self.share = 0.0
        self._best = (-math.inf, -math.inf)
        self._kept = [parameter.detach().clone() for parameter in network.parameters]

    def on_points(self) -> float:
        """Train until all trajectories of a step satisfy all requirements with half the slack to spare; the worst
        violation of the last step.
        """
        optimiser = torch.optim.Adam(self.network.parameters, lr=self.schedule.rate)
        worst, steps = math.inf, self.schedule.point_steps

        def shortfall() -> Shortfall:
            return self.objective.over_points(self.network.view())

        for step in range(steps):
            if self.meter.exhausted():
                break
            for group in optimiser.param_groups:
                # half a cosine down to a tenth
                group["lr"] = self.schedule.rate * (0.55 + 0.45 * math.cos(math.pi * step / steps))
            worst = self._step(optimiser, shortfall)
            self.progress.update(f"training on points, violation {worst:.3g}", step + 1, steps)
            if worst <= -0.5 * self.objective.requirements.slack:
                break
        return worst

    def on_boxes(self) -> bool:
        """Train until the bound holds on the whole initial set, and on what is in focus, with half the slack to spare;
        whether it does. The network is then in its best state.
        """
        self.share, boxes = self._share_to_begin_with(), 1
        optimiser = torch.optim.Adam(self.network.parameters, lr=0.5 * self.schedule.rate)
        least, waited = math.inf, 0

        def shortfall() -> Shortfall:
            view = self.network.view()
            found = [self.objective.over_boxes(view, self.share, boxes), self.objective.over_points(view)]
            focus = self.objective.over_focus(view)
            found += [] if focus is None else [focus]
            # a share grows by its own bound; at the end everything has to hold
            counted = found if self.share >= 1.0 else found[:1]
            return Shortfall(
                torch.stack([one.worst for one in counted]).amax(),
                torch.stack([one.loss for one in found]).sum(),
                found[0].width,
            )

        for step in range(self.schedule.box_steps):
            if self.meter.exhausted():
                break
            worst = self._step(optimiser, shortfall)
            said = f"training on {100.0 * self.share:.0f} % of the initial set, violation {worst:.3g}"
            self.progress.update(said, step + 1, self.schedule.box_steps)
            if not math.isfinite(worst):
                # the enclosure diverges: a smaller one tells more
                self.share, boxes = 0.5 * self.share, min(2 * boxes, MOST_BOXES)
            elif worst <= -0.5 * self.objective.requirements.slack:
                if self.share >= 1.0:
                    if self.objective.width:
                        # the rest of the steps makes the sets narrower
                        continue
                    break
                self.share, least, waited = min(1.0, GROWTH * self.share), math.inf, 0
            elif worst < least - 1e-3 * abs(least):
                least, waited = worst, 0
            else:
                waited += 1
                if waited >= PATIENCE and boxes < MOST_BOXES:
                    boxes, least, waited = 2 * boxes, math.inf, 0
        self._set(self._kept)
        return self._best[0] >= 1.0

    def _share_to_begin_with(self) -> float:
        """The least share on which the bound does not hold yet, or the whole set: a network that was trained before
        goes on where it was.
        """
        share, view = FIRST_SHARE, self.network.view()
        with torch.no_grad():
            while share < 1.0 and float(self.objective.over_boxes(view, share, 1).worst) <= 0.0:
                share = min(1.0, GROWTH * share)
        return share

    def _step(self, optimiser: torch.optim.Optimizer, shortfall: Callable[[], Shortfall]) -> float:
        """One step of the optimiser, none if the loss is not finite; the violation before it."""
        optimiser.zero_grad()
        found = shortfall()
        worst = float(found.worst.detach())
        loss: Tensor = found.loss + self.objective.width * found.width + self.objective.prices(self.network)
        self._keep_if_best(worst, float(loss.detach()))
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters, LARGEST_GRADIENT)
        if bool(torch.isfinite(norm)) and bool(torch.isfinite(loss)):
            optimiser.step()
        self.curve.append(CurvePoint(self.meter.elapsed(), self.share, float(loss.detach()), worst))
        return worst

    def _keep_if_best(self, worst: float, loss: float) -> None:
        enough = worst <= -0.5 * self.objective.requirements.slack
        rank = (self.share if enough else self.share - 1.0, -loss)
        if not math.isnan(loss) and rank > self._best:
            self._best = rank
            self._kept = [parameter.detach().clone() for parameter in self.network.parameters]

    def _set(self, values: list[Tensor]) -> None:
        with torch.no_grad():
            for parameter, value in zip(self.network.parameters, values, strict=True):
                parameter.copy_(value)
