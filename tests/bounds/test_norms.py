"""Operator norms and eigenvalue bounds are upper (lower) bounds, with zero tolerance, and tight."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
import torch

from nnctrl.bounds.norms import NORMS, eigenvalue_range, operator_norm_up, vector_norm_up
from nnctrl.errors import InputError

KINDS = ("random", "orthogonal", "low rank", "repeated", "graded", "huge", "tiny", "subnormal", "zero", "row", "column")


def matrix(rng: np.random.Generator, kind: str) -> np.ndarray:
    m, n = rng.integers(2, 7, 2)
    plain = rng.normal(size=(m, n))
    if kind == "orthogonal":
        return np.linalg.qr(rng.normal(size=(n, n)))[0]
    if kind == "low rank":
        return np.outer(rng.normal(size=m), rng.normal(size=n))
    if kind == "repeated":
        q = np.linalg.qr(rng.normal(size=(n, n)))[0]
        return q @ np.diag([3.0] * (n - 1) + [1.0]) @ q.T
    if kind == "graded":
        return plain * 10.0 ** rng.integers(-12, 12, (m, 1))
    scale = {"huge": 1e200, "tiny": 1e-200, "subnormal": 1e-310, "zero": 0.0}.get(kind, 1.0)
    shape = {"row": (1, n), "column": (m, 1)}.get(kind, (m, n))
    return rng.normal(size=shape) * scale


def exact_norm(a: np.ndarray, p: float) -> mpmath.mpf:
    exact = mpmath.matrix(a.tolist())
    if p == 2.0:
        return max(mpmath.svd_r(exact, compute_uv=False))
    sums = np.vectorize(lambda x: abs(mpmath.mpf(x)), otypes=[object])(a).sum(axis=0 if p == 1.0 else 1)
    return max(sums)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("p", NORMS)
def test_operator_norms_are_upper_bounds_and_tight(kind: str, p: float) -> None:
    rng = np.random.default_rng(KINDS.index(kind))
    for _ in range(6):
        a = matrix(rng, kind)
        exact, bound = exact_norm(a, p), float(operator_norm_up(torch.tensor(a), p))
        assert bound >= exact
        assert bound <= float(exact) * (1.0 + 1e-11) + 1e-290


def test_a_batch_with_entries_that_are_not_finite() -> None:
    batch = torch.ones(4, 3, 3, dtype=torch.float64)
    batch[1, 0, 0], batch[2, 1, 2] = math.nan, math.inf
    for p in NORMS:
        norms = operator_norm_up(batch, p)
        assert torch.isinf(norms).tolist() == [False, True, True, False]
        assert float(norms[0]) == pytest.approx(3.0)
    low, high = eigenvalue_range(batch, torch.zeros(4, dtype=torch.float64))
    assert torch.isinf(low).tolist() == torch.isinf(high).tolist() == [False, True, True, False]


def test_only_computable_norms() -> None:
    with pytest.raises(InputError, match=r"p = 1, 2 and infinity, not for p = 3"):
        operator_norm_up(torch.eye(2, dtype=torch.float64), 3.0)


@pytest.mark.parametrize("kind", ["random", "repeated", "definite", "graded", "low rank", "zero"])
def test_eigenvalue_ranges_contain_all_eigenvalues(kind: str) -> None:
    rng = np.random.default_rng(5)
    for _ in range(8):
        n = int(rng.integers(1, 7))
        q = np.linalg.qr(rng.normal(size=(n, n)))[0]
        values = {
            "repeated": np.full(n, -2.0),
            "definite": -rng.random(n) - 0.1,
            "graded": rng.normal(size=n) * 10.0 ** rng.integers(-10, 10, n),
            "low rank": np.r_[rng.normal(), np.zeros(n - 1)],
            "zero": np.zeros(n),
        }.get(kind, rng.normal(size=n))
        s = q @ np.diag(values) @ q.T
        s = np.tril(s) + np.tril(s, -1).T
        error = float(rng.choice([0.0, 1e-9]))
        low, high = eigenvalue_range(torch.tensor(s), torch.tensor(error, dtype=torch.float64))
        exact = mpmath.eigsy(mpmath.matrix(s.tolist()), eigvals_only=True)
        scale = float(max(abs(e) for e in exact))
        assert float(low) <= min(exact) - error <= max(exact) + error <= float(high)
        assert float(high) - error <= float(max(exact)) + 1e-12 * (scale + error) + 1e-290
        assert float(low) + error >= float(min(exact)) - 1e-12 * (scale + error) - 1e-290


@pytest.mark.parametrize("p", NORMS)
def test_norms_differentiate_as_the_norm_does(p: float) -> None:
    rng = np.random.default_rng(3)
    a = torch.tensor(rng.normal(size=(4, 3)), requires_grad=True)
    (gradient,) = torch.autograd.grad(operator_norm_up(a, p), a)
    step = 1e-6
    for i in range(4):
        for j in range(3):
            moved = [a.detach().clone() for _ in range(2)]
            moved[0][i, j] += step
            moved[1][i, j] -= step
            difference = float(operator_norm_up(moved[0], p) - operator_norm_up(moved[1], p)) / (2 * step)
            assert float(gradient[i, j]) == pytest.approx(difference, abs=1e-6)


@pytest.mark.parametrize("p", NORMS)
def test_the_norm_of_a_zero_vector_has_a_gradient(p: float) -> None:
    x = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(vector_norm_up(x, p).sum(), x)
    assert bool(torch.isfinite(gradient).all())
