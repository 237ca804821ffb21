"""Affine maps: composed radii contain the exact product, in rational arithmetic; and layers of activations."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from nnctrl.errors import DimensionError, InputError
from nnctrl.networks.activations import Clip, Identity, Relu, Tanh
from nnctrl.networks.layers import ActivationLayer, Affine

Matrix = list[list[Fraction]]


def exact(array: np.ndarray | None, like: np.ndarray) -> Matrix:
    """A matrix (or a vector, as a column) in rational numbers; None is 0."""
    values = np.zeros_like(like) if array is None else array
    return [[Fraction(float(v)) for v in np.atleast_1d(row)] for row in values]


def product(a: Matrix, b: Matrix) -> Matrix:
    columns = list(zip(*b, strict=True))
    return [[sum((x * y for x, y in zip(row, column, strict=True)), Fraction(0)) for column in columns] for row in a]


def plus(*matrices: Matrix) -> Matrix:
    return [[sum(entries, Fraction(0)) for entries in zip(*rows, strict=True)] for rows in zip(*matrices, strict=True)]


def size(a: Matrix) -> Matrix:
    return [[abs(v) for v in row] for row in a]


def deviation(a: Matrix, b: np.ndarray) -> Matrix:
    return size(plus(a, [[-v for v in row] for row in exact(b, b)]))


def covers(radius: np.ndarray | None, needed: Matrix, like: np.ndarray) -> bool:
    allowed = exact(radius, like)
    return all(n <= r for ns, rs in zip(needed, allowed, strict=True) for n, r in zip(ns, rs, strict=True))


def parts(affine: Affine) -> tuple[Matrix, Matrix, Matrix, Matrix]:
    return (
        exact(affine.weight, affine.weight),
        exact(affine.bias, affine.bias),
        exact(affine.weight_radius, affine.weight),
        exact(affine.bias_radius, affine.bias),
    )


def random_affine(rng: np.random.Generator, before: int, after: int) -> Affine:
    """Ordinary, extreme, short, sparse, selecting, scaling or rounded maps."""
    kind = rng.choice(
        ["ordinary", "extreme", "tiny", "float32", "sparse", "selection", "powers", "rounded", "diagonal"]
    )
    weight, bias = rng.normal(size=(after, before)), rng.normal(size=after)
    radii: tuple[np.ndarray | None, np.ndarray | None] = (None, None)
    if kind == "extreme":
        weight = weight * 10.0 ** rng.uniform(-140, 140, size=weight.shape)
        bias = bias * 10.0 ** rng.uniform(-140, 140, size=after)
    elif kind == "tiny":
        weight, bias = weight * 10.0 ** rng.uniform(-320, -290, size=weight.shape), bias * 1e-310
    elif kind == "float32":
        weight, bias = weight.astype(np.float32).astype(float), bias.astype(np.float32).astype(float)
    elif kind == "sparse":
        weight = weight * (rng.random(weight.shape) < 0.3)
        bias = bias * (rng.random(after) < 0.5)
    elif kind == "selection":
        weight = np.eye(before)[rng.integers(before, size=after)] * rng.choice([-1.0, 1.0], size=(after, 1))
        bias = np.zeros(after)
    elif kind == "powers":
        weight = 2.0 ** rng.integers(-1060, 400, size=weight.shape) * rng.choice([-1.0, 0.0, 1.0], size=weight.shape)
    elif kind == "rounded":
        radii = (abs(weight) * 10.0 ** rng.uniform(-320, -1), abs(bias) * 10.0 ** rng.uniform(-17, 0))
    elif kind == "diagonal":
        weight, bias = np.eye(after, before) * rng.normal(size=(1, before)).astype(np.float32), np.zeros(after)
    return Affine(weight, bias, *radii)


@pytest.mark.parametrize("seed", range(300))
def test_composition_contains_the_real_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, m, k = rng.integers(1, 5, size=3)
    first, second = random_affine(rng, n, m), random_affine(rng, m, k)
    result = first.then(second)
    (w1, b1, rw1, rb1), (w2, b2, rw2, rb2) = parts(first), parts(second)
    # the largest deviation over all maps within the radii
    weight_spread = plus(product(rw2, size(w1)), product(size(w2), rw1), product(rw2, rw1))
    bias_spread = plus(product(rw2, size(b1)), product(size(w2), rb1), product(rw2, rb1), rb2)
    weight_error = deviation(product(w2, w1), result.weight)
    bias_error = deviation(plus(product(w2, b1), b2), result.bias)
    assert covers(result.weight_radius, plus(weight_spread, weight_error), result.weight)
    assert covers(result.bias_radius, plus(bias_spread, bias_error), result.bias)


@pytest.mark.parametrize("seed", range(100))
def test_sum_contains_the_real_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 5, size=2)
    first, second = random_affine(rng, n, m), random_affine(rng, n, m)
    result = first.plus(second)
    (w1, b1, rw1, rb1), (w2, b2, rw2, rb2) = parts(first), parts(second)
    assert covers(result.weight_radius, plus(rw1, rw2, deviation(plus(w1, w2), result.weight)), result.weight)
    assert covers(result.bias_radius, plus(rb1, rb2, deviation(plus(b1, b2), result.bias)), result.bias)


@pytest.mark.parametrize("seed", range(150))
def test_enclosure_contains_the_image_of_a_box(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 6, size=2)
    affine = random_affine(rng, n, m)
    centre = rng.normal(size=n) * 10.0 ** rng.uniform(-8, 8)
    radius = abs(rng.normal(size=n)) * 10.0 ** rng.uniform(-12, 8) * (rng.random(n) < 0.8)
    middle, spread = affine.enclose(centre, radius)
    weight, bias, weight_radius, bias_radius = parts(affine)
    c, r = exact(centre, centre), exact(radius, radius)
    reach = plus(product(size(weight), r), product(weight_radius, plus(size(c), r)), bias_radius)
    assert covers(spread, plus(reach, deviation(plus(product(weight, c), bias), middle)), spread)


def test_radii_are_small() -> None:
    rng = np.random.default_rng(0)
    first = Affine(rng.normal(size=(30, 20)), rng.normal(size=30))
    second = Affine(rng.normal(size=(10, 30)), np.ones(10))
    result = first.then(second)
    assert result.weight_radius is not None
    assert result.bias_radius is not None
    assert result.weight_radius.max() < 3e-13
    assert result.bias_radius.max() < 3e-13


def test_exact_compositions_have_no_radius() -> None:
    rng = np.random.default_rng(1)
    weight, bias = rng.normal(size=(3, 4)), rng.normal(size=3)
    affine = Affine(weight, bias)
    assert Affine.identity(4).then(affine) is affine
    assert affine.then(Affine.identity(3)) is affine
    for after in (np.eye(3)[[2, 0]], -np.eye(3), np.diag([0.5, 2.0, -4.0]), np.zeros((2, 3))):
        result = affine.then(Affine.linear(after))
        assert result.is_exact
        assert np.array_equal(result.weight, after @ weight)
        assert np.array_equal(result.bias, after @ bias)
    before = Affine.linear(np.eye(4)[:, [1, 3]])
    assert before.then(affine).is_exact
    assert np.array_equal(before.then(affine).bias, bias)
    short = Affine.linear(np.diag([0.1, 0.7]).astype(np.float32)).then(Affine.linear(np.ones((1, 2), np.float32) / 3))
    assert short.is_exact
    # an offset that does not round leaves no radius on the bias, one that does only there
    assert Affine(np.eye(2), [0.25, 0.5]).then(Affine([[1.0, 0.0], [0.0, 1.0]], [0.5, 0.125])).is_exact
    shifted = Affine(np.eye(2), [0.1, 0.1]).then(Affine(np.eye(2), [1.0, 0.1]))
    assert shifted.weight_radius is None
    assert shifted.bias_radius is not None
    assert shifted.bias_radius[0] > 0.0
    assert shifted.bias_radius[1] == 0.0


def test_underflow_is_not_exact() -> None:
    tiny = Affine.linear([[3e-200]]).then(Affine.linear([[3e-200]]))
    assert tiny.weight_radius is not None
    halved = Affine.linear([[5e-324]]).then(Affine.linear([[0.5]]))
    assert halved.weight_radius is not None
    lost = Affine([[1.0]], [0.0], [[1e-300]]).then(Affine.linear([[2.0**-100]]))
    assert lost.weight_radius is not None


def test_rows() -> None:
    affine = Affine(np.arange(6.0).reshape(3, 2), np.arange(3.0), np.full((3, 2), 1e-9), np.full(3, 1e-8))
    part = affine.rows(slice(1, 3))
    assert np.array_equal(part.weight, [[2.0, 3.0], [4.0, 5.0]])
    assert np.array_equal(part.bias, [1.0, 2.0])
    assert part.weight_radius is not None
    assert part.bias_radius is not None
    assert (part.weight_radius.shape, part.bias_radius.shape) == ((2, 2), (2,))


def test_maps_are_immutable_copies() -> None:
    weight = np.eye(2)
    affine = Affine(weight, np.zeros(2))
    weight[0, 0] = 5.0
    assert affine.weight[0, 0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        affine.weight[0, 0] = 2.0
    assert Affine(np.eye(2), np.zeros(2), np.zeros((2, 2)), np.zeros(2)).is_exact


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([1.0], [0.0]), DimensionError, "a weight matrix has 1 dimensions; give an array with 2"),
        (([[1.0]], [0.0, 0.0]), DimensionError, "1 rows has a bias of 2 entries"),
        (([[np.nan]], [0.0]), InputError, "a weight matrix contains nan or inf"),
        (([[1.0]], [np.inf]), InputError, "a bias vector contains nan or inf"),
        (([[1.0]], [0.0], [[-1.0]]), DimensionError, r"weight_radius has shape \(1, 1\) or negative entries"),
        (([[1.0]], [0.0], None, [1.0, 1.0]), DimensionError, r"bias_radius has shape \(2,\)"),
    ],
)
def test_refuses_maps(arguments: tuple[object, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Affine(*arguments)  # type: ignore[arg-type]


def test_refuses_sizes_that_do_not_fit() -> None:
    with pytest.raises(DimensionError, match="a map with 2 outputs is followed by one with 3 inputs"):
        Affine.identity(2).then(Affine.identity(3))
    with pytest.raises(DimensionError, match="a map of 2 to 2 values is added to one of 3 to 3"):
        Affine.identity(2).plus(Affine.identity(3))
    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(InputError, match="contains nan or inf"):
        Affine.linear([[1e200]]).then(Affine.linear([[1e200]]))


def test_activation_layers() -> None:
    with pytest.raises(InputError, match="an activation layer has no segments"):
        ActivationLayer(())
    layer = ActivationLayer(((Tanh(), 2), (Identity(), 1), (Clip((0.0, 1.0), (1.0, 2.0)), 2)))
    assert (layer.size, layer.nonlinear_lanes) == (5, [0, 1, 3, 4])
    z = np.array([[0.5, -0.5, 7.0, -3.0, 5.0]])
    expected = np.array([[np.tanh(0.5), np.tanh(-0.5), 7.0, 0.0, 2.0]])
    assert np.array_equal(layer(z), expected)
    assert np.asarray(layer(torch.from_numpy(z))) == pytest.approx(expected, abs=1e-15)
    assert np.array_equal(ActivationLayer(((Relu(), 2),))(np.array([-1.0, 1.0])), [0.0, 1.0])
    with pytest.raises(DimensionError, match="'clip' has limits for 2 lanes but is applied to 3"):
        ActivationLayer(((Clip((0.0, 1.0), (1.0, 2.0)), 3),))
