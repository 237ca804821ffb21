"""Certified lower bounds of how far Taylor forms are from a convex set."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from nnctrl.bounds.taylor_form import TaylorForm
from nnctrl.sets.rounding import TINY, gamma, norm_up, widen_down

GILBERT_STEPS = 6


class CertifiedMargin(NamedTuple):
    """`margin` [batch]: certified lower bounds of a margin over forms; `direction` [batch, d]: in which it was
    least.
    """

    margin: Tensor
    direction: Tensor


def divide_down(numerator: Tensor, directions: Tensor) -> Tensor:
    """Lower bound of `numerator / |directions|_2`."""
    high = norm_up(directions)
    # norm_up exceeds the real norm by a relative 3 gamma at most
    low = high * (1.0 - 8.0 * gamma(directions.shape[-1] + 12))
    quotient = torch.where(numerator >= 0.0, numerator / high, numerator / low)
    # a direction without a length proves nothing
    return torch.where(high > 1e-150, widen_down(quotient), torch.full_like(quotient, -torch.inf))


def separation(form: TaylorForm, directions: Tensor, support: Tensor) -> CertifiedMargin:
    """Largest certified gap over candidate directions.

    `directions` [batch, p, d]; `support` [batch, p]: upper bounds of the support function of a convex set in them. For
    every point x of the form and y of the set `|x - y| >= (d'x - d'y) / |d|`, which is bounded below by the two
    support functions.
    """
    gap = widen_down(-form.support(-directions) - support)
    margins = divide_down(gap, directions)
    best, index = torch.nan_to_num(margins, nan=-torch.inf, neginf=-torch.inf).max(-1)
    chosen = directions.gather(1, index.view(-1, 1, 1).expand(-1, 1, directions.shape[-1])).squeeze(1)
    return CertifiedMargin(best, chosen)


def guiding_directions(form: TaylorForm, project: Callable[[Tensor], Tensor]) -> Tensor:
    """Directions [batch, 2, d] from a convex set towards the form: at its centre, and at its nearest point.

    Floating point and heuristic (Gilbert's algorithm, a few steps): whatever comes out, `separation` certifies.
    `project` maps points [batch, d] to their nearest points of the set.
    """
    with torch.no_grad():
        middle = form.centre + form.offset
        point = middle
        first = point - project(point)
        direction = first
        for _ in range(GILBERT_STEPS):
            sign = torch.sign((direction.unsqueeze(1) @ form.symbols).squeeze(1))
            extreme = middle - (form.symbols @ sign.unsqueeze(-1)).squeeze(-1)
            move = extreme - point
            length = (move * move).sum(-1, keepdim=True)
            step = (-(direction * move).sum(-1, keepdim=True) / (length + TINY)).clamp(0.0, 1.0)
            point = point + step * move
            direction = point - project(point)
        return torch.stack([first, direction], 1)
