"""LipSDP: local Lipschitz constants by semidefinite programming (Fazlyab et al. 2019, with per-neuron slopes).

The increments of two points of the box satisfy one quadratic constraint per neuron, `(phi(z + dz) - phi(z) - alpha dz)
(beta dz - phi(z + dz) + phi(z)) >= 0`. With the increments as linear functions of chi, its factors as the rows of G
and R, and the increment of the output as H chi: if multipliers lambda >= 0 make

    P = H'H - rho E_0'E_0 + (G' diag(lambda) R + R' diag(lambda) G) / 2

negative semidefinite, `|H chi|^2 <= rho |dx^0|^2`, so sqrt(rho) is a Lipschitz constant of the map behind H. The solver
is not believed: its multipliers are clipped at 0 and tau, a certified bound of the largest eigenvalue of P, is
computed from the stored weights. Then `|H chi|^2 <= rho |dx^0|^2 + tau |chi|^2`, and a bound of |chi| by LipLT
turns the rest into a margin on rho: an inaccurate solution gives a larger constant, never a wrong one.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from nnctrl._typing import FloatArray
from nnctrl.bounds.barrier import least_rho
from nnctrl.bounds.enclosed_matrix import EnclosedMatrix
from nnctrl.bounds.layered import LayeredView, Ranges
from nnctrl.bounds.lipschitz import AbstractLipschitz, LipLT, LipschitzConstants, head_and_skip, inner_matrices
from nnctrl.bounds.norms import eigenvalue_range
from nnctrl.errors import UnsupportedError
from nnctrl.sets.rounding import widen_up

BARRIER = "barrier"

BELIEVED = ("optimal", "optimal_inaccurate")
"""Solver states whose multipliers are looked at; anything else leaves the constant of LipLT."""


@dataclass(frozen=True)
class LipSDP(AbstractLipschitz):
    """LipSDP for every sub-network and the output, with the 2-norm; never above LipLT.

    `solver`: "barrier", the method of `bounds.barrier`, or an SDP solver that CVXPY has installed (CLARABEL, MOSEK,
    SCS), which all give the same constants to some digits; the barrier method is a hundred times faster. Cost: an SDP
    of the size of the network for every hidden layer and box, and for every direction; meant for the root of a search.
    Gradients are not available.
    """

    solver: str = BARRIER

    def constants(
        self, net: LayeredView, ranges: Ranges, directions: Tensor, p: float, scale: Tensor | None = None
    ) -> LipschitzConstants:
        """See `AbstractLipschitz.constants`."""
        if p != 2.0:
            raise UnsupportedError(f"LipSDP bounds constants in the 2-norm, not for p = {p:g}; use liplt")
        with torch.no_grad():
            start = LipLT().constants(net, ranges, directions, p, scale)
            hidden, output = start.hidden.clone(), start.output.clone()
            if net.depth:
                ends = [end for pair in ranges.intervals for end in pair] + ([] if scale is None else [scale])
                boxes = torch.cat(ends, -1)
                _, which = torch.unique(boxes, dim=0, return_inverse=True)
                for box in range(int(which.max()) + 1 if len(which) else 0):
                    pairs = torch.nonzero(which == box).flatten()
                    if bool(torch.isfinite(boxes[pairs[0]]).all()):
                        self._improve(net, ranges, directions, scale, pairs, hidden, output)
            return LipschitzConstants(hidden, output)

    def _improve(
        self,
        net: LayeredView,
        ranges: Ranges,
        directions: Tensor,
        scale: Tensor | None,
        pairs: Tensor,
        hidden: Tensor,
        output: Tensor,
    ) -> None:
        """Replace the constants of the pairs with one box where the SDP has better ones."""
        first = int(pairs[0])
        slopes = [(alpha[first], beta[first]) for alpha, beta in ranges.slopes]
        own_scale = None if scale is None else scale[first : first + 1]
        matrices = inner_matrices(net, 1, 2.0, own_scale)
        for layer in range(1, net.depth):
            problem = _Increments(matrices[:layer], slopes[:layer], hidden[first])
            better = problem.constant(matrices[layer], None, float(hidden[first, layer]), self.solver)
            hidden[pairs, layer] = min(better, float(hidden[first, layer]))
        problem = _Increments(matrices, slopes, hidden[first])
        for pair in map(int, pairs):
            head, skip = head_and_skip(net, directions[pair : pair + 1], 2.0, own_scale)
            better = problem.constant(head, skip, float(output[pair]), self.solver)
            output[pair] = min(better, float(output[pair]))


class _Increments:
    """The quadratic constraints of the first layers over one box.

    The variables are `chi = (dx^0, s^1, ..., s^K)`: the increment of an activation is `mid dz + delta s / f` with the
    middle of the slopes, `|s_i| <= f |dz_i|`, and f about 1 / m_k, so that |s^{k+1}| is about |dx^0| at most. In them
    the constraints `(f dz_i - s_i)(f dz_i + s_i) >= 0` are as well scaled for nearly linear neurons as for others.
    """

    def __init__(self, matrices: list[EnclosedMatrix], slopes: list[tuple[Tensor, Tensor]], hidden: Tensor) -> None:
        self.sizes = [int(matrices[0].matrix.shape[-1]), *(len(alpha) for alpha, _ in slopes)]
        total = sum(self.sizes)
        unit = torch.eye(total, dtype=torch.float64)
        self.inputs = unit[None, : self.sizes[0]]
        exact = torch.zeros(1, dtype=torch.float64)
        increment = EnclosedMatrix(self.inputs, exact, 2.0)
        self.first: list[EnclosedMatrix] = []
        self.second: list[EnclosedMatrix] = []
        for k, (matrix, (alpha, beta)) in enumerate(zip(matrices, slopes, strict=True)):
            before = matrix.times(increment)
            f = 1.0 / float(hidden[k]) if float(hidden[k]) > 0.0 else 1.0
            middle = 0.5 * alpha + 0.5 * beta
            delta = widen_up(torch.maximum(beta - middle, middle - alpha).clamp(min=0.0))
            start = sum(self.sizes[: k + 1])
            own = unit[None, start : start + self.sizes[k + 1]]
            scaled = before.times_rows(torch.full_like(delta, f)[None])
            self.first.append(scaled.plus(EnclosedMatrix(-own, exact, 2.0)))
            self.second.append(scaled.plus(EnclosedMatrix(own, exact, 2.0)))
            # any larger delta is as true: the quotient is rounded up, and is the coefficient itself
            coefficients = widen_up(delta / f)
            residual = EnclosedMatrix(own * coefficients[:, None], exact, 2.0)
            increment = before.times_rows(middle[None]).plus(residual)
        self.increment = increment

    def constant(self, row: EnclosedMatrix, skip: EnclosedMatrix | None, known: float, solver: str) -> float:
        """A certified constant of `row dx^K + skip dx^0`; `known` or inf where the solver fails."""
        if not 0.0 < known < math.inf:
            return known
        output = row.times(self.increment)
        if skip is not None:
            output = output.plus(skip.times(EnclosedMatrix(self.inputs, torch.zeros(1, dtype=torch.float64), 2.0)))
        scale = torch.full((1, output.matrix.shape[1]), 1.0 / known, dtype=torch.float64)
        rows = output.times_rows(scale)
        solved = self._solve(rows.matrix[0].numpy(), solver)
        # comparisons with nan are false, so that it would pass for 0
        if solved is None or not (math.isfinite(solved[0]) and np.isfinite(solved[1]).all()):
            return math.inf
        # the scale is rounded, so `known` is only nearly its inverse
        return _widened(known * self._certified(rows, *solved))

    def _certified(self, rows: EnclosedMatrix, rho: float, multipliers: FloatArray) -> float:
        """The square root of rho and what the largest eigenvalue of P adds to it."""
        rho, weights = max(0.0, rho), torch.tensor(np.maximum(0.0, multipliers))[None]
        corner = torch.zeros(1, sum(self.sizes), dtype=torch.float64)
        corner[0, : self.sizes[0]] = -rho
        form = rows.transposed().times(rows).plus(EnclosedMatrix(torch.diag_embed(corner), 0.0 * corner[:, 0], 2.0))
        for first, second, values in zip(self.first, self.second, weights.split(self.sizes[1:], -1), strict=True):
            product = first.transposed().scaled(values).times(second)
            form = form.plus(product.halved()).plus(product.transposed().halved())
        symmetric = 0.5 * form.matrix + 0.5 * form.matrix.transpose(-2, -1)
        largest = float(eigenvalue_range(symmetric, widen_up(2.0 * form.error))[1])
        if not (math.isfinite(largest) and math.isfinite(rho)):
            return math.inf
        # |s^k| <= (1 + rounding) |dx^0| for each of the layers
        rest = max(0.0, largest) * (len(self.sizes) * (1.0 + 1e-12))
        return _widened(math.sqrt(_widened(rho + rest)))

    def _solve(self, rows: FloatArray, solver: str) -> tuple[float, FloatArray] | None:
        """rho and multipliers in floating point, None where the solver gave up."""
        square = rows.T @ rows
        if solver == BARRIER:
            first, second = (
                np.concatenate([part.matrix[0].numpy() for part in side]) for side in (self.first, self.second)
            )
            return least_rho(square, first, second, self.sizes[1:], self.sizes[0])
        import cvxpy

        columns = self._columns
        values = cvxpy.Variable(columns.shape[1], nonneg=True)
        form = cvxpy.reshape(columns @ values + square.ravel(), square.shape, order="C")
        problem = cvxpy.Problem(cvxpy.Minimize(values[0]), [form << 0])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # an inaccurate solution is dealt with by the caller
                problem.solve(solver=solver)
        except cvxpy.error.SolverError:
            return None
        if problem.status not in BELIEVED or values.value is None:
            return None
        found = np.asarray(values.value)
        return float(found[0]), found[1:]

    @cached_property
    def _columns(self) -> FloatArray:
        """P as a linear function of (rho, multipliers), one flattened symmetric matrix per column."""
        total = sum(self.sizes)
        corner = np.zeros((total, total))
        corner[: self.sizes[0], : self.sizes[0]] = -np.eye(self.sizes[0])
        columns = [corner.ravel()[:, None]]
        for lower, upper in zip(self.first, self.second, strict=True):
            product = np.einsum("ia,ib->abi", lower.matrix[0].numpy(), upper.matrix[0].numpy())
            columns.append((0.5 * (product + product.transpose(1, 0, 2))).reshape(total * total, -1))
        return np.concatenate(columns, axis=1)


def _widened(value: float) -> float:
    """`widen_up` of a number that a few operations computed."""
    return float(widen_up(value, 16.0))
