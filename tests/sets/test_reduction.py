"""Reduced and enclosing sets contain every point of the original, in exact rational arithmetic."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest

from nnctrl.errors import InputError
from nnctrl.sets.monomials import MonomialBasis
from nnctrl.sets.polynomial_zonotope import PolynomialZonotope
from nnctrl.sets.reduction import enclosing_zonotope, reduced_in_frame
from nnctrl.sets.zonotope import Zonotope

BASIS = MonomialBasis((1, 1), 3)
Exact = list[Fraction]


def exact(values: object) -> Exact:
    return [Fraction(float(v)) for v in np.asarray(values).ravel()]


def matrix(values: np.ndarray) -> list[Exact]:
    return [exact(row) for row in values]


def product(a: list[Exact], b: Exact) -> Exact:
    return [sum((x * y for x, y in zip(row, b, strict=True)), Fraction(0)) for row in a]


def solved(a: list[Exact], b: Exact) -> Exact:
    """The solution of a regular system, by elimination."""
    rows = [[*row, value] for row, value in zip(a, b, strict=True)]
    for k in range(len(rows)):
        pivot = max(range(k, len(rows)), key=lambda i: abs(rows[i][k]))
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [v / rows[k][k] for v in rows[k]]
        for i in range(len(rows)):
            if i != k:
                rows[i] = [v - rows[i][k] * w for v, w in zip(rows[i], rows[k], strict=True)]
    return [row[-1] for row in rows]


def rows_of(generators: np.ndarray, radius: np.ndarray | None = None) -> PolynomialZonotope:
    """Independent symbols around a polynomial."""
    rng = np.random.default_rng(len(generators))
    coefficients = rng.normal(size=(len(generators), BASIS.size))
    return PolynomialZonotope(BASIS, coefficients, generators, np.zeros(len(generators)) if radius is None else radius)


def frame_of(kind: str, n: int, rng: np.random.Generator) -> np.ndarray:
    if kind == "axes":
        return np.eye(n)
    if kind == "turned":
        return np.asarray(np.linalg.qr(rng.normal(size=(n, n)))[0])
    if kind == "scaled":
        return rng.normal(size=(n, n)) * 10.0 ** rng.integers(-120, 120, size=(n, 1))
    if kind == "ill-conditioned":
        direction = rng.normal(size=(n, 1))
        return np.asarray(direction + 1e-11 * rng.normal(size=(n, n)))
    return rng.normal(size=(n, n))


def loads(rng: np.random.Generator, n: int, q: int, frame: np.ndarray, kind: str) -> np.ndarray:
    generators = rng.normal(size=(n, q))
    if kind == "columns":
        generators *= 10.0 ** rng.integers(-12, 3, size=q)
    if kind == "tiny":
        generators *= 1e-290
    if kind == "huge":
        generators *= 1e140
    if kind == "zeros":
        generators[:, rng.random(q) < 0.4] = 0.0
        generators[0] = 0.0
    if kind == "along":
        generators = frame @ rng.normal(size=(n, q))
    return generators


def allows(kept: Exact, boxed: np.ndarray, frame: np.ndarray, radius: np.ndarray) -> bool:
    """Whether |kept - boxed eta| <= radius for some eta in [-1, 1]^n: two guesses of eta are tried."""
    columns = matrix(boxed)
    inverse = matrix(np.linalg.inv(frame))
    largest = [int(np.abs(frame[:, k]).argmax()) for k in range(len(frame))]
    along = product(inverse, kept)
    guesses = []
    if all(boxed[i, k] != 0.0 for k, i in enumerate(largest)):
        # column k of the box is the frame's times how far it reaches
        guesses.append(
            [
                v * Fraction(frame[i, k]) / columns[i][k]
                for v, k, i in zip(along, range(len(frame)), largest, strict=True)
            ]
        )
        if np.isfinite(np.linalg.cond(boxed)):
            guesses.append(solved(columns, kept))
    for guess in guesses:
        eta = [min(max(v, Fraction(-1)), Fraction(1)) for v in guess]
        rest = [abs(a - b) for a, b in zip(kept, product(columns, eta), strict=True)]
        if all(a <= Fraction(float(r)) for a, r in zip(rest, radius, strict=True)):
            return True
    return False


FRAMES = ("axes", "turned", "general", "scaled", "ill-conditioned")


@pytest.mark.parametrize("frame_kind", FRAMES)
@pytest.mark.parametrize("kind", ["plain", "columns", "tiny", "huge", "zeros", "along"])
def test_every_point_is_kept_in_any_frame(frame_kind: str, kind: str) -> None:
    """At vertices, those among them that reach farthest along the frame."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        n, q = int(rng.integers(2, 5)), int(rng.integers(8, 14))
        frame = frame_of(frame_kind, n, rng)
        rows = rows_of(loads(rng, n, q, frame, kind), radius=np.full(n, 2.0**-1000))
        limit = n + int(rng.integers(0, 4))
        with np.errstate(all="ignore"):
            result = reduced_in_frame(rows, limit, frame)
        assert result.generators.shape == (n, limit)
        np.testing.assert_array_equal(result.coefficients, rows.coefficients)
        assert (result.radius >= rows.radius).all()
        if not np.isfinite(result.radius).all():
            # too different scales: nothing is claimed
            assert frame_kind == "scaled"
            continue
        kept = result.generators[:, : limit - n]
        places = [int(np.flatnonzero((rows.generators == column[:, None]).all(axis=0))[0]) for column in kept.T]
        left = np.delete(rows.generators, places, axis=1)
        with np.errstate(all="ignore"):
            along = np.sign(np.linalg.inv(frame) @ left)
        vertices = [*along, *np.sign(left), *rng.choice([-1.0, 1.0], size=(4, left.shape[1]))]
        for vertex in vertices:
            point = product(matrix(left), exact(np.where(vertex == 0.0, 1.0, vertex)))
            assert allows(point, result.generators[:, limit - n :], frame, result.radius - rows.radius)


def test_what_is_aligned_with_the_frame_stays_small() -> None:
    """A thin parallelepiped in its own frame is kept; in the axes it becomes a fat box."""
    frame = np.array([[1.0, 1.0], [1.0, 1.0 + 2.0**-10]])
    generators = np.hstack([frame * [1.0, 2.0**-4]] * 10) / 10.0
    result = reduced_in_frame(rows_of(generators), 2, frame)
    np.testing.assert_allclose(result.generators, frame * [1.0, 2.0**-4], rtol=1e-9)
    assert (result.radius < 1e-10).all()


def test_few_symbols_are_left_alone() -> None:
    rows = rows_of(np.ones((3, 3)))
    assert reduced_in_frame(rows, 1, np.eye(3)) is rows
    assert reduced_in_frame(rows, 5, np.eye(3)) is rows


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_rows_of_which_nothing_is_known_stay_unknown(value: float) -> None:
    generators = np.random.default_rng(0).normal(size=(2, 6))
    generators[0, 3] = value
    with np.errstate(all="ignore"):
        low, high = reduced_in_frame(rows_of(generators), 2, np.array([[1.0, 0.5], [0.0, 1.0]])).ranges()
        assert not np.isfinite(high[0] - low[0])
        with pytest.raises(InputError):
            enclosing_zonotope(rows_of(generators), 2)


def normals_of(zonotope: Zonotope) -> list[Exact]:
    """Of all faces of a zonotope in the plane."""
    return [[-y, x] for x, y in zip(*matrix(zonotope.generators), strict=True) if x or y]


def is_in(zonotope: Zonotope, point: Exact) -> bool:
    """Whether the point is in the zonotope: exactly so in the plane, else in some directions."""
    columns = list(zip(*matrix(zonotope.generators), strict=True))
    away = [a - b for a, b in zip(point, exact(zonotope.centre), strict=True)]
    directions = normals_of(zonotope) if len(point) == 2 else []
    directions += [[Fraction(v) for v in d] for d in itertools.product((-2, 0, 1), repeat=len(point))]
    return all(
        abs(sum(d * a for d, a in zip(direction, away, strict=True)))
        <= sum(abs(sum(d * g for d, g in zip(direction, column, strict=True))) for column in columns)
        for direction in directions
    )


@pytest.mark.parametrize("size", [1.0, 1e-290, 1e150])
@pytest.mark.parametrize("limit", [0, 1, 3, 100])
@pytest.mark.parametrize("n", [2, 3])
def test_enclosing_zonotopes_contain_every_point(n: int, limit: int, size: float) -> None:
    for seed in range(4):
        rng = np.random.default_rng(seed)
        coefficients = size * rng.normal(size=(n, BASIS.size)) * 10.0 ** rng.integers(-9, 1, size=BASIS.size)
        generators = size * rng.normal(size=(n, 4))
        generators[:, 1] = 0.0
        rows = PolynomialZonotope(BASIS, coefficients, generators, size * 1e-3 * rng.random(n))
        zonotope = enclosing_zonotope(rows, limit)
        assert zonotope.generators.shape[1] == min(limit, BASIS.size - 1 + 4) + n
        for _ in range(12):
            xi = [Fraction(int(k), 4) for k in rng.integers(-4, 5, size=2)]
            xi = [Fraction(int(np.sign(x))) if rng.random() < 0.5 else x for x in xi]
            terms = [xi[0] ** int(a) * xi[1] ** int(b) for a, b in BASIS.exponents]
            eta = exact(rng.choice([-1.0, 1.0], size=4))
            ends = exact(rng.choice([-1.0, 1.0], size=n) * rows.radius)
            point = [
                sum(p * q for p, q in zip([*exact(c), *exact(g)], [*terms, *eta], strict=True)) + end
                for c, g, end in zip(coefficients, generators, ends, strict=True)
            ]
            assert is_in(zonotope, point)


def test_the_rounding_of_the_centre_is_not_forgotten() -> None:
    """1 + xi^2 / 2^53: the middle 1 + 2^-54 is no double, and the half that is kept ends before 1 + 2^-53."""
    coefficients = np.zeros((1, BASIS.size))
    coefficients[0, 0] = 1.0
    coefficients[0, BASIS.exponents.tolist().index([2, 0])] = 2.0**-53
    zonotope = enclosing_zonotope(PolynomialZonotope(BASIS, coefficients, np.zeros((1, 0)), np.zeros(1)), 100)
    assert is_in(zonotope, [1 + Fraction(1, 2**53)])
    assert is_in(zonotope, [Fraction(1)])
    assert not is_in(zonotope, [1 + Fraction(1, 2**48)])


def test_enclosing_zonotopes_are_tight() -> None:
    """Squares are in [0, 1]; what is kept is not boxed."""
    coefficients = np.zeros((2, BASIS.size))
    index = {tuple(row): k for k, row in enumerate(BASIS.exponents.tolist())}
    coefficients[:, index[2, 0]] = [1.0, 1.0]
    coefficients[:, index[1, 1]] = [0.25, -0.25]
    zonotope = enclosing_zonotope(PolynomialZonotope(BASIS, coefficients, np.zeros((2, 0)), np.zeros(2)), 2)
    np.testing.assert_array_equal(zonotope.centre, [0.5, 0.5])
    np.testing.assert_array_equal(np.abs(zonotope.generators[:, :2]).sum(axis=1), [0.75, 0.75])
    assert np.abs(zonotope.generators[:, 2:]).max() < 1e-14
