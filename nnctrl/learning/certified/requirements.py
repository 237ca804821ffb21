"""Requirements as a training sees them: how far every one is from being met, over boxes and over points.

A violation is minus the margin in units of the requirement's own set (its inner radius), so that requirements of
different kinds can be added: at most 0 where the requirement holds, -1 in the middle of a set to stay in.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nnctrl.bounds.view import tensor
from nnctrl.learning.certified.flow import Flow, Moment
from nnctrl.learning.certified.number import number_or_constant, numbers_of
from nnctrl.learning.task import Task
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball, Ellipsoid
from nnctrl.sets.polytope import Polytope
from nnctrl.specs.monitor import Monitor, monitors_of
from nnctrl.specs.moving import Moving
from nnctrl.specs.spec import Avoid, Reach, Requirement, Spec, Stay
from nnctrl.specs.sublevel import Sublevel

WHOLE = 1e-9
"""Moments this near to a whole number are that moment."""


@dataclass(frozen=True, eq=False)
class TrainingRequirement:
    """One requirement at the moments of a flow; `scale` is the length that violations are measured in."""

    monitor: Monitor
    scale: float

    def over_boxes(self, moment: Moment) -> Tensor:
        """Upper bounds of the violation at one moment, [batch]."""
        target = self.monitor.requirement.target
        if isinstance(target, Sublevel):
            # the engines' own margin carries no gradients through the expression
            return self._of_expression(target, moment)
        return -self.monitor.certified(moment.number, moment.signals).margin / self.scale

    def width(self, moment: Moment) -> Tensor:
        """Mean half-width of the set at one moment in the requirement's coordinates, over coordinates and batch."""
        form = moment.signals.rows(self.monitor.lanes)
        return (form.spread() + form.rounding).mean() / self.scale

    def _of_expression(self, target: Sublevel, moment: Moment) -> Tensor:
        numbers = numbers_of(moment.signals.rows(self.monitor.lanes))
        (entries,) = target.value_tape.evaluate([numbers])
        value = number_or_constant(entries.get((0, 0), 0.0), numbers[0])
        outside = isinstance(self.monitor.requirement, Avoid)
        return (value.reach - value.centre if outside else value.centre + value.reach) / self.scale

    def over_points(self, signals: Tensor) -> Tensor:
        """Violations [batch, moments that count] of trajectories of signals [batch, moments, all]."""
        return -self.monitor.point_margins(signals) / self.scale

    def combined(self, violations: Tensor, slack: float) -> tuple[Tensor, Tensor]:
        """From violations [batch, moments]: the worst of the batch, and its loss, the mean over the batch of what is
        missing to a violation of -`slack`, summed over moments (for Reach at the best one).
        """
        if self.monitor.is_reach:
            best = violations.amin(-1)
            return best.amax(), torch.relu(best + slack).mean()
        return violations.amax(), torch.relu(violations + slack).sum(-1).mean()


@dataclass(frozen=True, eq=False)
class Shortfall:
    """`worst`: the greatest violation of any requirement; `loss`: what is missing, added up; `width`: mean half-width
    of the sets when they are due in sets to reach, 0 for points (0-dimensional tensors).
    """

    worst: Tensor
    loss: Tensor
    width: Tensor


@dataclass(frozen=True, eq=False)
class TrainingRequirements:
    """All requirements of a task; training aims at violations of -`slack`."""

    items: tuple[TrainingRequirement, ...]
    slack: float

    @staticmethod
    def of(task: Task, flow: Flow, slack: float) -> TrainingRequirements:
        """Those of the task's specification, looked at between samples too if the plant is continuous."""
        plant = task.plant
        moments = flow.samples * flow.looks
        spec = Spec(tuple(_in_moments(item, flow.step, moments) for item in task.spec.requirements))
        monitors = monitors_of(spec, list(plant.states), [*plant.inputs, *plant.outputs], moments)
        items = [TrainingRequirement(monitor, _scale(monitor.requirement.target)) for monitor in monitors]
        return TrainingRequirements(tuple(items), slack)

    def over_boxes(self, moments: Iterable[Moment]) -> Shortfall:
        """Bounds for all boxes of the batch."""
        rows: list[list[Tensor]] = [[] for _ in self.items]
        widths = [torch.zeros((), dtype=torch.float64)]
        for moment in moments:
            for item, values in zip(self.items, rows, strict=True):
                if item.monitor.active(moment.number):
                    values.append(item.over_boxes(moment))
                if item.monitor.is_reach and item.monitor.last == moment.number:
                    widths.append(item.width(moment))
        return self._added([torch.stack(values, -1) for values in rows], torch.stack(widths).sum())

    def over_points(self, signals: Tensor) -> Shortfall:
        """Values for trajectories of signals [batch, moments, all]."""
        no_width = torch.zeros((), dtype=torch.float64)
        return self._added([item.over_points(signals) for item in self.items], no_width)

    def _added(self, violations: Sequence[Tensor], width: Tensor) -> Shortfall:
        pairs = [item.combined(values, self.slack) for item, values in zip(self.items, violations, strict=True)]
        worst, losses = zip(*pairs, strict=True)
        return Shortfall(torch.stack(worst).amax(), torch.stack(losses).sum(), width)


def _in_moments(item: Requirement, step: float, last: int) -> Requirement:
    """The requirement with its times, and velocities, in moments of `step`: a window grows to whole moments."""
    target = item.target
    if isinstance(target, Moving):
        target = Moving(target.base, target.velocity * step)
    if isinstance(item, Reach):
        at = None if item.at is None else float(min(last, round(item.at / step)))
        within = None if item.within is None else float(min(last, math.floor(item.within / step + WHOLE)))
        return dataclasses.replace(item, target=target, at=at, within=within)
    if isinstance(item, Stay | Avoid) and item.during is not None:
        begin, end = math.floor(item.during[0] / step + WHOLE), math.ceil(item.during[1] / step - WHOLE)
        return dataclasses.replace(item, target=target, during=(float(begin), float(min(last, end))))
    return dataclasses.replace(item, target=target)


def _scale(target: object) -> float:
    """The inner radius of a set, about; 1 where it is not finite, the set is flat, or an expression gives it."""
    base = target.base if isinstance(target, Moving) else target
    length = math.inf
    if isinstance(base, Box):
        length = float(base.radius.min())
    elif isinstance(base, Ball):
        length = float(base.radius)
    elif isinstance(base, Ellipsoid):
        length = float(torch.linalg.svdvals(tensor(base.shape)).amin())
    elif isinstance(base, Polytope):
        depth = (base.offsets - base.normals @ base.interior_point) / (base.normals**2).sum(axis=1) ** 0.5
        length = float(depth.min())
    return length if math.isfinite(length) and length > 0.0 else 1.0
