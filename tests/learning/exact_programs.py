"""Small quadratic programs and their exact minimisers, found by trying all active sets in rational arithmetic."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import numpy as np

from nnctrl.systems.expert import QuadraticProgram

Vector = list[Fraction]


def random_program(rng: np.random.Generator, states: int = 2, size: int = 3, outputs: int = 2) -> QuadraticProgram:
    """With limits on all variables, a constraint on sums, and pairs of parallel rows that change places with x."""
    root = rng.integers(-4, 5, (size, size)) / 4.0
    parallel = np.zeros((2, size))
    parallel[:, 0] = 1.0, -2.0
    G = np.concatenate([np.eye(size), -np.eye(size), parallel, rng.integers(-4, 5, (2, size)) / 4.0])
    E = np.zeros((len(G), states))
    E[2 * size :] = rng.integers(-4, 5, (4, states)) / 4.0
    # 0 is feasible wherever |x| <= 1, for every shift is at most 2 in absolute value
    w = np.concatenate([np.full(2 * size, 0.5), [0.5, 1.0, 1.0, 2.5]])
    E[2 * size :] *= (w[2 * size :] / 2.5)[:, None]
    F = rng.integers(-8, 9, (size, states)) / 4.0
    return QuadraticProgram(root @ root.T + np.eye(size), F, rng.integers(-2, 3, size) / 4.0, G, E, w, outputs)


def awkward_program(rng: np.random.Generator) -> QuadraticProgram:
    """Of up to 3 variables and 2 states, with double, dependent, empty and opposite rows, often infeasible."""
    size = int(rng.integers(1, 4))
    root = rng.integers(-4, 5, (size, size)) / 4.0
    count = int(rng.integers(1, 5))
    rows = [
        (rng.integers(-3, 4, size).astype(float), rng.integers(-3, 4, 2) / 2.0, float(rng.integers(0, 3)))
        for _ in range(count)
    ]
    for _ in range(int(rng.integers(0, 4))):
        (a, b, c), (other, move, limit) = (rows[int(k)] for k in rng.integers(len(rows), size=2))
        rows.append([(2.0 * a, 2.0 * b, 2.0 * c), (a + other, b + move, c + limit), (-a, -b, 1.0 - c)][rng.integers(3)])
    if rng.random() < 0.3:
        rows.append((np.zeros(size), np.zeros(2), 0.0))
    G, E, w = (np.array(part) for part in zip(*rows, strict=True))
    F, f = rng.integers(-6, 7, (size, 2)) / 2.0, rng.integers(-2, 3, size) / 2.0
    return QuadraticProgram(root @ root.T + np.eye(size) * rng.choice([1.0, 2.0**-20]), F, f, G, E, w, size)


def minimiser(program: QuadraticProgram, x: Vector) -> Vector | None:
    """The exact v [N] at the state x; None if nothing is feasible."""
    H, F, G, E = (rational(matrix) for matrix in (program.H, program.F, program.G, program.E))
    linear = [dot(row, x) + Fraction(float(f)) for row, f in zip(F, program.f, strict=True)]
    limit = [dot(row, x) + Fraction(float(w)) for row, w in zip(E, program.w, strict=True)]
    size = len(linear)
    for count in range(size + 1):
        for active in combinations(range(len(limit)), count):
            rows = [[*H[i], *(G[k][i] for k in active), -linear[i]] for i in range(size)]
            rows += [[*G[k], *([Fraction(0)] * count), limit[k]] for k in active]
            found = solved(rows)
            if found is None or min(found[size:], default=Fraction(0)) < 0:
                continue
            if all(dot(row, found[:size]) <= bound for row, bound in zip(G, limit, strict=True)):
                return found[:size]
    return None


def rational(matrix: np.ndarray) -> list[Vector]:
    return [[Fraction(float(entry)) for entry in row] for row in matrix]


def dot(a: Vector, b: Vector) -> Fraction:
    return sum((p * q for p, q in zip(a, b, strict=True)), Fraction(0))


def solved(rows: list[Vector]) -> Vector | None:
    """Gauss and Jordan with exchanges; None if the matrix is singular."""
    rows = [list(row) for row in rows]
    for k in range(len(rows)):
        pivot = next((i for i in range(k, len(rows)) if rows[i][k]), None)
        if pivot is None:
            return None
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [entry / rows[k][k] for entry in rows[k]]
        for i in range(len(rows)):
            if i != k and rows[i][k]:
                factor = rows[i][k]
                rows[i] = [a - factor * b for a, b in zip(rows[i], rows[k], strict=True)]
    return [row[-1] for row in rows]
