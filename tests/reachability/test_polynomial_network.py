"""Networks on polynomial zonotopes enclose the real network, symbol by symbol, and keep how outputs depend on them."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import torch

from nnctrl.bounds.taylor import TaylorBound
from nnctrl.bounds.view import NetworkView
from nnctrl.networks.activations import Relu, Tanh
from nnctrl.networks.network import Network
from nnctrl.reachability.polynomial_network import through_network
from nnctrl.sets.box import Box
from nnctrl.sets.monomials import MonomialBasis
from nnctrl.sets.polynomial_zonotope import PolynomialZonotope
from tests import high_precision
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
    outputs = through_network(network, inputs)
    for _ in range(6):
        xi = [mpmath.mpf(int(rng.integers(-4, 5))) / 4 for _ in range(network.in_size)]
        x = [middle for middle, _ in value_at(inputs, xi)]
        exact = high_precision.network(network, x)
        for y, (middle, rest) in zip(exact, value_at(outputs, xi), strict=True):
            assert not abs(y - middle) > rest


def test_ranges_are_tighter_than_first_order_forms_on_moderate_boxes() -> None:
    """Smooth networks; with kinks the range of the polynomial, taken monomial by monomial, loses what it gains."""
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(15):
        weights = [rng.normal(size=(8, 2)), rng.normal(size=(8, 8)) / np.sqrt(8), rng.normal(size=(1, 8)) / np.sqrt(8)]
        network = Network.from_layers(weights, [0.3 * rng.normal(size=len(w)) for w in weights], Tanh())
        lower = rng.normal(size=2)
        upper = lower + 0.4
        outputs = through_network(network, PolynomialZonotope.of_box(Box(lower, upper), MonomialBasis((1, 1), 4)))
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
        outputs = through_network(network, PolynomialZonotope.of_box(Box([0.1, 0.2], [0.3, 0.4]), basis), degree)
        rests.append(float(np.abs(outputs.generators).sum() + outputs.radius.sum()))
    assert rests[1] < 0.3 * rests[0]
    assert rests[2] < 0.3 * rests[1]
    assert rests[3] < rests[2]


def test_overflow_is_unknown() -> None:
    network = Network.from_layers([[[1e200]], [[1e200]]], [[0.0], [0.0]], Relu())
    outputs = through_network(network, PolynomialZonotope.of_box(Box([0.0], [1e200]), MonomialBasis((1,), 2)))
    assert not np.isfinite(outputs.ranges()[1]).any()
