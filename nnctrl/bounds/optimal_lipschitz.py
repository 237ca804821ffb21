"""The optimal loop transformation of a two-layer network (the Hessian paper, eq. 16)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nnctrl._typing import FloatArray
from nnctrl.bounds.layered import LayeredView, Ranges
from nnctrl.bounds.lipschitz import (
    AbstractLipschitz,
    LipLT,
    LipschitzConstants,
    head_and_skip,
    inner_matrices,
    loop_transformed_row,
)
from nnctrl.bounds.norms import dual_exponent
from nnctrl.errors import UnsupportedError


@dataclass(frozen=True)
class OptimalLipLT(AbstractLipschitz):
    """LipLT with the transformation that minimises its bound, a convex problem for one hidden layer; by CVXPY.

    The constant is evaluated at the transformation that was found, whatever its quality, and is never above that of
    `LipLT`. Cost: one second-order cone program per pair. Gradients are those at a fixed transformation.
    """

    solver: str = "CLARABEL"

    def constants(
        self, net: LayeredView, ranges: Ranges, directions: Tensor, p: float, scale: Tensor | None = None
    ) -> LipschitzConstants:
        """See `AbstractLipschitz.constants`; UnsupportedError for more than one hidden layer."""
        start = LipLT().constants(net, ranges, directions, p, scale)
        if net.depth == 0:
            return start
        if net.depth > 1:
            raise UnsupportedError(
                f"the optimal loop transformation is convex for one hidden layer only, not for {net.depth}; use liplt"
            )
        matrices = inner_matrices(net, len(directions), p, scale)
        head, skip = head_and_skip(net, directions, p, scale)
        ((alpha, beta),) = ranges.slopes
        with torch.no_grad():
            linear = torch.zeros_like(matrices[0].matrix[:, :1]) if skip is None else skip.matrix
            first, last, through, low, high = (
                part.numpy() for part in (matrices[0].matrix, head.matrix, linear, alpha, beta)
            )
            known = matrices[0].norm().tolist()
            found = [
                self._transformation(first[k], last[k], through[k], low[k], high[k], known[k], p)
                for k in range(len(known))
            ]
        optimal = loop_transformed_row(head, matrices, [torch.stack(found)], ranges.slopes, [matrices[0].norm()], skip)
        return LipschitzConstants(start.hidden, torch.fmin(optimal, start.output))

    def _transformation(
        self,
        first: FloatArray,
        head: FloatArray,
        skip: FloatArray,
        alpha: FloatArray,
        beta: FloatArray,
        known: float,
        p: float,
    ) -> Tensor:
        """The minimiser in floating point; beta/2 where the solver fails or nothing is known."""
        import cvxpy

        plain = torch.tensor(0.5 * beta)
        if not all(np.isfinite(part).all() for part in (head, first, skip, alpha, beta)):
            return plain
        values, deltas = cvxpy.Variable(len(alpha)), cvxpy.Variable(len(alpha), nonneg=True)
        # the operator norm of a row is the dual norm of its entries
        q = dual_exponent(p)
        rest = cvxpy.multiply(np.abs(head[0]), deltas)
        through = cvxpy.multiply(head[0], values) @ first + skip[0]
        bound = cvxpy.norm(through, q) + known * cvxpy.norm(rest, q)
        problem = cvxpy.Problem(cvxpy.Minimize(bound), [deltas >= beta - values, deltas >= values - alpha])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # an inaccurate minimiser is as sound as any
                problem.solve(solver=self.solver)
        except cvxpy.error.SolverError:
            return plain
        return plain if values.value is None else torch.tensor(np.asarray(values.value, dtype=np.float64))
