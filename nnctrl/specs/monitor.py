"""Requirements made ready for evaluation: which coordinates, at which steps, with which margin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nnctrl.bounds.taylor_form import TaylorForm
from nnctrl.bounds.view import AffineView, tensor
from nnctrl.errors import DimensionError, InputError, UnknownNameError
from nnctrl.sets.rounding import UNIT_ROUNDOFF
from nnctrl.specs.moving import Moving
from nnctrl.specs.regions import AbstractRegion, region_of
from nnctrl.specs.separation import CertifiedMargin
from nnctrl.specs.spec import Avoid, Reach, Requirement, Spec
from nnctrl.specs.sublevel import Sublevel
from nnctrl.specs.sublevel_region import SublevelRegion


@dataclass(frozen=True, eq=False)
class Monitor:
    """One requirement over the steps 0 .. `horizon` of a discrete closed loop.

    `lanes`: positions of its coordinates in the signal vector [states; inputs; outputs]; `first`, `last`: the steps
    that count. Inputs and outputs belong to steps below the horizon only.
    """

    id: str
    requirement: Requirement
    region: AbstractRegion
    velocity: Tensor | None
    lanes: list[int]
    needs_inputs: bool
    first: int
    last: int

    @property
    def is_reach(self) -> bool:
        """Whether one step is enough (Reach) or all count (Stay, Avoid)."""
        return isinstance(self.requirement, Reach)

    def active(self, step: int) -> bool:
        """Whether `step` counts."""
        return self.first <= step <= self.last

    def holds(self, margins: Tensor) -> Tensor:
        """Whether margins satisfy the requirement: touching violates Avoid and satisfies the others; nan never does."""
        return margins > 0.0 if isinstance(self.requirement, Avoid) else margins >= 0.0

    def certified(self, step: int, signals: TaylorForm) -> CertifiedMargin:
        """Lower bounds of the margin at `step` over forms of the signal vector."""
        form = self._own(step, signals)
        return (
            self.region.certified_outside(form)
            if isinstance(self.requirement, Avoid)
            else self.region.certified_inside(form)
        )

    def violation(self, step: int, signals: TaylorForm) -> Tensor:
        """Lower bounds of how much every point of the forms violates the requirement at `step`; see `violates`."""
        form = self._own(step, signals)
        return (
            self.region.certified_inside(form)
            if isinstance(self.requirement, Avoid)
            else self.region.certified_outside(form)
        ).margin

    def violates(self, violations: Tensor) -> Tensor:
        """Whether certified `violations` prove that the set is entered (Avoid: touching is enough) or left."""
        return violations >= 0.0 if isinstance(self.requirement, Avoid) else violations > 0.0

    def blame(self, signals: TaylorForm, direction: Tensor) -> Tensor:
        """Where a part should be split on account of this requirement, [batch, q]: the form's gap in `direction`, and
        a little of its extent, since one direction separates a large part from a curved obstacle badly.
        """
        form = signals.rows(self.lanes)
        unit = direction / direction.norm(dim=-1, keepdim=True).clamp(min=1e-300)
        gap = form.blame(unit.unsqueeze(1)).squeeze(1)
        extent = form.symbols[..., : gap.shape[-1]].abs().sum(1)
        return gap + 0.02 * extent

    def point_margins(self, signals: Tensor) -> Tensor:
        """Margin of every step, [batch, last - first + 1], from signals [batch, horizon + 1, all]; floating point."""
        own = signals[:, self.first : self.last + 1, self.lanes]
        if self.velocity is not None:
            times = torch.arange(self.first, self.last + 1, dtype=torch.float64)
            own = own - times.unsqueeze(-1) * self.velocity
        return self.region.outside(own) if isinstance(self.requirement, Avoid) else self.region.inside(own)

    def trajectory_margin(self, signals: Tensor) -> Tensor:
        """Margin of whole trajectories, [batch]: the worst step, for Reach the best.

        Steps that overflowed do not count; +inf (Reach: -inf) where all did.
        """
        nothing = -torch.inf if self.is_reach else torch.inf
        margins = self.point_margins(signals)
        margins = torch.where(torch.isnan(margins), torch.full_like(margins, nothing), margins)
        return margins.amax(-1) if self.is_reach else margins.amin(-1)

    def _own(self, step: int, signals: TaylorForm) -> TaylorForm:
        form = signals.rows(self.lanes)
        if self.velocity is None:
            return form
        shift = -float(step) * self.velocity
        identity = torch.eye(len(self.lanes), dtype=torch.float64)
        return form.affine(AffineView(identity, shift, None, 2.0 * UNIT_ROUNDOFF * shift.abs()))


def monitors_of(spec: Spec, states: Sequence[str], others: Sequence[str], horizon: int) -> list[Monitor]:
    """A monitor for every requirement; `states` and `others` (inputs, then outputs) name the signals in order."""
    return [_monitor(id, requirement, list(states), list(others), horizon) for id, requirement in spec.items()]


def _monitor(id: str, requirement: Requirement, states: list[str], others: list[str], horizon: int) -> Monitor:
    names = list(requirement.on) if requirement.on is not None else states
    known = states + others
    for name in names:
        if name not in known:
            raise UnknownNameError.among("signal", name, known)
    target = requirement.target
    if target.dim != len(names):
        raise DimensionError(
            f"the set of requirement '{id}' has {target.dim} coordinates but is over {len(names)} signals "
            f"({', '.join(names)}); name as many signals in `on` as the set has coordinates"
        )
    velocity = tensor(target.velocity) if isinstance(target, Moving) else None
    base = target.base if isinstance(target, Moving) else target
    region = SublevelRegion(base) if isinstance(base, Sublevel) else region_of(base)
    lanes = [known.index(name) for name in names]
    needs_inputs = any(name in others for name in names)
    first, last = _window(id, requirement, horizon)
    if needs_inputs:
        last = min(last, horizon - 1)
    if last < first:
        raise InputError(
            f"requirement '{id}' counts no step: inputs and outputs belong to steps below the horizon {horizon}; "
            "choose earlier times or a longer horizon"
        )
    return Monitor(id, requirement, region, velocity, lanes, needs_inputs, first, last)


def _window(id: str, requirement: Requirement, horizon: int) -> tuple[int, int]:
    """First and last step that count, checked against the horizon."""
    first, last = requirement.window(horizon)
    for time in (first, last):
        if time != int(time) or time > horizon:
            raise InputError(
                f"requirement '{id}' speaks of time {time}; give whole steps between 0 and the horizon {horizon}"
            )
    return int(first), int(last)
