"""Independent symbols of polynomial zonotopes that take the place of dependent ones.

Products lose what independent symbols have in common, so those that matter most are worth a dependent symbol. A few
symbols of the basis are kept for that (`slots`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.sets.polynomial_zonotope import PolynomialZonotope
from nnctrl.sets.rounding import TINY, grow_up

ADVANTAGE = 2.0
"""An independent symbol takes the place of a dependent one when it is so many times as large."""


def resymbolised(rows: PolynomialZonotope, slots: range) -> PolynomialZonotope:
    """The same set with the largest independent symbols in the dependent symbols `slots`.

    The symbol that leaves a slot keeps its linear part as an independent one; its other monomials go into the radii.
    `rows` must be all that shares the symbols. Sizes are relative to each row's. Cost: a pass over the coefficients.
    """
    basis, q = rows.basis, rows.generators.shape[1]
    # a symbol that weighs more than the degree has no monomial
    linear = basis.linear[slots.start : slots.stop]
    if not slots or not q or (linear < 0).any():
        return rows
    c, g, lost = rows.coefficients.copy(), rows.generators.copy(), np.zeros(rows.dim)
    size = np.abs(c[:, 1:]).sum(axis=1) + np.abs(g).sum(axis=1) + TINY
    held = (np.abs(c[:, linear]) / size[:, None]).sum(axis=0)
    offered = (np.abs(g) / size[:, None]).sum(axis=0)
    for slot, column in zip(np.argsort(held, kind="stable"), np.argsort(-offered, kind="stable"), strict=False):
        if not offered[column] > ADVANTAGE * held[slot]:
            break
        involved = basis.exponents[:, slots.start + slot] > 0
        involved[linear[slot]] = False
        lost += _absolute_sum(c[:, involved])
        c[:, involved] = 0.0
        leaving = c[:, linear[slot]].copy()
        c[:, linear[slot]] = g[:, column]
        g[:, column] = leaving
    return replace(rows, coefficients=c, generators=g, radius=grow_up(rows.radius + lost, len(slots) + 2))


def _absolute_sum(columns: FloatArray) -> FloatArray:
    return np.asarray(grow_up(np.abs(columns).sum(axis=1), columns.shape[1]))
