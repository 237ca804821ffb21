"""Margins of sets given by an inequality, by the mean-value form on Taylor forms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nnctrl.bounds.taylor_form import TaylorForm
from nnctrl.bounds.view import tensor
from nnctrl.sets.interval import Interval
from nnctrl.sets.rounding import dot_up, sum_up, widen_down, widen_up
from nnctrl.specs.regions import AbstractRegion
from nnctrl.specs.separation import CertifiedMargin
from nnctrl.specs.sublevel import Sublevel
from nnctrl.systems.tape import Tape


@dataclass(frozen=True, eq=False)
class SublevelRegion(AbstractRegion):
    """`{z : g(z) <= 0}` with margin -g inside and g outside.

    Certified by `g(x) in g(c) + G (x - c)`, G the range of the gradient over a box around the form, c its centre: the
    midpoint of G acts on the whole form, so that the correlation of its coordinates counts. Where g has kinks, by the
    range of g over the box alone.
    """

    target: Sublevel

    def inside(self, points: Tensor) -> Tensor:
        """-g in floating point."""
        return -self.outside(points)

    def outside(self, points: Tensor) -> Tensor:
        """G in floating point."""
        value: Tensor = self.target.value_tape(points)[0][..., 0]
        return value

    def certified_inside(self, form: TaylorForm) -> CertifiedMargin:
        """Lower bounds of -g."""
        return self._lower_bound(form, -1.0)

    def certified_outside(self, form: TaylorForm) -> CertifiedMargin:
        """Lower bounds of g."""
        return self._lower_bound(form, 1.0)

    def _lower_bound(self, form: TaylorForm, sign: float) -> CertifiedMargin:
        hull = form.tightened()
        low, high = hull.lower.detach().numpy(), hull.upper.detach().numpy()
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            nothing = torch.full_like(form.centre[:, 0], -torch.inf)
            return CertifiedMargin(nothing, torch.zeros_like(form.centre))
        plain = _entry(self.target.value_tape, low, high, 0)
        range_bound = tensor(plain.lower if sign > 0 else -plain.upper)
        tape = self.target.gradient_tape
        if tape is None:
            return CertifiedMargin(range_bound, torch.zeros_like(form.centre))
        centre = np.clip((form.centre + form.offset).detach().numpy(), low, high)
        gradient = [_entry(tape, low, high, i) for i in range(self.target.dim)]
        at_centre = _entry(self.target.value_tape, centre, centre, 0)
        middle = tensor(np.stack([g.middle for g in gradient], -1))
        radius = tensor(np.stack([g.radius for g in gradient], -1))
        point = tensor(centre)
        reach = widen_up(torch.maximum(hull.upper - point, point - hull.lower))
        direction = sign * middle
        linear = widen_down(-form.support(-direction.unsqueeze(1)).squeeze(1) - dot_up(direction, point))
        loss = sum_up(widen_up(radius * reach))
        value = tensor(at_centre.lower if sign > 0 else -at_centre.upper)
        mean_value = torch.nan_to_num(widen_down(value + linear - loss, 4.0), nan=-torch.inf, neginf=-torch.inf)
        return CertifiedMargin(torch.maximum(mean_value, range_bound), direction)


def _entry(tape: Tape, low: np.ndarray, high: np.ndarray, row: int) -> Interval:
    """Range of one entry of a tape's only output over boxes [batch, d]."""
    (entries,) = tape.evaluate([[Interval(low[:, i], high[:, i]) for i in range(low.shape[-1])]])
    value = entries.get((row, 0), 0.0)
    return value if isinstance(value, Interval) else Interval.point(np.full(len(low), float(value)))
