"""Networks on polynomial zonotopes enclose the real network, symbol by symbol, and keep how outputs depend on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import mpmath
import numpy as np
import pytest
import torch

from nnctrl.bounds.taylor import TaylorBound
from nnctrl.bounds.view import NetworkView
from nnctrl.networks.activations import Clip, Identity, Relu, Sigmoid, Tanh
from nnctrl.networks.layers import ActivationLayer, Affine
from nnctrl.networks.network import Block, Network
from nnctrl.reachability.polynomial_network import through_network
from nnctrl.sets.box import Box
from nnctrl.sets.monomials import MonomialBasis
from nnctrl.sets.polynomial_zonotope import PolynomialZonotope
from tests import high_precision
from tests.networks.exact_activations import MP, ExactActivation
from tests.networks.third_party import THIRD_PARTY
from tests.random_networks import random_box, random_network


def value_at(rows: PolynomialZonotope, xi: list) -> list:
    """P(xi) with 60 digits, and how far the rest may reach."""
    monomials = []
    for exponents in rows.basis.exponents.tolist():
        term = mpmath.mpf(1)
        for x, e in zip(xi, exponents, strict=True):
            term *= x**e
        monomials.append(term)
    pairs = []
    for c, g, r in zip(rows.coefficients, rows.generators, rows.radius, strict=True):
        rest = sum((abs(mpmath.mpf(float(v))) for v in g), mpmath.mpf(float(r)))
        pairs.append((high_precision.dot(c, monomials), rest))
    return pairs


@pytest.mark.parametrize("blocks", [1, 2])
@pytest.mark.parametrize("seed", range(25))
def test_every_point_is_enclosed_at_its_own_symbols(blocks: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_network(rng, blocks=blocks, scale=None if blocks == 1 else 0.8)
    lower, upper = random_box(rng, network.in_size)
    basis = MonomialBasis((1,) * network.in_size, 3)
    inputs = PolynomialZonotope.of_box(Box(lower, upper), basis)
    outputs = through_network(network, inputs).rows
    for _ in range(6):
        xi = [mpmath.mpf(int(rng.integers(-4, 5))) / 4 for _ in range(network.in_size)]
        x = [middle for middle, _ in value_at(inputs, xi)]
        exact = high_precision.network(network, x)
        for y, (middle, rest) in zip(exact, value_at(outputs, xi), strict=True):
            assert not abs(y - middle) > rest


def random_inputs(rng: np.random.Generator, size: int) -> PolynomialZonotope:
    """Polynomials of two symbols, three generators and sometimes radii; from tiny to huge, some rows constant."""
    basis = MonomialBasis((1, int(rng.integers(1, 3))), 3)
    scale = 10.0 ** rng.choice([-12.0, -3.0, -1.0, 0.0, 0.0, 6.0], size=(size, 1))
    coefficients = scale * rng.normal(size=(size, basis.size)) * (rng.random((size, basis.size)) < 0.7)
    coefficients[:, 0] = rng.normal(size=size) * 10.0 ** rng.choice([-3.0, 0.0, 4.0], size=size)
    generators = scale * rng.normal(size=(size, 3)) * float(rng.choice([0.0, 1e-8, 0.1, 1.0]))
    return PolynomialZonotope(
        basis, coefficients, generators, scale[:, 0] * rng.random(size) * (rng.random(size) < 0.3)
    )


def assert_encloses(
    rng: np.random.Generator, inputs: PolynomialZonotope, outputs: PolynomialZonotope, exact: Callable[[list], list]
) -> None:
    """At random symbols of both kinds, of which the first generators are shared."""
    given = inputs.generators.shape[1]
    for _ in range(4):
        xi = [mpmath.mpf(int(rng.integers(-4, 5))) / 4 for _ in range(inputs.basis.symbols)]
        eta = [mpmath.mpf(int(rng.integers(-1, 2))) for _ in range(given)]
        away = [mpmath.mpf(float(r)) * int(rng.integers(-1, 2)) for r in inputs.radius]
        shared = [[high_precision.dot(row, eta) for row in part.generators[:, :given]] for part in (inputs, outputs)]
        x = [middle + s + r for (middle, _), s, r in zip(value_at(inputs, xi), shared[0], away, strict=True)]
        own = replace(outputs, generators=outputs.generators[:, given:])
        for y, (middle, rest), s in zip(exact(x), value_at(own, xi), shared[1], strict=True):
            assert not abs(y - middle - s) > rest


@pytest.mark.parametrize("own_symbols", [1, 7, 1000])
@pytest.mark.parametrize("seed", range(40))
def test_generators_of_the_inputs_are_shared(own_symbols: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_network(rng, blocks=int(rng.integers(1, 3)))
    inputs = random_inputs(rng, network.in_size)
    outputs = through_network(network, inputs, int(rng.integers(1, 6)), own_symbols).rows
    assert outputs.generators.shape[1] <= 3 + max(own_symbols, network.out_size)
    assert np.isfinite(outputs.radius).all()
    assert_encloses(rng, inputs, outputs, lambda x: high_precision.network(network, x))


@pytest.mark.parametrize("third", THIRD_PARTY, ids=lambda e: type(e.activation).__name__)
@pytest.mark.parametrize("seed", range(8))
def test_third_party_activations(third: ExactActivation, seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = Affine(rng.normal(size=(4, 2)), rng.normal(size=4)), Affine(rng.normal(size=(2, 4)), np.zeros(2))
    layer = ActivationLayer(((third.activation, 2), (Tanh(), 1), (Identity(), 1)))
    network = Network((Block((first, second), (layer,)),))
    inputs = random_inputs(rng, 2)

    def exact(x: list) -> list:
        z = high_precision.affine(first, x)
        hidden = [mpmath.mpf(third.phi(MP.mpf(v))) for v in z[:2]] + [mpmath.tanh(z[2]), z[3]]
        return high_precision.affine(second, hidden)

    assert_encloses(rng, inputs, through_network(network, inputs).rows, exact)


def test_linear_and_inactive_lanes_leave_no_errors_of_their_own() -> None:
    """ReLUs that are on or off and saturations that are met or not, throughout, add no symbol but rounding."""
    layer = ActivationLayer(((Relu(), 2), (Clip((-9.0, 5.0), (9.0, 6.0)), 2), (Identity(), 1)))
    weight = np.array([[1.0], [1.0], [1.0], [1.0], [1.0]])
    first, second = Affine(weight, np.array([5.0, -5.0, 0.0, -5.0, 0.0])), Affine(np.ones((1, 5)), np.zeros(1))
    network = Network((Block((first, second), (layer,), Affine(np.ones((1, 1)), np.zeros(1))),))
    basis = MonomialBasis((1,), 2)
    inputs = PolynomialZonotope(basis, np.array([[0.0, 1.0, 0.25]]), np.array([[0.5]]), np.zeros(1))
    image = through_network(network, inputs)
    np.testing.assert_array_equal(image.rows.coefficients, [[10.0, 4.0, 1.0]])
    assert image.rows.generators[0, 0] == 2.0
    assert np.abs(image.rows.generators[:, 1:]).sum() + image.rows.radius[0] < 1e-13
    assert image.blame[0] < 1e-13


def test_outputs_hardly_leave_the_range_of_the_activation() -> None:
    """Wide sets on steep sigmoids: never worse than the constant 1/2."""
    rng = np.random.default_rng(3)
    network = Network.from_layers([50.0 * rng.normal(size=(8, 3))], [rng.normal(size=8)], [Sigmoid()])
    basis = MonomialBasis((1, 1, 1), 3)
    image = through_network(network, PolynomialZonotope.of_box(Box([-1.0] * 3, [1.0] * 3), basis))
    assert (np.abs(image.rows.generators).sum(axis=1) + image.rows.radius <= 0.5 + 1e-12).all()


def test_blame_falls_on_the_symbols_that_bend_the_network() -> None:
    """The first symbol moves a steep neuron, the second a linear one, the third nothing at all."""
    first = Affine(np.array([[3.0, 0.0, 0.0], [0.0, 0.01, 0.0]]), np.zeros(2))
    second = Affine(np.array([[2.0, 1.0]]), np.zeros(1))
    network = Network((Block((first, second), (ActivationLayer(((Tanh(), 2),)),)),))
    basis = MonomialBasis((1, 1, 1), 3)
    image = through_network(network, PolynomialZonotope.of_box(Box([-1.0] * 3, [1.0] * 3), basis))
    own = np.abs(image.rows.generators).sum()
    assert image.blame[0] == pytest.approx(own, rel=1e-3)
    assert 0.0 < image.blame[1] < 1e-4 * image.blame[0]
    assert image.blame[2] == 0.0


def test_ranges_are_tighter_than_first_order_forms_on_moderate_boxes() -> None:
    """Smooth networks; with kinks the range of the polynomial, taken monomial by monomial, loses what it gains."""
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(15):
        weights = [rng.normal(size=(8, 2)), rng.normal(size=(8, 8)) / np.sqrt(8), rng.normal(size=(1, 8)) / np.sqrt(8)]
        network = Network.from_layers(weights, [0.3 * rng.normal(size=len(w)) for w in weights], Tanh())
        lower = rng.normal(size=2)
        upper = lower + 0.4
        outputs = through_network(network, PolynomialZonotope.of_box(Box(lower, upper), MonomialBasis((1, 1), 4))).rows
        low, high = outputs.ranges()
        pair = [torch.tensor(end)[None].expand(2, -1) for end in (lower, upper)]
        sides = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
        taylor = float(TaylorBound().upper(NetworkView.of(network), *pair, sides).upper.sum())
        ratios.append(float((high - low)[0]) / taylor)
    assert np.exp(np.mean(np.log(ratios))) < 1.0


def test_gaps_shrink_with_the_degree() -> None:
    """What is not a polynomial of the symbols falls by orders when both degrees rise."""
    rng = np.random.default_rng(1)
    weights = [rng.normal(size=(6, 2)), rng.normal(size=(6, 6)) / 2, rng.normal(size=(1, 6))]
    network = Network.from_layers(weights, [0.3 * rng.normal(size=len(w)) for w in weights], Tanh())
    rests = []
    for degree in (1, 2, 3, 4):
        basis = MonomialBasis((1, 1), degree)
        outputs = through_network(network, PolynomialZonotope.of_box(Box([0.1, 0.2], [0.3, 0.4]), basis), degree).rows
        rests.append(float(np.abs(outputs.generators).sum() + outputs.radius.sum()))
    assert rests[1] < 0.3 * rests[0]
    assert rests[2] < 0.3 * rests[1]
    assert rests[3] < rests[2]


def test_overflow_is_unknown() -> None:
    network = Network.from_layers([[[1e200]], [[1e200]]], [[0.0], [0.0]], Relu())
    outputs = through_network(network, PolynomialZonotope.of_box(Box([0.0], [1e200]), MonomialBasis((1,), 2))).rows
    assert not np.isfinite(outputs.ranges()[1]).any()
    assert not np.isfinite(outputs.radius).any()
