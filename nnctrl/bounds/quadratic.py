"""Upper bounds of a quadratic `g's + s'Ms/2` over the ball |s|_2 <= rho and over the cube |s|_inf <= 1, batched.

Not concave in general, so no numerical maximiser is believed. Over the ball Lagrange duality is exact: for every nu
with K = nu I - M positive definite the maximum is at most `g'K^-1 g / 2 + nu rho^2 / 2` (the Hessian paper's appendix).
nu comes from bisection; the value that is reported is certified at that nu, with a residual instead of an inverse.
"""

from __future__ import annotations

import itertools
import math
import warnings
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from nnctrl._typing import FloatArray
from nnctrl.bounds.norms import eigenvalue_range, frobenius_up
from nnctrl.sets.rounding import TINY, UNIT_ROUNDOFF, dot_up, gamma, grow_up, norm_up, widen_down, widen_up

BISECTIONS = 60
Dual = Literal["bisection", "sdp"]

MAX_VERTEX_DIMENSION = 10
"""Vertices of a cube are enumerated up to this dimension."""


def over_ball_up(
    gradient: Tensor, matrix: Tensor, error: Tensor, radius: float | Tensor, dual: Dual = "bisection"
) -> Tensor:
    """Upper bound [batch] over |s|_2 <= `radius`, for every symmetric matrix within `error` [batch] (2-norm) of
    `matrix` [batch, n, n]; `gradient` [batch, n]. inf where nothing is proved.

    `dual`: nu by bisection, or by the semidefinite program of the appendix (one call of CVXPY per matrix), which gives
    the same. Cost: an eigendecomposition and a bisection on scalars.
    """
    radius = torch.as_tensor(radius, dtype=gradient.dtype).expand(len(gradient))
    _, largest = eigenvalue_range(matrix, error)
    with torch.no_grad():
        clean = torch.nan_to_num(matrix, nan=0.0, posinf=0.0, neginf=0.0)
        values, vectors = torch.linalg.eigh(clean)
        inside = (vectors.transpose(-2, -1) @ gradient.unsqueeze(-1)).squeeze(-1)
        nu = _dual_variable(inside, values, largest, radius)
        if dual == "sdp":
            found = [
                _dual_by_sdp(*(part.numpy() for part in parts)) for parts in zip(gradient, clean, radius, strict=True)
            ]
            proposed = torch.tensor(found, dtype=nu.dtype)
            # a solution on or beyond the edge of the feasible set proves nothing
            nu = torch.where(proposed > torch.maximum(largest, torch.zeros_like(nu)), proposed, nu)
        solution = (vectors @ (inside / (nu.unsqueeze(-1) - values)).unsqueeze(-1)).squeeze(-1)
    return _certified(gradient, matrix, error, radius, nu, solution, largest)


def _dual_variable(inside: Tensor, values: Tensor, largest: Tensor, radius: Tensor) -> Tensor:
    """nu > the largest eigenvalue, at least 0, where |K^-1 g| is nearest to the radius; floating point."""
    size = largest.abs() + inside.norm(dim=-1) / (radius + 1e-300) + 1e-290
    floor = torch.maximum(largest, torch.zeros_like(largest)) + 1e-9 * size
    low, high = floor, floor + 2.0 * size
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        length = (inside / (middle.unsqueeze(-1) - values)).norm(dim=-1)
        longer = length > radius
        low, high = torch.where(longer, middle, low), torch.where(longer, high, middle)
    return high


def _dual_by_sdp(gradient: FloatArray, matrix: FloatArray, radius: FloatArray) -> float:
    """nu of `min t + nu radius^2 / 2` with [[nu I - M, g], [g', 2 t]] positive semidefinite; nan where it fails."""
    import cvxpy

    size = len(gradient)
    nu, t = cvxpy.Variable(nonneg=True), cvxpy.Variable()
    corner = cvxpy.reshape(2.0 * t, (1, 1), order="C")
    block = cvxpy.bmat([[nu * np.eye(size) - matrix, gradient[:, None]], [gradient[None], corner]])
    problem = cvxpy.Problem(cvxpy.Minimize(t + 0.5 * float(radius) ** 2 * nu), [block >> 0])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # any nu is certified afterwards
            problem.solve(solver="CLARABEL")
    except cvxpy.error.SolverError:
        return math.nan
    return math.nan if nu.value is None else float(nu.value)


def _certified(
    gradient: Tensor,
    matrix: Tensor,
    error: Tensor,
    radius: Tensor,
    nu: Tensor,
    solution: Tensor,
    largest: Tensor,
) -> Tensor:
    """The dual value at `nu`: `max_s g's - s'Ks/2 <= g'y - y'Ky/2 + |g - Ky|^2 / (2 kappa)` for any y, with kappa at
    most the least eigenvalue of K.
    """
    size = gradient.shape[-1]
    kappa = widen_down(nu - largest)
    moved = (matrix @ solution.unsqueeze(-1)).squeeze(-1)
    applied = nu.unsqueeze(-1) * solution - moved
    residual = gradient - applied
    length = norm_up(solution)
    magnitude = nu.unsqueeze(-1) * solution.abs() + (matrix.abs() @ solution.abs().unsqueeze(-1)).squeeze(-1)
    rounding = gamma(size + 6) * (magnitude + gradient.abs()) + TINY
    residual_norm = widen_up(norm_up(residual.abs() + rounding) + error * length, 4.0)
    # y'(g - Ky/2), with K known up to `rounding` and `error`
    half = gradient - 0.5 * applied
    inner = dot_up(solution, half) + dot_up(solution.abs(), rounding) + widen_up(error * length * length, 4.0)
    value = widen_up(inner) + widen_up(residual_norm * residual_norm / (2.0 * kappa), 8.0)
    total = widen_up(value + widen_up(0.5 * nu * radius * radius, 8.0), 4.0)
    return torch.where((kappa > 0.0) & torch.isfinite(total), total, math.inf)


def over_cube_up(gradient: Tensor, matrix: Tensor, error: Tensor, dual: Dual = "bisection") -> Tensor:
    """Upper bound [batch] over |s|_inf <= 1: the least of the ball around the cube and of the sum of absolute entries
    (`s_i s_j <= 1`, negative diagonal entries counting as 0).
    """
    size = gradient.shape[-1]
    ball = over_ball_up(gradient, matrix, error, math.sqrt(size) * (1.0 + 4.0 * UNIT_ROUNDOFF), dual)
    diagonal = matrix.diagonal(dim1=-2, dim2=-1)
    off = (matrix - torch.diag_embed(diagonal)).abs().sum((-2, -1))
    entries = 0.5 * (off + diagonal.clamp(min=0.0).sum(-1) + size * error)
    row_sum = widen_up(grow_up(gradient.abs().sum(-1), size) + grow_up(entries, size * size + 4))
    return torch.fmin(ball, torch.nan_to_num(row_sum, nan=math.inf, posinf=math.inf))


def over_vertices_up(gradient: Tensor, matrix: Tensor, error: Tensor, vertices: Tensor) -> Tensor:
    """Upper bound [batch] over the convex hull of `vertices` [v, n] (Proposition 6): a convex quadratic is largest at
    one of them; a matrix that is not positive semidefinite is replaced by one above it that is.
    """
    least, _ = eigenvalue_range(matrix, error)
    shift = torch.where(torch.isfinite(least), widen_up((-least).clamp(min=0.0)), math.inf)
    size = gradient.shape[-1]
    linear = gradient @ vertices.T
    products = vertices @ matrix
    square = (products * vertices).sum(-1)
    magnitude = ((vertices.abs() @ matrix.abs()) * vertices.abs()).sum(-1)
    lengths = grow_up((vertices * vertices).sum(-1), size + 1)
    slack = gamma(size * 2 + 8) * (gradient.abs() @ vertices.abs().T + magnitude) + TINY
    extra = (error + shift).unsqueeze(-1) * lengths
    values = widen_up(linear + 0.5 * (square + grow_up(extra, 6)) + grow_up(slack, 8), 6.0)
    return torch.nan_to_num(values, nan=math.inf, posinf=math.inf).amax(-1)


def cube_vertices(size: int) -> Tensor:
    """The corners of the cube [-1, 1]^size, [2^size, size]."""
    return torch.tensor(list(itertools.product((-1.0, 1.0), repeat=size)), dtype=torch.float64).reshape(-1, size)


def cross_vertices(size: int) -> Tensor:
    """The corners of the unit ball of the 1-norm, [2 size, size]."""
    unit = torch.eye(size, dtype=torch.float64)
    return torch.cat([unit, -unit])


def congruence_enclosure(rows: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """`B' diag(h) B` for `rows` B [batch, m, n], `weights` h [batch, m]: symmetric matrices and a bound of their
    distance (2-norm) from the real ones.
    """
    product = rows.transpose(-2, -1) @ (weights.unsqueeze(-1) * rows)
    symmetric = 0.5 * (product + product.transpose(-2, -1))
    with torch.no_grad():
        scaled = torch.sqrt(weights.abs()).unsqueeze(-1) * rows
        size = frobenius_up(scaled)
        error = widen_up(gamma(rows.shape[-2] + 8) * size * size, 8.0)
    return symmetric, error
