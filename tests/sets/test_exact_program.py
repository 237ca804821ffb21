"""Exact linear programs: every status is proved by what comes with it, or by a witness of the test's own."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest

from nnctrl.sets.exact_program import ExactSolution, maximise_exactly
from tests.sets.exact_sets import Exact, dot, exact


def is_optimal(found: ExactSolution, objective: Exact, rows: list[Exact], limits: Exact) -> bool:
    """Primal and dual feasibility and equal values, in rationals."""
    x, y = list(found.x), list(found.multipliers)
    columns = [list(column) for column in zip(*rows, strict=True)]
    return (
        found.status == "optimal"
        and all(dot(row, x) <= limit for row, limit in zip(rows, limits, strict=True))
        and min(y) >= 0
        and [dot(column, y) for column in columns] == objective
        and dot(objective, x) == dot(limits, y)
    )


def solve_rows(normals: np.ndarray, offsets: np.ndarray, objective: np.ndarray) -> tuple[ExactSolution, tuple]:
    rows, limits, goal = [exact(row) for row in normals], exact(offsets), exact(objective)
    return maximise_exactly(goal, rows, limits), (goal, rows, limits)


@pytest.mark.parametrize("seed", range(30))
def test_bounded_programs_are_solved_to_optimality(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 6))
    units = 10.0 ** rng.uniform(-12, 12, n) if seed % 2 else np.ones(n)
    normals = np.concatenate([rng.standard_normal((int(rng.integers(1, 6)), n)), np.eye(n), -np.eye(n)]) / units
    # slack 0 makes vertices of many faces, and flat polytopes
    centre = rng.integers(-5, 6, n) * units
    offsets = np.nextafter(normals @ centre, np.inf) + rng.choice([0.0, 1.0, 1e-9], len(normals))
    assert is_optimal(*_flat(solve_rows(normals, offsets, rng.standard_normal(n))))


def _flat(solved: tuple[ExactSolution, tuple]) -> tuple:
    return (solved[0], *solved[1])


@pytest.mark.parametrize("seed", range(30))
def test_directions_inside_and_outside_the_cone_of_the_normals(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 5))
    normals = rng.integers(-4, 5, (int(rng.integers(1, n + 1)), n)).astype(float)
    weights = rng.integers(0, 4, len(normals))
    objective = weights @ normals
    assert is_optimal(*_flat(solve_rows(normals, rng.standard_normal(len(normals)), objective)))
    # one normal is left out of a set of independent ones, and is no combination of the others
    independent = np.linalg.qr(rng.standard_normal((n, n)))[0].round(3)
    assert np.linalg.matrix_rank(independent) == n
    outside, _ = solve_rows(independent[:-1], np.ones(n - 1), independent[-1])
    assert outside.status == "unbounded"


@pytest.mark.parametrize("seed", range(20))
def test_empty_programs_are_told_from_nearly_empty_ones(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 5))
    # weights of a vanishing combination of normals: the inequalities are consistent iff the same one of offsets is >= 0
    normals = rng.integers(-4, 5, (n, n)).astype(float) + 9.0 * np.eye(n)
    weights = rng.integers(1, 4, n)
    normals = np.concatenate([normals, -(weights @ normals)[None]])
    offsets = rng.integers(-8, 9, n).astype(float)
    for slack in (0.0, 2.0**-40, -(2.0**-40)):
        limits = np.concatenate([offsets, [-(weights @ offsets) + slack]])
        found, program = solve_rows(normals, limits, normals[0])
        if slack < 0.0:
            assert found.status == "infeasible"
        else:
            assert is_optimal(found, *program)


def test_every_choice_of_likely_rows_leads_to_the_same_maximum() -> None:
    rng = np.random.default_rng(3)
    normals = np.concatenate([rng.standard_normal((3, 2)), np.eye(2), -np.eye(2)])
    rows, limits, goal = [exact(row) for row in normals], exact(np.ones(7)), exact([0.3, -0.7])
    values = set()
    for likely in combinations(range(7), 2):
        found = maximise_exactly(goal, rows, limits, likely)
        assert is_optimal(found, goal, rows, limits)
        values.add(dot(goal, list(found.x)))
    assert len(values) == 1


def test_a_program_that_is_too_large_is_given_up() -> None:
    rng = np.random.default_rng(0)
    n = 60
    normals = np.concatenate([rng.standard_normal((3 * n, n)), np.eye(n), -np.eye(n)])
    found, _ = solve_rows(normals, np.ones(5 * n), rng.standard_normal(n))
    assert found.status == "failed"


def test_the_zero_objective_finds_a_point() -> None:
    rows = [exact(row) for row in ([1.0, 2.0], [-1.0, -2.0], [0.0, 1.0])]
    found = maximise_exactly([Fraction(0)] * 2, rows, exact([1.0, -1.0, -7.0]))
    assert is_optimal(found, [Fraction(0)] * 2, rows, exact([1.0, -1.0, -7.0]))
