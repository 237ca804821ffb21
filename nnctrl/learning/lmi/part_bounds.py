"""Rounded, differentiable bounds of a specification's inequalities over parts of an input set.

A part is a box of the set's coefficients. With the Taylor form of z = (x, y) over it, z = c + d,

    h(z) = [z; 1]' S [z; 1] = h(c) + (2 (P c + p))' d + d' P d,    S = [P, p; p', r],

where h(c) is a number, the second term is linear in the form's symbols, so that x, y and all neurons keep what they
have to do with each other, and the third is of second order in the part. Where the coefficients are those of a unit
ball, their share of the linear term is bounded over the ball too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import torch
from torch import Tensor

from nnctrl.bounds.interval import midpoint_radius
from nnctrl.bounds.taylor_form import TaylorForm
from nnctrl.bounds.view import View, tensor
from nnctrl.learning.lmi.conditions import Pair
from nnctrl.reachability.parametrisation import Parametrisation, parametrise
from nnctrl.sets.rounding import TINY, UNIT_ROUNDOFF, dot_up, gamma, grow_up, widen_up

LEAST_EFFECT = 1e-280
"""The absolute terms that cover underflow add up to less, times all weights of a sensible size."""


class PartBounds(NamedTuple):
    """`upper` [parts, m] of every inequality, rounded outward; `effects` [parts, q]: how much of the bounds above 0
    each coefficient is to blame for, in floating point, and 0 where that is no more than rounding; `slopes` [parts, m,
    q] of the inequalities in the coefficients.
    """

    upper: Tensor
    effects: Tensor
    slopes: Tensor


@dataclass(frozen=True, eq=False)
class Region:
    """The input set and the inequalities of a pair as tensors: `middle`, `radius` [m, nx + ny + 1, nx + ny + 1]."""

    inputs: Parametrisation
    is_round: bool
    middle: Tensor
    radius: Tensor

    @staticmethod
    def of(pair: Pair) -> Region:
        """The coefficients are those that the set is made of; UnsupportedError for sets without any."""
        forms = pair.specification.forms
        return Region(
            parametrise(pair.inputs.source, lambda affine: affine),
            pair.inputs.is_round,
            torch.stack([tensor(form.middle) for form in forms]),
            torch.stack([tensor(form.radius) for form in forms]),
        )

    @property
    def kind(self) -> tuple[int, int, bool]:
        """What parts have in common that can be bounded together."""
        return len(self.inputs.lower), len(self.middle), self.is_round

    def negated(self) -> Region:
        """The same for minus the inequalities, whose upper bounds are minus lower ones."""
        return Region(self.inputs, self.is_round, -self.middle, self.radius)

    def parts(self, lower: Tensor, upper: Tensor) -> Parts:
        """The boxes [lower, upper] [parts, q] of coefficients."""
        given = TaylorForm.of_box(lower, upper).affine(self.inputs.view)
        shape = len(lower), *self.middle.shape
        return Parts(lower, upper, given, self.middle.expand(shape), self.radius.expand(shape), self.is_round)


@dataclass(frozen=True, eq=False)
class Parts:
    """Boxes [parts, q] of coefficients, the form of x over each, and the inequalities [parts, m, n, n] of each."""

    lower: Tensor
    upper: Tensor
    given: TaylorForm
    middle: Tensor
    radius: Tensor
    is_round: bool

    @staticmethod
    def joined(groups: Sequence[Parts]) -> Parts:
        """All of them; they are of one `kind`."""
        forms = [group.given for group in groups]
        given = TaylorForm(*(torch.cat([getattr(form, item.name) for form in forms]) for item in fields(TaylorForm)))
        lower, upper, middle, radius = (
            torch.cat([getattr(group, name) for group in groups]) for name in ("lower", "upper", "middle", "radius")
        )
        return Parts(lower, upper, given, middle, radius, groups[0].is_round)

    def bounds(self, view: View) -> PartBounds:
        """Upper bounds for the function `view`, differentiable in its tensors. Cost: one Taylor form a part."""
        joint = self.given.beside(self.given.through(view))
        size, count = joint.centre.shape[-1], self.lower.shape[-1]
        g = gamma(size + joint.symbols.shape[-1] + 8)
        middle = joint.centre + joint.offset
        slack = joint.rounding + 2.0 * UNIT_ROUNDOFF * middle.abs() + TINY
        spread = joint.spread()
        box = torch.maximum((joint.upper - middle).abs(), (middle - joint.lower).abs())
        reach = torch.minimum(widen_up(spread + slack), widen_up(box)).unsqueeze(1)
        # S (c, 1), and the error of every entry
        point = torch.cat([middle, torch.ones_like(middle[:, :1])], -1).unsqueeze(1)
        image = (self.middle @ point.unsqueeze(-1)).squeeze(-1)
        size_of_image = (self.middle.abs() @ point.abs().unsqueeze(-1)).squeeze(-1)
        spare = (self.radius @ point.abs().unsqueeze(-1)).squeeze(-1)
        error = g * size_of_image + spare + TINY
        value = dot_up(point.expand_as(image), image)
        slope = 2.0 * image[..., :-1]
        along = slope @ joint.symbols
        total = along.abs().sum(-1)
        linear = total
        if self.is_round:
            own = over_unit_ball(along[..., :count], self.lower, self.upper)
            linear = torch.minimum(total, own + along[..., count:].abs().sum(-1))
        curvature = self.middle[..., :-1, :-1].abs() + self.radius[..., :-1, :-1]
        second = reach * (curvature @ reach.unsqueeze(-1)).squeeze(-1)
        small = (point.abs() * error).sum(-1) + 2.0 * (error[..., :-1] * reach).sum(-1)
        small = small + (slope.abs() * (slack + 4.0 * g * spread).unsqueeze(1)).sum(-1) + g * total
        small = small + (4.0 * UNIT_ROUNDOFF) * (value.abs() + linear.abs())
        rest = grow_up(second.sum(-1) + small, 4 * size + 16)
        upper = widen_up(value + linear + rest, 4.0)
        with torch.no_grad():
            symbols = joint.symbols[..., :count].abs()
            effects = along[..., :count].abs() + along.abs() @ joint.shares
            own = second + 2.0 * spare[..., :-1] * reach
            effects = effects + own @ (symbols / (symbols.sum(-1, keepdim=True) + TINY))
            # no cut is asked for by an inequality that is met or varies by less than the rounding of its value; nan may
            # be anything
            rounding = g * (point.abs() * size_of_image).sum(-1) + LEAST_EFFECT
            is_idle = (upper <= 0.0) | (effects.sum(-1) <= rounding)
            effects = torch.where(is_idle.unsqueeze(-1), torch.zeros_like(effects), effects)
        return PartBounds(upper, effects.sum(1), along[..., :count])


def over_unit_ball(slopes: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    """Upper bound of `slopes` [parts, m, q] times the symbols of boxes [parts, q], over their points in the unit ball.

    With v = middle + radius xi that is |slopes / radius| - (slopes / radius)' middle; rounded outward.
    """
    middle, radius = midpoint_radius(lower, upper)
    flat = radius == 0.0
    weights = slopes / torch.where(flat, torch.ones_like(radius), radius).unsqueeze(1)
    weights = torch.where(flat.unsqueeze(1), torch.zeros_like(weights), weights)
    # the root of a sum that is never zero has a gradient everywhere
    length = grow_up(torch.sqrt((weights * weights).sum(-1) + TINY), slopes.shape[-1] + 8)
    return widen_up(length + dot_up(-weights, middle.unsqueeze(1).expand_as(weights)))


def divisible(lower: Tensor, upper: Tensor, effects: Tensor) -> Tensor:
    """Which boxes [parts, q] can be halved along a coefficient that has an effect: no other cut changes a bound."""
    return _is_cut(lower, upper, effects).any(-1)


def halved(lower: Tensor, upper: Tensor, effects: Tensor) -> tuple[Tensor, Tensor] | None:
    """Both halves of boxes [parts, q], each along the one with the largest effect of the coefficients that can be cut;
    None unless there are boxes and all are `divisible`.
    """
    is_cut = _is_cut(lower, upper, effects)
    if not (len(lower) and is_cut.any(-1).all()):
        return None
    axis = torch.where(is_cut, torch.nan_to_num(effects, nan=torch.inf), -1.0).argmax(-1, keepdim=True)
    cut = _cuts(lower, upper).gather(1, axis)
    return torch.cat([lower, lower.scatter(1, axis, cut)]), torch.cat([upper.scatter(1, axis, cut), upper])


def _cuts(lower: Tensor, upper: Tensor) -> Tensor:
    return 0.5 * lower + 0.5 * upper


def _is_cut(lower: Tensor, upper: Tensor, effects: Tensor) -> Tensor:
    """Where [parts, q] a cut leaves two smaller boxes and an effect is not 0; nan may be any effect."""
    cut = _cuts(lower, upper)
    return (lower < cut) & (cut < upper) & ~(effects <= 0.0)
