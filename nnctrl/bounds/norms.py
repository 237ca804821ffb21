"""Certified upper bounds of operator norms and of the extreme eigenvalues of symmetric matrices, batched.

A numerical eigenvalue routine approximates, from either side; power iteration approaches a norm from below. Here the
computed eigenvectors Q only suggest a basis: `D = Q' S Q` is evaluated with a rounding bound, Gershgorin's discs hold
for D exactly, and by Ostrowski's theorem the eigenvalues of S differ from those of D by a factor of at most
1 / (1 - |I - Q'Q|). A bad Q makes the bound loose, never wrong.

Gradients: the bounds differentiate as the norms themselves do (through the extreme eigenvectors); what is added for
rounding counts as constant.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nnctrl.errors import InputError
from nnctrl.sets.rounding import UNIT_ROUNDOFF, gamma, grow_up, norm_up, widen_up

NORMS = (1.0, 2.0, math.inf)
"""The p of the p-norms that have computable operator norms."""


def dual_exponent(p: float) -> float:
    """The q with 1/p + 1/q = 1."""
    return {1.0: math.inf, 2.0: 2.0, math.inf: 1.0}[p]


def vector_norm_up(x: Tensor, p: float) -> Tensor:
    """Upper bound of the p-norm along the last axis."""
    if p == math.inf:
        return x.abs().amax(-1) if x.shape[-1] else x.sum(-1)
    if p == 1.0:
        return grow_up(x.abs().sum(-1), x.shape[-1])
    # the Euclidean norm has no gradient at 0
    zero = (x == 0.0).all(-1, keepdim=True)
    return torch.where(zero.squeeze(-1), 0.0, norm_up(torch.where(zero, 1.0, x)))


def frobenius_up(matrix: Tensor) -> Tensor:
    """Upper bound of the Frobenius norm of matrices [..., m, n]."""
    return norm_up(matrix.flatten(-2))


def operator_norm_up(matrix: Tensor, p: float) -> Tensor:
    """Upper bound of `max |A x|_p / |x|_p` for matrices [..., m, n]; inf where an entry is not finite.

    p = 1, 2 or infinity. Cost for p = 2: an eigendecomposition of the smaller Gram matrix; rows and columns need none.
    """
    if p not in NORMS:
        raise InputError(f"operator norms are computed for p = 1, 2 and infinity, not for p = {p:g}")
    rows, columns = matrix.shape[-2:]
    if rows == 1:
        result = vector_norm_up(matrix.squeeze(-2), dual_exponent(p))
    elif columns == 1:
        result = vector_norm_up(matrix.squeeze(-1), p)
    elif p == 2.0:
        result = _spectral_norm_up(matrix)
    else:
        axis = -2 if p == 1.0 else -1
        result = grow_up(matrix.abs().sum(axis), matrix.shape[axis]).amax(-1)
    return torch.where(torch.isfinite(result), result, math.inf)


def eigenvalue_range(symmetric: Tensor, error: Tensor) -> tuple[Tensor, Tensor]:
    """Bounds [...] of the least and the largest eigenvalue of every symmetric matrix within `error` [...] (2-norm) of
    `symmetric` [..., n, n].

    (-inf, inf) where an entry is not finite. Cost: one eigendecomposition and three products.
    """
    low, high = _extreme_eigenvalues(symmetric)
    return low - error * (1.0 + 4.0 * UNIT_ROUNDOFF), high + error * (1.0 + 4.0 * UNIT_ROUNDOFF)


def _spectral_norm_up(matrix: Tensor) -> Tensor:
    """The 2-norm through the Gram matrix of the shorter side, scaled so that nothing over- or underflows."""
    scale = matrix.detach().abs().amax((-2, -1), keepdim=True)
    finite = torch.isfinite(scale) & (scale > 0.0)
    unit = matrix / torch.where(finite, scale, 1.0)
    if unit.shape[-2] > unit.shape[-1]:
        unit = unit.transpose(-2, -1)
    gram = unit @ unit.transpose(-2, -1)
    with torch.no_grad():
        square = frobenius_up(unit) ** 2
        # the division rounds every entry of `unit`, the product by gamma
        error = widen_up(square * (gamma(unit.shape[-1] + 4) + 4.0 * UNIT_ROUNDOFF), 8.0)
        _, high = eigenvalue_range(gram, error)
        bound = widen_up(torch.sqrt(high.clamp(min=0.0)), 8.0)
        vectors = _eigenvectors(gram)[..., -1:]
    # the norm itself, for gradients: the Rayleigh quotient at the leading eigenvector
    moved = (unit.transpose(-2, -1) @ vectors).squeeze(-1)
    estimate = torch.sqrt((moved * moved).sum(-1).clamp(min=1e-300))
    certified = estimate + (torch.maximum(bound, estimate) - estimate).detach()
    # estimate + (bound - estimate) may round to less than bound
    result = grow_up(widen_up(certified, 8.0) * scale.squeeze(-1).squeeze(-1), 4)
    size = scale.squeeze(-1).squeeze(-1)
    return torch.where(size == 0.0, torch.zeros_like(result), torch.where(torch.isfinite(size), result, math.inf))


def _extreme_eigenvalues(symmetric: Tensor) -> tuple[Tensor, Tensor]:
    """Certified least and largest eigenvalue of exactly these matrices."""
    with torch.no_grad():
        size = symmetric.shape[-1]
        finite = torch.isfinite(symmetric).all(-1).all(-1)
        clean = torch.where(finite[..., None, None], symmetric, 0.0)
        vectors = _eigenvectors(clean)
        turned = vectors.transpose(-2, -1) @ clean @ vectors
        g = gamma(2 * size + 8)
        length = frobenius_up(vectors)
        # two products: |error| <= gamma |Q'| |S| |Q|, entrywise and so in the 2-norm by Frobenius norms
        slack = widen_up(g * length * length * frobenius_up(clean), 8.0)
        diagonal = turned.diagonal(dim1=-2, dim2=-1)
        off = (turned - torch.diag_embed(diagonal)).abs()
        # the Rayleigh matrix is symmetric, what was computed of it is so up to rounding: the larger of both halves
        reach = grow_up(torch.maximum(off, off.transpose(-2, -1)).sum(-1), size)
        reach = widen_up(reach + slack.unsqueeze(-1))
        low = (diagonal - reach - diagonal.abs() * 4.0 * UNIT_ROUNDOFF).amin(-1)
        high = (diagonal + reach + diagonal.abs() * 4.0 * UNIT_ROUNDOFF).amax(-1)
        identity = torch.eye(size, dtype=clean.dtype)
        defect = frobenius_up(vectors.transpose(-2, -1) @ vectors - identity)
        defect = widen_up(defect + g * length * length, 8.0)
        factor = 1.0 / (1.0 - defect) * (1.0 + 8.0 * UNIT_ROUNDOFF)
        # Ostrowski: each eigenvalue of S is one of D times a number between 1/(1 + defect) and 1/(1 - defect)
        stretch = (factor - 1.0).clamp(min=0.0) + 8.0 * UNIT_ROUNDOFF
        low = low - low.abs() * stretch
        high = high + high.abs() * stretch
        proved = finite & (defect < 0.5) & torch.isfinite(low) & torch.isfinite(high)
        return torch.where(proved, low, -math.inf), torch.where(proved, high, math.inf)


def _eigenvectors(symmetric: Tensor) -> Tensor:
    """Approximate eigenvectors in ascending order of eigenvalues, without gradient; any basis will do."""
    clean = torch.nan_to_num(symmetric.detach(), nan=0.0, posinf=0.0, neginf=0.0)
    try:
        return torch.linalg.eigh(clean).eigenvectors
    except RuntimeError:
        # no convergence: the standard basis gives Gershgorin's bound of the matrix itself
        return torch.eye(symmetric.shape[-1], dtype=symmetric.dtype).expand_as(symmetric)
