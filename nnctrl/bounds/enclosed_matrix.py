"""Matrices known up to a distance in an operator norm: products of weights and slopes whose rounding is accounted for.

One number per matrix is enough where only norms are asked for, and costs no second product with absolute values.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nnctrl.bounds.norms import frobenius_up, operator_norm_up
from nnctrl.bounds.view import AffineView
from nnctrl.sets.rounding import UNIT_ROUNDOFF, gamma, widen_up


@dataclass(frozen=True, eq=False)
class EnclosedMatrix:
    """Every matrix within `error` [batch] of `matrix` [batch, m, n], measured in the operator p-norm.

    The matrix carries gradients, the error does not.
    """

    matrix: Tensor
    error: Tensor
    p: float

    @staticmethod
    def of(affine: AffineView, batch: int, p: float) -> EnclosedMatrix:
        """The weight of a layer, the same for the whole batch."""
        matrix = affine.weight.expand(batch, -1, -1)
        if affine.weight_radius is None:
            return EnclosedMatrix(matrix, matrix.new_zeros(batch), p)
        return EnclosedMatrix(matrix, _absolute_norm(affine.weight_radius.detach(), p).expand(batch), p)

    @staticmethod
    def rows(vectors: Tensor, p: float) -> EnclosedMatrix:
        """Vectors [batch, n] as matrices of one row, exact."""
        return EnclosedMatrix(vectors.unsqueeze(1), vectors.new_zeros(len(vectors)), p)

    def norm(self) -> Tensor:
        """Upper bound of the operator norm, [batch]."""
        return widen_up(operator_norm_up(self.matrix, self.p) + self.error)

    def scaled(self, diagonal: Tensor) -> EnclosedMatrix:
        """Times diag(`diagonal` [batch, n])."""
        product = self.matrix * diagonal.unsqueeze(-2)
        with torch.no_grad():
            largest = diagonal.abs().amax(-1)
            error = widen_up(self.error * largest + 2.0 * UNIT_ROUNDOFF * _absolute_norm(product, self.p), 8.0)
        return EnclosedMatrix(product, error, self.p)

    def times_rows(self, diagonal: Tensor) -> EnclosedMatrix:
        """diag(`diagonal` [batch, m]) times it."""
        product = self.matrix * diagonal.unsqueeze(-1)
        with torch.no_grad():
            largest = diagonal.abs().amax(-1)
            error = widen_up(self.error * largest + 2.0 * UNIT_ROUNDOFF * _absolute_norm(product, self.p), 8.0)
        return EnclosedMatrix(product, error, self.p)

    def times(self, other: EnclosedMatrix) -> EnclosedMatrix:
        """The product with `other` [batch, n, q]."""
        with torch.no_grad():
            mine, its = _absolute_norm(self.matrix, self.p), _absolute_norm(other.matrix, self.p)
            # in this order: a tiny factor times gamma alone would underflow
            rounding = gamma(self.matrix.shape[-1] + 2) * (mine * its)
            error = widen_up(self.error * (its + other.error) + mine * other.error + rounding, 8.0)
        return EnclosedMatrix(self.matrix @ other.matrix, error, self.p)

    def transposed(self) -> EnclosedMatrix:
        """The transposes; the 2-norm only, in which they have the same error."""
        if self.p != 2.0:
            raise ValueError(f"an error in the {self.p:g}-norm says nothing of the transpose")
        return EnclosedMatrix(self.matrix.transpose(-2, -1), self.error, self.p)

    def halved(self) -> EnclosedMatrix:
        """Half of it; exact but for subnormal entries."""
        return EnclosedMatrix(0.5 * self.matrix, widen_up(0.5 * self.error, 0.0), self.p)

    def plus(self, other: EnclosedMatrix) -> EnclosedMatrix:
        """The sum."""
        total = self.matrix + other.matrix
        with torch.no_grad():
            rounding = 2.0 * UNIT_ROUNDOFF * _absolute_norm(total, self.p)
            error = widen_up(self.error + other.error + rounding, 8.0)
        return EnclosedMatrix(total, error, self.p)


def _absolute_norm(matrix: Tensor, p: float) -> Tensor:
    """Upper bound of the norm of the matrix of absolute values: how entrywise errors are measured."""
    return frobenius_up(matrix) if p == 2.0 else operator_norm_up(matrix, p)
