"""Projections of sets onto two coordinates, as polygons to draw.

They are pictures, not proofs: floating point without outward rounding. For boxes and zonotopes the polygon is the
projection itself, for balls and ellipsoids an inscribed curve of `CURVE_POINTS` points, for all others the outer
polygon of a support function.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from nnctrl._typing import FloatArray
from nnctrl.sets.base import AbstractSet
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball, Ellipsoid
from nnctrl.sets.polytope import Polytope
from nnctrl.sets.zonotope import Zonotope

CURVE_POINTS = 128
TEMPLATE_DIRECTIONS = 48
LARGEST_DRAWN = 1e30


def projection_polygon(
    shape: AbstractSet, first: int, second: int, window: FloatArray | None = None
) -> FloatArray | None:
    """Vertices [v, 2], in order, of the projection of `shape` onto coordinates `first` and `second`.

    `window` [2, 2] (lower and upper corner) is where a plane polytope is cut off, by default at its bounding box.
    None when the projection is unbounded otherwise, or empty.
    """
    axes = [first, second]
    if isinstance(shape, Box):
        generators = np.diag(0.5 * (shape.upper - shape.lower)[axes])
        return zonotope_polygon(0.5 * (shape.lower + shape.upper)[axes], generators)
    if isinstance(shape, Zonotope):
        return zonotope_polygon(shape.centre[axes], shape.generators[axes])
    if isinstance(shape, Ball):
        return _ellipse(shape.centre[axes], float(shape.radius) * np.eye(2))
    if isinstance(shape, Ellipsoid):
        return _ellipse(shape.centre[axes], shape.shape[axes])
    if isinstance(shape, Polytope) and shape.dim == 2:
        frame = np.array([extent(shape, axis) for axis in axes]).T if window is None else window
        return _cut(frame, shape.normals[:, axes], shape.offsets) if np.isfinite(frame).all() else None
    return support_polygon(shape, first, second)


def extent(shape: AbstractSet, axis: int) -> tuple[float, float]:
    """Smallest and largest value of one coordinate; infinite where the set is unbounded."""
    direction = np.zeros(shape.dim)
    direction[axis] = 1.0
    below, above = shape.support(np.stack([-direction, direction]))
    return -float(below), float(above)


def drawable(values: ArrayLike) -> bool:
    """Whether numbers are small enough to compute a picture with."""
    return bool((np.abs(values) <= LARGEST_DRAWN).all())


def zonotope_polygon(centre: FloatArray, generators: FloatArray) -> FloatArray:
    """Vertices of the zonotope `centre` [2] plus `generators` [2, q]: its boundary follows the generators by angle."""
    columns = generators[:, np.abs(generators).sum(0) > 0.0].T
    flip = (columns[:, 1] < 0.0) | ((columns[:, 1] == 0.0) & (columns[:, 0] < 0.0))
    columns = np.where(flip[:, None], -columns, columns)
    ordered = columns[np.argsort(np.arctan2(columns[:, 1], columns[:, 0]))]
    half = centre - ordered.sum(0) + 2.0 * np.concatenate([np.zeros((1, 2)), np.cumsum(ordered, 0)])
    # the other half of the boundary is the mirror image in the centre
    return np.concatenate([half, 2.0 * centre - half[1:-1]]) if len(ordered) > 1 else half


def support_polygon(shape: AbstractSet, first: int, second: int) -> FloatArray | None:
    """The polygon that the support function cuts out in `TEMPLATE_DIRECTIONS` directions; None if unbounded."""
    angles = 2.0 * np.pi * np.arange(TEMPLATE_DIRECTIONS) / TEMPLATE_DIRECTIONS
    plane = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    directions = np.zeros((TEMPLATE_DIRECTIONS, shape.dim))
    directions[:, [first, second]] = plane
    offsets = shape.support(directions)
    if not np.isfinite(offsets).all():
        return None
    # the lines of neighbouring directions meet in a vertex
    neighbours, shifted = np.roll(plane, -1, axis=0), np.roll(offsets, -1)
    pairs = np.stack([plane, neighbours], axis=1)
    return np.asarray(np.linalg.solve(pairs, np.stack([offsets, shifted], axis=1)[..., None])[..., 0])


def _ellipse(centre: FloatArray, shape: FloatArray) -> FloatArray:
    """Boundary of the projection `centre + shape v`, |v| <= 1, with `shape` [2, n]."""
    angles = 2.0 * np.pi * np.arange(CURVE_POINTS) / CURVE_POINTS
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    images = directions @ shape
    lengths = np.linalg.norm(images, axis=1, keepdims=True)
    return centre + (images / np.where(lengths > 0.0, lengths, 1.0)) @ shape.T


def _cut(window: FloatArray, normals: FloatArray, offsets: FloatArray) -> FloatArray | None:
    """The part of a rectangle that satisfies all `normals x <= offsets`: cut with one half-plane after another."""
    (left, low), (right, high) = window
    polygon = np.array([[left, low], [right, low], [right, high], [left, high]])
    for normal, offset in zip(normals, offsets, strict=True):
        excess = polygon @ normal - offset
        kept: list[FloatArray] = []
        for index, (here, value) in enumerate(zip(polygon, excess, strict=True)):
            after = (index + 1) % len(polygon)
            if value <= 0.0:
                kept.append(here)
            if (value <= 0.0) != (excess[after] <= 0.0):
                kept.append(here + (polygon[after] - here) * (value / (value - excess[after])))
        if not kept:
            return None
        polygon = np.array(kept)
    return polygon
