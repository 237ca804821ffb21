"""Bounds of quadratics over balls and cubes: above every value, and tight where duality is exact."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import torch

from nnctrl.bounds.quadratic import (
    congruence_enclosure,
    cross_vertices,
    cube_vertices,
    over_ball_up,
    over_cube_up,
    over_vertices_up,
)

KINDS = ("indefinite", "definite", "negative", "zero", "huge", "tiny", "degenerate")


def draw(rng: np.random.Generator, kind: str) -> tuple[np.ndarray, np.ndarray]:
    n = int(rng.integers(1, 5))
    a = rng.normal(size=(n, n))
    matrix = {"definite": a @ a.T, "negative": -a @ a.T, "zero": 0.0 * a}.get(kind, a + a.T)
    gradient = rng.normal(size=n)
    if kind == "degenerate":
        # the hard case: no gradient along the leading eigenvector
        _, vectors = np.linalg.eigh(matrix)
        gradient = gradient - vectors[:, -1] * (vectors[:, -1] @ gradient)
    scale = {"huge": 1e120, "tiny": 1e-120}.get(kind, 1.0)
    return gradient * scale, np.tril(matrix * scale) + np.tril(matrix * scale, -1).T


def exact(gradient: np.ndarray, matrix: np.ndarray, s: np.ndarray) -> mpmath.mpf:
    v = mpmath.matrix([mpmath.mpf(float(x)) for x in s])
    square = (v.T * mpmath.matrix(matrix.tolist()) * v)[0]
    return sum(mpmath.mpf(float(g)) * x for g, x in zip(gradient, v, strict=True)) + square / 2


def batch(*arrays: np.ndarray) -> list[torch.Tensor]:
    return [torch.tensor(a)[None] for a in arrays]


NO_ERROR = torch.zeros(1, dtype=torch.float64)


@pytest.mark.parametrize("kind", KINDS)
def test_over_a_ball(kind: str) -> None:
    rng = np.random.default_rng(KINDS.index(kind))
    for _ in range(8):
        gradient, matrix = draw(rng, kind)
        radius = float(10.0 ** rng.integers(-3, 2))
        bound = float(over_ball_up(*batch(gradient, matrix), NO_ERROR, radius))
        # many points of the sphere and of the inside, the best ones improved by projected gradient steps
        points = rng.normal(size=(2000, len(gradient)))
        points *= radius / np.linalg.norm(points, axis=1, keepdims=True)
        points[:500] *= rng.random((500, 1))
        for step in range(80):
            slope = gradient + points @ matrix
            points = points + 0.85**step * radius * slope / (np.linalg.norm(slope, axis=1, keepdims=True) + 1e-300)
            points *= np.minimum(1.0, radius / (np.linalg.norm(points, axis=1, keepdims=True) + 1e-300))
        values = points @ gradient + 0.5 * ((points @ matrix) * points).sum(1)
        best = float(values.max())
        for s in points[np.argsort(values)[-5:]]:
            inside = s * (1.0 - 1e-12)
            assert bound >= exact(gradient, matrix, inside)
        size = abs(best) + radius * np.linalg.norm(gradient)
        assert bound <= best + 1e-3 * size + 1e-290


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", ["cube", "vertices", "cross"])
def test_over_polytopes(kind: str, way: str) -> None:
    rng = np.random.default_rng(KINDS.index(kind))
    for _ in range(8):
        gradient, matrix = draw(rng, kind)
        n = len(gradient)
        corners = cross_vertices(n) if way == "cross" else cube_vertices(n)
        if way == "cube":
            bound = float(over_cube_up(*batch(gradient, matrix), NO_ERROR))
        else:
            bound = float(over_vertices_up(*batch(gradient, matrix), NO_ERROR, corners))
        shares = rng.dirichlet(np.full(len(corners), 0.3), 40)
        points = np.concatenate([corners.numpy(), shares @ corners.numpy() * (1.0 - 1e-12)])
        values = [exact(gradient, matrix, s) for s in points]
        assert bound >= max(values)
        if way != "cube" and kind in ("definite", "zero"):
            assert bound <= float(max(values)) * (1.0 + 1e-9) + 1e-9


@pytest.mark.parametrize("kind", ["indefinite", "definite", "negative", "degenerate"])
def test_the_semidefinite_program_and_bisection_agree(kind: str) -> None:
    rng = np.random.default_rng(7)
    for _ in range(6):
        gradient, matrix = draw(rng, kind)
        found = [float(over_ball_up(*batch(gradient, matrix), NO_ERROR, 0.7, way)) for way in ("bisection", "sdp")]
        assert found[1] == pytest.approx(found[0], rel=1e-3, abs=1e-6)


def test_errors_of_the_matrix_count() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        gradient, matrix = draw(rng, "indefinite")
        n = len(gradient)
        off = rng.normal(size=(n, n))
        off = off + off.T
        error = float(np.linalg.norm(off, 2)) * (1.0 + 1e-12)
        bounds = (
            over_ball_up(*batch(gradient, matrix), torch.tensor([error]), 1.0),
            over_cube_up(*batch(gradient, matrix), torch.tensor([error])),
            over_vertices_up(*batch(gradient, matrix), torch.tensor([error]), cube_vertices(n)),
        )
        for _point in range(50):
            s = rng.normal(size=n)
            in_ball, in_cube = s / np.linalg.norm(s) * (1.0 - 1e-12), s / abs(s).max()
            moved = [exact(gradient, matrix, s) + exact(0.0 * gradient, off, s) for s in (in_ball, in_cube)]
            assert float(bounds[0]) >= moved[0]
            assert min(float(bounds[1]), float(bounds[2])) >= moved[1]


def test_congruences_are_enclosed() -> None:
    rng = np.random.default_rng(0)
    for _ in range(10):
        rows, weights = rng.normal(size=(5, 3)), rng.normal(size=5) * 10.0 ** rng.integers(-6, 6, 5)
        matrix, error = congruence_enclosure(*batch(rows, weights))
        b = mpmath.matrix(rows.tolist())
        difference = b.T * mpmath.diag([mpmath.mpf(float(w)) for w in weights]) * b - mpmath.matrix(matrix[0].tolist())
        assert float(error) >= max(mpmath.svd_r(difference, compute_uv=False))


def test_values_beyond_all_doubles_prove_nothing() -> None:
    """The largest double is no bound of what overflows."""
    for gradient, error in ((torch.full((1, 2), 1e308, dtype=torch.float64), 0.0), (torch.zeros(1, 2), np.inf)):
        matrix, doubt = torch.zeros(1, 2, 2, dtype=torch.float64), torch.tensor([error], dtype=torch.float64)
        assert np.isinf(float(over_cube_up(gradient.double(), matrix, doubt)))
        assert np.isinf(float(over_vertices_up(gradient.double(), matrix, doubt, cube_vertices(2))))
        if error:
            assert np.isinf(float(over_ball_up(gradient.double(), matrix, doubt, 1.0)))


def test_entries_that_are_not_finite_prove_nothing() -> None:
    gradient, matrix = torch.ones(2, 2).double(), torch.eye(2).double().expand(2, 2, 2).clone()
    matrix[1, 0, 1] = float("nan")
    error = torch.zeros(2, dtype=torch.float64)
    for found in (
        over_ball_up(gradient, matrix, error, 1.0),
        over_cube_up(gradient, matrix, error),
        over_vertices_up(gradient, matrix, error, cube_vertices(2)),
    ):
        assert torch.isfinite(found).tolist() == [True, False]
