"""Initial sets as images of boxes in NumPy, for polynomial zonotopes: parts, and the rows they start with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import UnsupportedError
from nnctrl.sets.base import AbstractSet
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball, Ellipsoid
from nnctrl.sets.interval import Interval
from nnctrl.sets.rounding import TINY, gamma, widen_up
from nnctrl.sets.zonotope import Zonotope


@dataclass(frozen=True, eq=False)
class InitialParts:
    """The initial set lies in the image of the box [lower, upper] [s] under `x = offset + matrix v`.

    `misses` says of a box of v whether it certainly contains no parameter of a point of the set.
    """

    lower: FloatArray
    upper: FloatArray
    matrix: FloatArray
    offset: FloatArray
    misses: Callable[[FloatArray, FloatArray], bool]

    @property
    def size(self) -> int:
        """Number of parameters s."""
        return len(self.lower)

    def states(self, parameters: FloatArray) -> FloatArray:
        """States [..., n] of parameters [..., s], in floating point."""
        return self.offset + parameters @ self.matrix.T

    def rows(self, lower: FloatArray, upper: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Centre [n], generators [n, s] and radius [n] of a polynomial zonotope around the image of [lower, upper]."""
        middle = np.clip(0.5 * lower + 0.5 * upper, lower, upper)
        reach = widen_up(np.maximum(upper - middle, middle - lower))
        centre, generators = self.states(middle), self.matrix * reach
        # a coordinate that is a parameter itself, or known, is exact
        exact = (np.abs(self.matrix).sum(axis=1) == 0.0) | (
            ((self.matrix != 0.0).sum(axis=1) == 1) & (self.matrix.max(axis=1, initial=0.0) == 1.0) & (self.offset == 0)
        )
        size = np.abs(self.offset) + np.abs(self.matrix) @ (np.abs(middle) + reach)
        return centre, generators, np.where(exact, 0.0, 4.0 * gamma(self.size + 4) * size + TINY)


def initial_parts(initial: AbstractSet) -> InitialParts:
    """The parts of a Box, Zonotope, Ball, Ellipsoid or Polytope; UnsupportedError for other kinds."""
    if isinstance(initial, Box):
        return _box(initial, lambda lower, upper: False)
    if isinstance(initial, Zonotope):
        ones = np.ones(initial.generators.shape[1])
        return InitialParts(-ones, ones, initial.generators, initial.centre, lambda lower, upper: False)
    if isinstance(initial, Ball | Ellipsoid):
        shape = initial.shape if isinstance(initial, Ellipsoid) else float(initial.radius) * np.eye(initial.dim)
        ones = np.ones(shape.shape[1])
        return InitialParts(-ones, ones, shape, initial.centre, _misses_unit_ball)
    box = initial.bounding_box()
    if not (np.isfinite(box.lower).all() and np.isfinite(box.upper).all()):
        raise UnsupportedError("an unbounded initial set is not supported; add half-spaces that bound it")
    return _box(box, lambda lower, upper: _misses(initial, box, lower, upper))


def _box(box: Box, misses: Callable[[FloatArray, FloatArray], bool]) -> InitialParts:
    """Coordinates with an extent are the parameters."""
    wide = np.flatnonzero(box.upper > box.lower)
    matrix = np.zeros((box.dim, len(wide)))
    matrix[wide, np.arange(len(wide))] = 1.0
    offset = np.where(box.upper > box.lower, 0.0, box.lower)
    return InitialParts(box.lower[wide], box.upper[wide], matrix, offset, misses)


def _misses(initial: AbstractSet, box: Box, lower: FloatArray, upper: FloatArray) -> bool:
    wide = box.upper > box.lower
    low, high = box.lower.copy(), box.upper.copy()
    low[wide], high[wide] = lower, upper
    return initial.contains(Interval(low, high)).verdict == "outside"


def _misses_unit_ball(lower: FloatArray, upper: FloatArray) -> bool:
    nearest = np.maximum(np.maximum(lower, -upper), 0.0)
    return bool((nearest * nearest).sum() * (1.0 - 1e-12) > 1.0)
