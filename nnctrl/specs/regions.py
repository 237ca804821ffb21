"""How far points, and whole Taylor forms, are inside or outside a set.

The same margin is meant everywhere, so that certified and sampled figures compare: `inside` is the depth (positive
inside, 0 on the boundary), `outside` the distance (positive outside); certified versions are lower bounds over every
point of a form.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nnctrl.bounds.taylor_form import TaylorForm
from nnctrl.bounds.view import AffineView, tensor
from nnctrl.errors import UnsupportedError
from nnctrl.sets.base import AbstractSet
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball, Ellipsoid
from nnctrl.sets.polytope import Polytope
from nnctrl.sets.rounding import (
    dot_up,
    gamma,
    grow_up,
    norm_up,
    widen_down,
    widen_up,
)
from nnctrl.specs.balance import balanced
from nnctrl.specs.ellipsoid_coordinates import inverse_with_defect
from nnctrl.specs.separation import CertifiedMargin, divide_down, guiding_directions, separation

AXIS_SLACK = 1e-6
"""Relative error allowed for the computed shortest semi-axis of an ellipsoid whose inverse is accurate to 1e-6."""


class AbstractRegion(ABC):
    """Margins of a closed set; torch, batched, the point versions differentiable."""

    @abstractmethod
    def inside(self, points: Tensor) -> Tensor:
        """Depth of points [..., d], in floating point."""

    @abstractmethod
    def outside(self, points: Tensor) -> Tensor:
        """Distance of points [..., d], in floating point."""

    @abstractmethod
    def certified_inside(self, form: TaylorForm) -> CertifiedMargin:
        """Lower bounds of `inside` over each form of the batch."""

    @abstractmethod
    def certified_outside(self, form: TaylorForm) -> CertifiedMargin:
        """Lower bounds of `outside` over each form of the batch."""


@dataclass(frozen=True, eq=False)
class PolyhedralRegion(AbstractRegion):
    """`normals x <= offsets`: depth to the nearest face; distance by the most violated face (a lower bound of the
    Euclidean one).
    """

    normals: Tensor
    offsets: Tensor

    def _slack(self, points: Tensor) -> Tensor:
        return (self.offsets - points @ self.normals.T) / self.normals.norm(dim=-1)

    def inside(self, points: Tensor) -> Tensor:
        """Least slack of a face."""
        return self._slack(points).amin(-1)

    def outside(self, points: Tensor) -> Tensor:
        """Largest violation of a face."""
        return (-self._slack(points)).amax(-1)

    def certified_inside(self, form: TaylorForm) -> CertifiedMargin:
        """Support function of the form against every face."""
        batch = form.centre.shape[0]
        directions = self.normals.expand(batch, -1, -1)
        slack = divide_down(widen_down(self.offsets - form.support(directions)), directions)
        least, index = torch.nan_to_num(slack, nan=-torch.inf, neginf=-torch.inf).min(-1)
        return CertifiedMargin(least, self.normals[index])

    def certified_outside(self, form: TaylorForm) -> CertifiedMargin:
        """The face that separates best."""
        batch = form.centre.shape[0]
        return separation(form, self.normals.expand(batch, -1, -1), self.offsets.expand(batch, -1))


@dataclass(frozen=True, eq=False)
class BoxRegion(PolyhedralRegion):
    """A box: Euclidean distance outside."""

    lower: Tensor
    upper: Tensor

    def outside(self, points: Tensor) -> Tensor:
        """Signed Euclidean distance."""
        excess = torch.maximum(self.lower - points, points - self.upper)
        away = excess.clamp(min=0.0)
        distance = torch.sqrt((away * away).sum(-1).clamp(min=1e-300))
        return torch.where(excess.amax(-1) > 0.0, distance, excess.amax(-1))

    def certified_outside(self, form: TaylorForm) -> CertifiedMargin:
        """Faces, and the direction between the nearest points."""
        batch = form.centre.shape[0]
        guides = guiding_directions(form, lambda point: torch.minimum(torch.maximum(point, self.lower), self.upper))
        directions = torch.cat([self.normals.expand(batch, -1, -1), guides], 1)
        support = dot_up(torch.where(directions >= 0.0, self.upper, self.lower), directions)
        return separation(form, directions, support)


@dataclass(frozen=True, eq=False)
class BallRegion(AbstractRegion):
    """A Euclidean ball."""

    centre: Tensor
    radius: Tensor

    def inside(self, points: Tensor) -> Tensor:
        """Radius minus distance from the centre."""
        return -self.outside(points)

    def outside(self, points: Tensor) -> Tensor:
        """Distance from the centre minus the radius."""
        away = points - self.centre
        return torch.sqrt((away * away).sum(-1).clamp(min=1e-300)) - self.radius

    def certified_inside(self, form: TaylorForm) -> CertifiedMargin:
        """The farthest corner of a box around the form."""
        low, high = form.deviation()
        farthest = torch.maximum(
            (widen_up(form.centre + high) - self.centre).abs(), (widen_down(form.centre + low) - self.centre).abs()
        )
        distance = norm_up(widen_up(farthest))
        return CertifiedMargin(widen_down(self.radius - distance), form.centre + form.offset - self.centre)

    def certified_outside(self, form: TaylorForm) -> CertifiedMargin:
        """The direction from the ball to the nearest point of the form."""

        def project(point: Tensor) -> Tensor:
            away = point - self.centre
            return self.centre + away * (self.radius / away.norm(dim=-1, keepdim=True).clamp(min=1e-30)).clamp(max=1.0)

        fallback = form.centre + form.offset - self.centre
        directions = torch.cat([guiding_directions(form, project), fallback.unsqueeze(1)], 1)
        support = widen_up(
            dot_up(directions, self.centre.expand_as(directions)) + widen_up(self.radius * norm_up(directions))
        )
        return separation(form, directions, support)


@dataclass(frozen=True, eq=False)
class EllipsoidRegion(AbstractRegion):
    """`{centre + S v, |v| <= 1}` through the coordinates v = M (x - centre).

    M is a float inverse of S with |I - M S| <= defect, or, for S [n, q] with q > n, of a square root of S S' with
    |I - M S S' M'| <= defect: the least v with S v = y has the length of M y up to a factor within 1 +- defect.
    Margins are (|v| - 1) times the shortest semi-axis: a lower bound of the Euclidean distance with the right sign.
    """

    centre: Tensor
    to_ball: AffineView
    defect: float
    shortest: float

    def _scaled(self, margin: Tensor) -> Tensor:
        """Lower bound of margin times the real shortest semi-axis, which `shortest` approximates."""
        slack = AXIS_SLACK * torch.sign(margin)
        return widen_down(margin * (self.shortest * (1.0 - slack)), 4.0)

    @property
    def _ball(self) -> BallRegion:
        size = self.to_ball.weight.shape[0]
        return BallRegion(torch.zeros(size, dtype=torch.float64), torch.ones((), dtype=torch.float64))

    def inside(self, points: Tensor) -> Tensor:
        """Depth in the ball's coordinates, scaled."""
        return self.shortest * self._ball.inside(self._coordinates(points))

    def outside(self, points: Tensor) -> Tensor:
        """Distance in the ball's coordinates, scaled."""
        return self.shortest * self._ball.outside(self._coordinates(points))

    def _coordinates(self, points: Tensor) -> Tensor:
        # by the difference: M x and M centre would cancel
        return (points - self.centre) @ self.to_ball.weight.T

    def certified_inside(self, form: TaylorForm) -> CertifiedMargin:
        """The least |v| is at most |M y| / (1 - defect)."""
        found = self._ball.certified_inside(form.affine(self.to_ball))
        # 1 - |v| / (1 - defect) >= (1 - |v|) - 2 defect |v|, and |v| = 1 - margin
        margin = widen_down(found.margin - grow_up(2.0 * self.defect * (1.0 - found.margin).abs(), 4), 4.0)
        return CertifiedMargin(self._scaled(margin), found.direction @ self.to_ball.weight)

    def certified_outside(self, form: TaylorForm) -> CertifiedMargin:
        """The least |v| is at least |M y| / (1 + defect)."""
        found = self._ball.certified_outside(form.affine(self.to_ball))
        margin = widen_down(found.margin - grow_up(2.0 * self.defect * (1.0 + found.margin).abs(), 4), 4.0)
        return CertifiedMargin(self._scaled(margin), found.direction @ self.to_ball.weight)


def region_of(target: AbstractSet) -> AbstractRegion:
    """The region of a convex set; UnsupportedError for set types that have no margins."""
    if isinstance(target, Box):
        lower, upper = tensor(target.lower), tensor(target.upper)
        axes = torch.eye(target.dim, dtype=torch.float64)
        return BoxRegion(torch.cat([axes, -axes]), torch.cat([upper, -lower]), lower, upper)
    if isinstance(target, Polytope):
        normals, offsets = balanced(target)
        return PolyhedralRegion(tensor(normals), tensor(offsets))
    if isinstance(target, Ball):
        return BallRegion(tensor(target.centre), torch.tensor(float(target.radius), dtype=torch.float64))
    if isinstance(target, Ellipsoid):
        return _ellipsoid_region(target)
    raise UnsupportedError(
        f"a requirement on a set of type {type(target).__name__} is not supported; "
        "give a Box, Polytope, Ball or Ellipsoid"
    )


def _ellipsoid_region(target: Ellipsoid) -> EllipsoidRegion:
    shape, size = target.shape, target.dim
    inverse, defect = inverse_with_defect(shape)
    if not defect < 1e-6:
        raise UnsupportedError(
            "a requirement on a flat or extremely thin ellipsoid is not supported; "
            "give one whose shape matrix is well conditioned, with a column for every coordinate"
        )
    weight = tensor(inverse)
    centre = tensor(target.centre)
    bias = -(weight @ centre)
    radius = grow_up(gamma(size + 4) * (weight.abs() @ centre.abs()), size + 4)
    shortest = float(np.linalg.svd(shape, compute_uv=False).min())
    return EllipsoidRegion(centre, AffineView(weight, bias, None, radius), defect, shortest)
