"""Affine maps side by side: stacking, choosing and spreading, all exact and with their radii."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.networks.layers import Affine


def _radius(radius: FloatArray | None, like: FloatArray) -> FloatArray:
    return np.zeros_like(like) if radius is None else radius


def stack_rows(maps: Sequence[Affine]) -> Affine:
    """Maps of the same input, one above the other."""
    return Affine(
        np.vstack([a.weight for a in maps]),
        np.concatenate([a.bias for a in maps]),
        np.vstack([_radius(a.weight_radius, a.weight) for a in maps]),
        np.concatenate([_radius(a.bias_radius, a.bias) for a in maps]),
    )


def beside(first: Affine, second: Affine) -> Affine:
    """The block-diagonal map: `first` on the first inputs, `second` on the rest."""
    size = first.in_size + second.in_size
    return stack_rows(
        [spread_columns(first, slice(0, first.in_size), size), spread_columns(second, slice(first.in_size, size), size)]
    )


def spread_columns(affine: Affine, lanes: slice, size: int) -> Affine:
    """The same map reading its inputs from `lanes` of a wider input of `size` entries."""

    def widen(matrix: FloatArray) -> FloatArray:
        wide = np.zeros((matrix.shape[0], size))
        wide[:, lanes] = matrix
        return wide

    radius = None if affine.weight_radius is None else widen(affine.weight_radius)
    return Affine(widen(affine.weight), affine.bias, radius, affine.bias_radius)


def choose_columns(affine: Affine, columns: Sequence[int], *, offset: bool) -> Affine:
    """The map of the inputs `columns` alone, the others being 0; without its offset unless asked for."""
    index = list(columns)
    radius = None if affine.weight_radius is None else affine.weight_radius[:, index]
    if not offset:
        return Affine.linear(affine.weight[:, index], radius)
    return Affine(affine.weight[:, index], affine.bias, radius, affine.bias_radius)


def select(size: int, lanes: slice) -> Affine:
    """The entries `lanes` of an input of `size` entries."""
    return Affine.linear(np.eye(size)[lanes])


def zero_map(in_size: int, out_size: int) -> Affine:
    """The map to zero."""
    return Affine.linear(np.zeros((out_size, in_size)))
