"""Initial sets as images of boxes, so that they can be cut into parts.

A box is its own parametrisation; a zonotope is the image of its symbol box; ellipsoids and polytopes are covered by a
box of which parts that certainly miss the set are dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from nnctrl._typing import FloatArray
from nnctrl.bounds.view import AffineView, tensor
from nnctrl.errors import UnsupportedError
from nnctrl.networks.layers import Affine
from nnctrl.sets.base import AbstractSet
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball, Ellipsoid
from nnctrl.sets.polytope import Polytope
from nnctrl.sets.rounding import dot_up, widen_down
from nnctrl.sets.zonotope import Zonotope


@dataclass(frozen=True, eq=False)
class Parametrisation:
    """The initial set is contained in the image of the box [lower, upper] (q) under `to_state`.

    `misses` tells of boxes [batch, q] which ones certainly contain no parameter of a point of the set; `admits` tells
    in floating point of parameters [batch, q] which ones belong to points of the set, as `inside` [q] does.
    """

    lower: Tensor
    upper: Tensor
    to_state: Affine
    misses: Callable[[Tensor, Tensor], Tensor]
    admits: Callable[[Tensor], Tensor]
    inside: Tensor

    @cached_property
    def view(self) -> AffineView:
        """Torch view of `to_state`."""
        return AffineView.of(self.to_state)

    def sample(self, generator: torch.Generator, count: int) -> Tensor:
        """Parameters [<= count + 1, q] of points of the set (up to rounding): `inside`, uniform ones and corners."""
        unit = torch.rand(count, len(self.lower), generator=generator, dtype=torch.float64)
        corners = count // 4
        unit[:corners] = torch.round(unit[:corners])
        points = self.lower + unit * (self.upper - self.lower)
        points = torch.minimum(torch.maximum(points, self.lower), self.upper)
        return torch.cat([self.inside.unsqueeze(0), points[self.admits(points)]])


def _none_missed(lower: Tensor, upper: Tensor) -> Tensor:
    return torch.zeros(len(lower), dtype=torch.bool)


def _all_admitted(points: Tensor) -> Tensor:
    return torch.ones(len(points), dtype=torch.bool)


def parametrise(initial: AbstractSet, lift: Callable[[Affine], Affine]) -> Parametrisation:
    """Parametrise `initial`, a set of plant states; `lift` takes a map to plant states to one to the composite
    state.
    """
    if isinstance(initial, Box):
        return image_of_box(initial.lower, initial.upper, lift(Affine.identity(initial.dim)))
    if isinstance(initial, Zonotope):
        ones = np.ones(initial.generators.shape[1])
        return image_of_box(-ones, ones, lift(Affine(initial.generators, initial.centre)))
    if isinstance(initial, Ball):
        initial = Ellipsoid(initial.centre, initial.radius * np.eye(initial.dim))
    if isinstance(initial, Ellipsoid):
        ones = np.ones(initial.shape.shape[1])
        affine = lift(Affine(initial.shape, initial.centre))
        return Parametrisation(
            tensor(-ones), tensor(ones), affine, _misses_unit_ball, _in_unit_ball, tensor(0.0 * ones)
        )
    if isinstance(initial, Polytope):
        return _from_polytope(initial, lift)
    raise UnsupportedError(
        f"an initial set of type {type(initial).__name__} is not supported; "
        "give a Box, Zonotope, Ball, Ellipsoid or Polytope"
    )


def image_of_box(lower: FloatArray, upper: FloatArray, to_state: Affine) -> Parametrisation:
    """The whole image of a box: every parameter belongs to a point of the set."""
    centre = np.clip(0.5 * lower + 0.5 * upper, lower, upper)
    return Parametrisation(tensor(lower), tensor(upper), to_state, _none_missed, _all_admitted, tensor(centre))


def _misses_unit_ball(lower: Tensor, upper: Tensor) -> Tensor:
    """Boxes whose point nearest to 0 is certainly farther than 1."""
    nearest = torch.maximum(lower, -upper).clamp(min=0.0)
    return widen_down((nearest * nearest).sum(-1) * (1.0 - 1e-12)) > 1.0


def _in_unit_ball(points: Tensor) -> Tensor:
    return (points * points).sum(-1) <= 1.0 - 1e-12


def _from_polytope(initial: Polytope, lift: Callable[[Affine], Affine]) -> Parametrisation:
    box = initial.bounding_box()
    if not (np.isfinite(box.lower).all() and np.isfinite(box.upper).all()):
        raise UnsupportedError("an unbounded initial set is not supported; add half-spaces that bound it")
    normals, offsets = tensor(initial.normals), tensor(initial.offsets)

    def misses(lower: Tensor, upper: Tensor) -> Tensor:
        corners = torch.where(normals > 0.0, lower.unsqueeze(1), upper.unsqueeze(1))
        return (-dot_up(-normals, corners) > offsets).any(-1)

    def admits(points: Tensor) -> Tensor:
        return (points @ normals.T <= offsets).all(-1)

    affine = lift(Affine.identity(initial.dim))
    # a thin polytope may admit no sample of its box at all
    inside = tensor(np.clip(initial.interior_point, box.lower, box.upper))
    return Parametrisation(tensor(box.lower), tensor(box.upper), affine, misses, admits, inside)
