"""Points that are proved to lie in a set, and how they and other numbers are told."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import UnsupportedError
from nnctrl.learning.lmi.enclosed import Enclosed
from nnctrl.sets.base import AbstractSet
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball, Ellipsoid
from nnctrl.sets.polytope import Polytope
from nnctrl.sets.rounding import norm_up
from nnctrl.sets.zonotope import Zonotope

INWARD = (1e-12, 1e-9, 1e-6, 1e-3)
"""Shares by which a vertex of a polytope is moved inside until its membership is proved."""

DIGITS = 12
"""Numbers are told exactly up to so many digits."""


def extreme_point(of: AbstractSet, direction: FloatArray) -> Enclosed | None:
    """A real point of the set, about the farthest in a direction, within an enclosure [n, 1]; None if none is proved.

    The coefficients of boxes, zonotopes and ellipsoids are numbers whose size is proved, so that only the point that
    they stand for is rounded.
    """
    if isinstance(of, Box):
        return Enclosed.exact(np.where(direction >= 0.0, of.upper, of.lower)[:, None])
    if isinstance(of, Zonotope):
        return _image(of.centre, of.generators, np.sign(direction @ of.generators))
    if isinstance(of, Ball | Ellipsoid):
        shape = of.radius * np.eye(of.dim) if isinstance(of, Ball) else of.shape
        along = direction @ shape
        length = float(norm_up(along))
        v = along / length if length > 0.0 else along
        while float(norm_up(v)) > 1.0:
            v = v * (1.0 - 1e-15)
        # the products of a radius are part of the enclosure
        return _image(of.centre, shape, v)
    if isinstance(of, Polytope):
        try:
            corner = of.support_vector(direction)
        except UnsupportedError:
            # unbounded in this direction: no point is the farthest
            return None
        for share in INWARD:
            point = corner + share * (of.interior_point - corner)
            if of.contains(point).verdict == "inside":
                return Enclosed.exact(point[:, None])
    return None


def _image(centre: FloatArray, matrix: FloatArray, coefficients: FloatArray) -> Enclosed:
    if matrix.shape[1] == 0:
        return Enclosed.exact(centre[:, None])
    return Enclosed.exact(centre[:, None]).plus(Enclosed.exact(matrix).times(Enclosed.exact(coefficients[:, None])))


def told_exactly(value: float) -> str | None:
    """The shortest decimal that reads as `value`, if it has at most `DIGITS` digits."""
    return next((text for digits in range(6, DIGITS + 1) if float(text := f"{value:.{digits}g}") == value), None)


def listed(names: Sequence[str], point: Enclosed, kind: str) -> str:
    """`the point (p, v) = (2.8, 0)` of the given `kind`; `a point near ...` where that is rounded."""
    exact = [told_exactly(value) for value in point.middle[:, 0]]
    is_exact = not point.radius.any() and None not in exact
    texts = exact if is_exact else [f"{value:.6g}" for value in point.middle[:, 0]]
    numbers = ", ".join(map(str, texts))
    values = f"{names[0]} = {numbers}" if len(names) == 1 else f"({', '.join(names)}) = ({numbers})"
    return f"the {kind} {values}" if is_exact else f"a {kind} near {values}"
