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
    def constants(
        self, net: LayeredView, ranges: Ranges, directions: Tensor, p: float, scale: Tensor | None = None
    ) -> LipschitzConstants:
        """Constants over the boxes that `ranges` belong to, for pairs of a box and a direction [batch, m].

        `scale` [batch, n]: with respect to inputs divided by it, by default the inputs themselves. Upper bounds,
        rounded outward, inf where a range is not finite; differentiable in the weights and the ranges.
        """


@dataclass(frozen=True)
class NaiveLipschitz(AbstractLipschitz):
    """The product of norms: `m_i = |W^i diag(beta_{i-1})| m_{i-1}`; cost: one norm per layer."""

    def constants(
        self, net: LayeredView, ranges: Ranges, directions: Tensor, p: float, scale: Tensor | None = None
    ) -> LipschitzConstants:
        """See `AbstractLipschitz.constants`."""
        if net.depth == 0:
            return _linear(net, directions, p, scale)
        head, skip = head_and_skip(net, directions, p, scale)
        inner = inner_matrices(net, len(directions), p, scale)
        hidden = [inner[0].norm()]
        for row, (_, beta) in zip([*inner[1:], head], ranges.slopes, strict=True):
            hidden.append(widen_up(row.scaled(beta).norm() * hidden[-1]))
        output = hidden.pop()
        output = output if skip is None else widen_up(output + skip.norm())
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

    def constants(
        self, net: LayeredView, ranges: Ranges, directions: Tensor, p: float, scale: Tensor | None = None
    ) -> LipschitzConstants:
        """See `AbstractLipschitz.constants`."""
        if net.depth == 0:
            return _linear(net, directions, p, scale)
        slopes = _global_slopes(ranges) if self.everywhere else ranges.slopes
        matrices = inner_matrices(net, len(directions), p, scale)
        known, output = liplt_of_chain(matrices, slopes, *head_and_skip(net, directions, p, scale))
        return LipschitzConstants(_finite(torch.stack(known, -1)), _finite(output))


def liplt_of_chain(
    matrices: list[EnclosedMatrix],
    slopes: tuple[tuple[Tensor, Tensor], ...],
    head: EnclosedMatrix,
    skip: EnclosedMatrix | None,
) -> tuple[list[Tensor], Tensor]:
    """LipLT's constants [batch] of every sub-network of the chain of `matrices` with `slopes` after each of them, and
    of `head` after the last.
    """
    known = [matrices[0].norm()]
    for i in range(1, len(matrices)):
        known.append(_least_row(matrices[i], matrices, slopes[:i], known, None))
    return known, _least_row(head, matrices, slopes, known, skip)


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
    largest = torch.finfo(torch.float64).max
    everywhere = tuple(
        (torch.full_like(low, -largest), torch.full_like(high, largest)) for low, high in ranges.intervals
    )
    return Ranges(ranges.activations, everywhere).slopes


def inner_matrices(net: LayeredView, batch: int, p: float, scale: Tensor | None = None) -> list[EnclosedMatrix]:
    """W^0 (times diag(scale)) .. W^{L-1}."""
    matrices = [EnclosedMatrix.of(affine, batch, p) for affine in net.affines[:-1]]
    if scale is not None and matrices:
        matrices[0] = matrices[0].scaled(scale)
    return matrices


def head_and_skip(
    net: LayeredView, directions: Tensor, p: float, scale: Tensor | None = None
) -> tuple[EnclosedMatrix, EnclosedMatrix | None]:
    """`d' W^L` and `d' A` (times diag(scale); None without a feedthrough) as one row per direction [batch, m]."""
    head = _along(net.affines[-1], directions, p)
    if scale is not None and net.depth == 0:
        head = head.scaled(scale)
    if net.feedthrough is None:
        return head, None
    skip = _along(net.feedthrough, directions, p)
    return head, skip if scale is None else skip.scaled(scale)


def _along(affine: AffineView, directions: Tensor, p: float) -> EnclosedMatrix:
    return EnclosedMatrix.rows(directions, p).times(EnclosedMatrix.of(affine, len(directions), p))


def _linear(net: LayeredView, directions: Tensor, p: float, scale: Tensor | None) -> LipschitzConstants:
    """Without activations the output is linear and its constant is its norm."""
    head, skip = head_and_skip(net, directions, p, scale)
    constant = (head if skip is None else head.plus(skip)).norm()
    return LipschitzConstants(directions.new_zeros(len(directions), 0), _finite(constant))


def _finite(constants: Tensor) -> Tensor:
    """Nan means that nothing is known."""
    return torch.nan_to_num(constants, nan=torch.inf, posinf=torch.inf)
