"""Local Lipschitz constants of all sub-networks of a network over boxes (the Hessian paper, section IV).

For the chain `z^0 = W^0 x + b^0`, `z^i = W^i phi(z^{i-1}) + b^i` with slopes `alpha <= phi' <= beta` on the boxes, a
method gives `hidden` m_0 .. m_{L-1}, constants of the sub-networks x -> z^i (Corollary 1), and `output`, that of
`d' (W^L phi(z^{L-1}) + A x)` for a direction d. All are with respect to one p-norm, p = 1, 2 or infinity, in the
coordinates that the view is in.

Every product of matrices stands for the real one within a certified distance (`EnclosedMatrix`), so the constants hold
for the real network, radii of composed matrices included.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from nnctrl.bounds.enclosed_matrix import EnclosedMatrix
from nnctrl.bounds.layered import LayeredView, Ranges
from nnctrl.bounds.view import AffineView
from nnctrl.sets.rounding import widen_up


class LipschitzConstants(NamedTuple):
    """`hidden` [batch, L]: constants of x -> z^i, i < L; `output` [batch]: of the output in its direction."""

    hidden: Tensor
    output: Tensor


class AbstractLipschitz(ABC):
    """A method of bounding local Lipschitz constants. Implementations are frozen dataclasses without state."""

    @abstractmethod
    def constants(self, net: LayeredView, ranges: Ranges, directions: Tensor, p: float) -> LipschitzConstants:
        """Constants over the boxes that `ranges` belong to, for pairs of a box and a direction [batch, m].

        Upper bounds, rounded outward, inf where a range is not finite; differentiable in the weights and the ranges.
        """


@dataclass(frozen=True)
class NaiveLipschitz(AbstractLipschitz):
    """The product of norms: `m_i = |W^i diag(beta_{i-1})| m_{i-1}`; cost: one norm per layer."""

    def constants(self, net: LayeredView, ranges: Ranges, directions: Tensor, p: float) -> LipschitzConstants:
        """See `AbstractLipschitz.constants`."""
        batch = directions.shape[0]
        current = EnclosedMatrix.of(net.affines[0], batch, p).norm()
        hidden = []
        rows = [*(EnclosedMatrix.of(affine, batch, p) for affine in net.affines[1:-1]), _head(net, directions, p)]
        if net.depth == 0:
            return LipschitzConstants(current.new_zeros(batch, 0), _plus_skip(rows[-1], net, directions, p).norm())
        for row, (_, beta) in zip(rows, ranges.slopes, strict=True):
            hidden.append(current)
            current = widen_up(row.scaled(beta).norm() * current)
        skip = _skip(net, directions, p)
        output = current if skip is None else widen_up(current + skip.norm())
        return LipschitzConstants(_finite(torch.stack(hidden, -1)), _finite(output))


@dataclass(frozen=True)
class LipLT(AbstractLipschitz):
    """Local LipLT (Theorem 2, Corollary 1): `phi(z) = Lam z + psi(z)` with `|psi'| <= delta`.

    `m_i = |W^i Lam_{i-1} W^{i-1} ... Lam_0 W^0| + sum_j |W^i Lam_{i-1} ... Lam_j W^j diag(delta_{j-1})| m_{j-1}`, for
    every row the least over `Lam = beta/2` (never above the naive bound, Proposition 1), the midpoint of the slopes and
    0. A feedthrough A joins the first term of the last row. `everywhere`: with the slopes' global ranges instead of the
    local ones (global LipLT, Remark 1). Cost: O(L^2) products and norms.
    """

    everywhere: bool = False

    def constants(self, net: LayeredView, ranges: Ranges, directions: Tensor, p: float) -> LipschitzConstants:
        """See `AbstractLipschitz.constants`."""
        batch = directions.shape[0]
        slopes = _global_slopes(ranges) if self.everywhere else ranges.slopes
        if net.depth == 0:
            zero = directions.new_zeros(batch, 0)
            return LipschitzConstants(zero, _plus_skip(_head(net, directions, p), net, directions, p).norm())
        matrices = [EnclosedMatrix.of(affine, batch, p) for affine in net.affines[:-1]]
        known = [matrices[0].norm()]
        for i in range(1, net.depth):
            known.append(_least_row(matrices[i], matrices, slopes[:i], known, None))
        output = _least_row(_head(net, directions, p), matrices, slopes, known, _skip(net, directions, p))
        return LipschitzConstants(_finite(torch.stack(known, -1)), _finite(output))


def loop_transformed_row(
    row: EnclosedMatrix,
    matrices: list[EnclosedMatrix],
    transformations: list[Tensor],
    slopes: tuple[tuple[Tensor, Tensor], ...],
    known: list[Tensor],
    skip: EnclosedMatrix | None,
) -> Tensor:
    """The right-hand side of Theorem 2 for `row`, which follows the layers of `slopes`, with given Lam [batch, width].

    Holds for every choice of Lam, also one that comes from an optimisation.
    """
    total: Tensor | None = None
    for j in range(len(slopes) - 1, -1, -1):
        alpha, beta = slopes[j]
        transformation = transformations[j]
        delta = widen_up(torch.maximum(beta - transformation, transformation - alpha).clamp(min=0.0))
        term = widen_up(row.scaled(delta).norm() * known[j])
        total = term if total is None else widen_up(total + term)
        row = row.scaled(transformation).times(matrices[j])
    linear = (row if skip is None else row.plus(skip)).norm()
    return linear if total is None else widen_up(linear + total)


def _least_row(
    row: EnclosedMatrix,
    matrices: list[EnclosedMatrix],
    slopes: tuple[tuple[Tensor, Tensor], ...],
    known: list[Tensor],
    skip: EnclosedMatrix | None,
) -> Tensor:
    choices = (
        [0.5 * beta for _, beta in slopes],
        [0.5 * alpha + 0.5 * beta for alpha, beta in slopes],
        [torch.zeros_like(beta) for _, beta in slopes],
    )
    rows = [loop_transformed_row(row, matrices, choice, slopes, known, skip) for choice in choices]
    return torch.stack(rows).amin(0)


def _global_slopes(ranges: Ranges) -> tuple[tuple[Tensor, Tensor], ...]:
    """Slopes over the whole line."""
    everywhere = tuple((torch.full_like(low, -1e300), torch.full_like(high, 1e300)) for low, high in ranges.intervals)
    return Ranges(ranges.activations, everywhere).slopes


def _head(net: LayeredView, directions: Tensor, p: float) -> EnclosedMatrix:
    """`d' W^L` as rows [batch, 1, width]."""
    return _along(net.affines[-1], directions, p)


def _skip(net: LayeredView, directions: Tensor, p: float) -> EnclosedMatrix | None:
    """`d' A` as rows, None without a feedthrough."""
    return None if net.feedthrough is None else _along(net.feedthrough, directions, p)


def _plus_skip(row: EnclosedMatrix, net: LayeredView, directions: Tensor, p: float) -> EnclosedMatrix:
    skip = _skip(net, directions, p)
    return row if skip is None else row.plus(skip)


def _along(affine: AffineView, directions: Tensor, p: float) -> EnclosedMatrix:
    return EnclosedMatrix.rows(directions, p).times(EnclosedMatrix.of(affine, len(directions), p))


def _finite(constants: Tensor) -> Tensor:
    """Nan means that nothing is known."""
    return torch.nan_to_num(constants, nan=torch.inf, posinf=torch.inf)
