"""Which coordinates to reduce independent symbols in: those of the states, or of the closed loop's own motions.

A box in the states' coordinates is the tightest now. Sample after sample, though, the loop turns it and it is boxed
again, which wraps: over a long horizon that beats the contraction of the loop. A box along the eigenvectors of the map
of one sample is not turned. Both are computed, and the one kept that is the smaller after a few samples of the loop's
linearisation.
"""

from __future__ import annotations

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.sets.polynomial_zonotope import PolynomialZonotope
from nnctrl.sets.reduction import reduced_in_frame
from nnctrl.sets.rounding import TINY
from nnctrl.systems.point_loop import PointLoop

LOOKAHEAD = 10
"""Samples after which the two are compared."""

WORST_CONDITION = 1e4
"""A frame of vectors nearer to being dependent blows up what it boxes."""


def fewer_symbols(z: PolynomialZonotope, limit: int, points: PointLoop) -> PolynomialZonotope:
    """The composite states `z` [N] over at most `limit` independent symbols, and one per row for what rounding adds."""
    boxed = z.reduced(limit)
    if z.generators.shape[1] <= limit:
        return boxed
    low, high = z.ranges()
    size = 0.5 * (high - low) + 1e-9 * np.maximum(np.abs(low), np.abs(high)) + TINY
    box = points.loop.step.disturbance
    d = np.zeros(0) if box is None else 0.5 * box.lower + 0.5 * box.upper
    # in units of the set's own size
    motion = points.jacobian(z.coefficients[:, 0], d, size) / size[:, None] * size
    frame = _eigenframe(motion)
    if frame is None:
        return boxed
    framed = reduced_in_frame(z, limit, size[:, None] * frame)
    later = np.linalg.matrix_power(motion, LOOKAHEAD)
    with_box, with_frame = (_width(later @ (rows.generators / size[:, None])) for rows in (boxed, framed))
    keep = (with_frame / (with_box + TINY)).mean() < 1.0
    return framed.with_symbols_for_radius() if keep else boxed


def _width(generators: FloatArray) -> FloatArray:
    return np.abs(generators).sum(axis=1)


def _eigenframe(matrix: FloatArray) -> FloatArray | None:
    """Real and imaginary parts of the eigenvectors, as columns; None where they are no good frame."""
    if not np.isfinite(matrix).all():
        return None
    values, vectors = np.linalg.eig(matrix)
    columns = []
    for value, vector in zip(values, vectors.T, strict=True):
        # of a conjugate pair one is enough
        if value.imag > 0.0:
            columns += [vector.real, vector.imag]
        elif value.imag == 0.0:
            columns.append(vector.real)
    frame = np.array(columns).T
    if frame.shape != matrix.shape or not np.linalg.cond(frame) < WORST_CONDITION:
        return None
    return frame
