"""Local Lipschitz constants bound every Jacobian, and the methods are ordered as the theorems say."""

from __future__ import annotations

import itertools
import math

import mpmath
import numpy as np
import pytest
import torch

from nnctrl.bounds.enclosed_matrix import EnclosedMatrix
from nnctrl.bounds.layered import LayeredView, Ranges
from nnctrl.bounds.lipschitz import AbstractLipschitz, LipLT, NaiveLipschitz, loop_transformed_row
from nnctrl.bounds.lipsdp import LipSDP
from nnctrl.bounds.norms import NORMS
from nnctrl.bounds.optimal_lipschitz import OptimalLipLT
from nnctrl.bounds.view import AffineView, BlockView, NetworkView
from nnctrl.errors import UnsupportedError
from nnctrl.networks.activations import Clip, Tanh
from nnctrl.networks.layers import Affine
from nnctrl.networks.network import Network
from nnctrl.systems.absorb import precede
from tests import high_precision
from tests.random_networks import points_of_box, random_box, random_network

METHODS: list[AbstractLipschitz] = [NaiveLipschitz(), LipLT(), LipLT(everywhere=True)]


def constants(method: AbstractLipschitz, network: Network, lower, upper, direction, p: float):
    net = LayeredView.of(NetworkView.of(network))
    box = (torch.tensor(lower)[None], torch.tensor(upper)[None])
    found = method.constants(net, net.ranges(*box), torch.tensor(direction)[None], p)
    return found.hidden[0].numpy(), float(found.output[0])


@pytest.mark.parametrize("method", METHODS, ids=repr)
@pytest.mark.parametrize("p", NORMS)
@pytest.mark.parametrize("seed", range(12))
def test_constants_bound_every_jacobian(method: AbstractLipschitz, p: float, seed: int) -> None:
    """Of all sub-networks and of the output, at random points of ordinary, flat, tiny and huge boxes."""
    rng = np.random.default_rng(seed)
    network = random_network(rng)
    lower, upper = random_box(rng, network.in_size)
    direction = rng.normal(size=network.out_size)
    hidden, output = constants(method, network, lower, upper, direction, p)
    row = mpmath.matrix([direction.tolist()])
    for x in points_of_box(rng, lower, upper, 6):
        inner, outer = high_precision.jacobians(network.blocks[0], high_precision.vector(x))
        for known, jacobian in zip(hidden, inner, strict=True):
            assert known >= high_precision.operator_norm(jacobian, p)
        assert output >= high_precision.operator_norm(row * outer, p)


@pytest.mark.parametrize("p", NORMS)
@pytest.mark.parametrize("seed", range(10))
def test_liplt_is_never_above_naive(p: float, seed: int) -> None:
    """Proposition 1, up to rounding."""
    rng = np.random.default_rng(100 + seed)
    network = random_network(rng)
    lower, upper = random_box(rng, network.in_size)
    direction = rng.normal(size=network.out_size)
    for naive, liplt in zip(
        constants(NaiveLipschitz(), network, lower, upper, direction, p),
        constants(LipLT(), network, lower, upper, direction, p),
        strict=True,
    ):
        assert (np.asarray(liplt) <= np.asarray(naive) * (1.0 + 1e-11) + 1e-280).all()


def two_layers(w0: list, w1: list) -> Network:
    return Network.from_layers([w0, w1], [np.zeros(len(w0)), np.zeros(len(w1))], [Tanh()])


def test_the_midpoint_alone_can_lose_to_naive() -> None:
    """The counterexample of the mathematics: naive 3.162, midpoint 3.524, beta/2 3.081."""
    network = two_layers([[2.0], [1.0]], [[1.0, 1.0]])
    # a box on which the first neuron's slope is in about (0.9, 1) and the second's in about (0, 1)
    net = LayeredView.of(NetworkView.of(network))
    alpha, beta = torch.tensor([[0.9, 0.0]], dtype=torch.float64), torch.ones(1, 2, dtype=torch.float64)
    first, head = (EnclosedMatrix.of(affine, 1, 2.0) for affine in net.affines)
    known = [first.norm()]

    def row(transformation: torch.Tensor) -> float:
        return float(loop_transformed_row(head, [first], [transformation], ((alpha, beta),), known, None))

    naive = float(head.scaled(beta).norm() * known[0])
    assert naive == pytest.approx(3.162, abs=1e-3)
    assert row(0.5 * alpha + 0.5 * beta) == pytest.approx(3.524, abs=1e-3)
    assert row(0.5 * beta) == pytest.approx(3.081, abs=1e-3)
    assert row(torch.zeros_like(beta)) == pytest.approx(naive, abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_constants_shrink_to_the_gradient(seed: int) -> None:
    """On a point LipLT with the midpoint is exact up to rounding: the slopes are known."""
    rng = np.random.default_rng(seed)
    network = random_network(rng, scale=1.0)
    x = rng.normal(size=network.in_size)
    direction = rng.normal(size=network.out_size)
    _, output = constants(LipLT(), network, x, x, direction, 2.0)
    _, outer = high_precision.jacobians(network.blocks[0], high_precision.vector(x))
    exact = high_precision.operator_norm(mpmath.matrix([direction.tolist()]) * outer, 2.0)
    assert output == pytest.approx(float(exact), rel=1e-6, abs=1e-9)


def test_global_slopes_are_those_of_the_whole_line() -> None:
    """A clip far out has slope 1 there only."""
    network = Network.from_layers([[[1.0]], [[1.0]]], [[0.0], [0.0]], Clip(2e300, 4e300))
    found = constants(LipLT(everywhere=True), network, np.array([1e300]), np.array([5e300]), np.ones(1), 2.0)
    assert found[1] >= 1.0


def test_several_blocks_are_one_chain() -> None:
    """The constants of a chain made by identity lanes bound the product of the blocks' Jacobians."""
    for seed in range(8):
        rng = np.random.default_rng(seed)
        network = random_network(rng, blocks=3, scale=0.8)
        lower, upper = random_box(rng, network.in_size)
        direction = rng.normal(size=network.out_size)
        view = NetworkView.of(network)
        layered = LayeredView.of(view)
        x = torch.tensor(points_of_box(rng, lower, upper, 6))
        torch.testing.assert_close(layered(x), view(x), rtol=1e-12, atol=1e-9)
        for method in METHODS:
            _, output = constants(method, network, lower, upper, direction, 2.0)
            for point in x.numpy():
                total, value = mpmath.matrix([direction.tolist()]), high_precision.vector(point)
                parts = []
                for block in network.blocks:
                    parts.append(high_precision.jacobians(block, value)[1])
                    value = high_precision.block(block, value)
                for jacobian in reversed(parts):
                    total = total * jacobian
                assert output >= high_precision.operator_norm(total, 2.0)


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_nothing_is_known_where_ranges_overflow(method: AbstractLipschitz) -> None:
    network = two_layers([[1e200, 0.0], [0.0, 1e200]], [[1e200, 1.0]])
    hidden, output = constants(method, network, np.full(2, -1e200), np.full(2, 1e200), np.ones(1), 2.0)
    assert math.isinf(output)
    assert np.isfinite(hidden).all()


@pytest.mark.parametrize("method", METHODS[:2], ids=repr)
@pytest.mark.parametrize("p", NORMS)
def test_constants_are_differentiable_in_weights_and_box(method: AbstractLipschitz, p: float) -> None:
    rng = np.random.default_rng(2)
    widths = (2, 4, 3, 1)
    weights = [torch.tensor(rng.normal(size=(b, a))) for a, b in itertools.pairwise(widths)]
    lower, upper = torch.tensor([[-0.3, 0.1]]).double(), torch.tensor([[0.2, 0.35]]).double()

    def value(flat: torch.Tensor) -> torch.Tensor:
        parts, start = [], 0
        for weight in weights:
            parts.append(flat[start : start + weight.numel()].view_as(weight))
            start += weight.numel()
        low, high = flat[start : start + 2][None], flat[start + 2 :][None]
        block = BlockView(tuple(AffineView(w, w.new_zeros(len(w))) for w in parts), layers)
        net = LayeredView.of(NetworkView((block,)))
        return method.constants(net, net.ranges(low, high), torch.ones(1, 1, dtype=torch.float64), p).output[0]

    layers = (
        Network.from_layers([w.numpy() for w in weights], [np.zeros(len(w)) for w in weights], [Tanh(), Tanh()])
        .blocks[0]
        .activations
    )
    flat = torch.cat([*(w.flatten() for w in weights), lower[0], upper[0]]).requires_grad_(True)
    (gradient,) = torch.autograd.grad(value(flat), flat)
    for i in range(len(flat)):
        step = torch.zeros_like(flat)
        step[i] = 1e-6
        difference = float(value(flat.detach() + step) - value(flat.detach() - step)) / 2e-6
        assert float(gradient[i]) == pytest.approx(difference, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("seed", range(16))
def test_lipsdp_bounds_every_jacobian_and_is_never_above_liplt(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_network(rng)
    lower, upper = random_box(rng, network.in_size)
    direction = rng.normal(size=network.out_size)
    hidden, output = constants(LipSDP(), network, lower, upper, direction, 2.0)
    larger_hidden, larger = constants(LipLT(), network, lower, upper, direction, 2.0)
    assert output <= larger
    assert (hidden <= larger_hidden).all()
    row = mpmath.matrix([direction.tolist()])
    for x in points_of_box(rng, lower, upper, 6):
        inner, outer = high_precision.jacobians(network.blocks[0], high_precision.vector(x))
        for known, jacobian in zip(hidden, inner, strict=True):
            assert known >= high_precision.operator_norm(jacobian, 2.0)
        assert output >= high_precision.operator_norm(row * outer, 2.0)


@pytest.mark.parametrize("seed", range(6))
def test_all_solvers_give_the_same_constant(seed: int) -> None:
    """The barrier method against CVXPY's default solver, on ordinary boxes of networks that are not saturated."""
    rng = np.random.default_rng(200 + seed)
    network = random_network(rng, scale=1.0)
    lower = rng.normal(size=network.in_size)
    upper = lower + 0.5 * rng.random(network.in_size)
    direction = rng.normal(size=network.out_size)
    hidden, output = constants(LipSDP(), network, lower, upper, direction, 2.0)
    other_hidden, other = constants(LipSDP(solver="CLARABEL"), network, lower, upper, direction, 2.0)
    assert output == pytest.approx(other, rel=1e-4, abs=1e-9)
    np.testing.assert_allclose(hidden, other_hidden, rtol=1e-4, atol=1e-9)


def test_lipsdp_is_strictly_better_on_a_deep_network() -> None:
    rng = np.random.default_rng(0)
    widths = (2, 10, 10, 10, 1)
    weights = [rng.normal(size=(b, a)) / np.sqrt(a) for a, b in itertools.pairwise(widths)]
    network = Network.from_layers(weights, [np.zeros(len(w)) for w in weights], Tanh())
    box = (-np.ones(2), np.ones(2))
    naive, liplt, lipsdp = (
        constants(method, network, *box, np.ones(1), 2.0)[1] for method in (NaiveLipschitz(), LipLT(), LipSDP())
    )
    assert lipsdp < 0.9 * liplt
    assert liplt < 0.9 * naive


def test_an_unbelievable_solver_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever multipliers come back, the constant is a bound; no answer at all leaves LipLT's."""
    rng = np.random.default_rng(4)
    network = random_network(rng, scale=1.0)
    lower, upper = -np.ones(network.in_size), np.ones(network.in_size)
    direction = rng.normal(size=network.out_size)
    liplt = constants(LipLT(), network, lower, upper, direction, 2.0)
    true = constants(LipSDP(), network, lower, upper, direction, 2.0)
    lies = (
        lambda s, g, r, n, q: (0.0, np.full(len(g), np.nan)),
        lambda s, g, r, n, q: (np.nan, np.ones(len(g))),
        lambda s, g, r, n, q: (0.0, np.full(len(g), 1e300)),
        lambda s, g, r, n, q: None,
        lambda s, g, r, n, q: (0.0, -np.ones(len(g))),
        lambda s, g, r, n, q: (1e-3, np.full(len(g), 1e9)),
    )
    for lie in lies:
        monkeypatch.setattr("nnctrl.bounds.lipsdp.least_rho", lie)
        hidden, output = constants(LipSDP(), network, lower, upper, direction, 2.0)
        assert true[1] * (1.0 - 1e-6) <= output <= liplt[1]
        assert (hidden <= liplt[0]).all()


def test_lipsdp_needs_the_2_norm() -> None:
    network = two_layers([[1.0]], [[1.0]])
    with pytest.raises(UnsupportedError, match=r"2-norm, not for p = inf"):
        constants(LipSDP(), network, np.zeros(1), np.ones(1), np.ones(1), math.inf)


@pytest.mark.parametrize("method", [*METHODS, LipSDP()], ids=repr)
@pytest.mark.parametrize("seed", range(5))
def test_constants_with_respect_to_scaled_inputs(method: AbstractLipschitz, seed: int) -> None:
    """They are those of the network with the scale absorbed into its first layer."""
    rng = np.random.default_rng(seed)
    network = random_network(rng, scale=1.0)
    lower, upper = rng.normal(size=(2, network.in_size)).cumsum(0) ** 2 * np.array([[-1.0], [1.0]])
    scale, direction = rng.random(network.in_size) + 0.1, rng.normal(size=network.out_size)
    net = LayeredView.of(NetworkView.of(network))
    ranges = net.ranges(torch.tensor(lower)[None], torch.tensor(upper)[None])
    found = method.constants(net, ranges, torch.tensor(direction)[None], 2.0, torch.tensor(scale)[None])
    absorbed = precede(network, Affine.linear(np.diag(scale)))
    hidden, output = constants(method, absorbed, lower / scale, upper / scale, direction, 2.0)
    np.testing.assert_allclose(found.hidden[0].numpy(), hidden, rtol=1e-5, atol=1e-12)
    assert float(found.output[0]) == pytest.approx(output, rel=1e-5, abs=1e-12)


def scalar_example(alpha: list, beta: list) -> tuple[LayeredView, Ranges, torch.Tensor]:
    """W0 = (2, 1)', W1 = (1, 1), with given slopes."""
    net = LayeredView.of(NetworkView.of(two_layers([[2.0], [1.0]], [[1.0, 1.0]])))
    slopes = ((torch.tensor([alpha]).double(), torch.tensor([beta]).double()),)
    ranges = net.ranges(torch.zeros(1, 1).double(), torch.zeros(1, 1).double())
    ranges.__dict__["slopes"] = slopes
    return net, ranges, torch.ones(1, 1).double()


def test_the_optimal_transformation_is_never_worse_and_sometimes_better() -> None:
    """Example 1's phenomenon: naive > beta/2 > optimal, on one network with unequal slopes."""
    net, ranges, direction = scalar_example([0.9, 0.0], [1.0, 1.0])
    naive, liplt, optimal = (
        float(method.constants(net, ranges, direction, 2.0).output)
        for method in (NaiveLipschitz(), LipLT(), OptimalLipLT())
    )
    assert naive == pytest.approx(math.sqrt(10.0), abs=1e-9)
    assert liplt == pytest.approx(3.081, abs=1e-3)
    # by hand: lambda = (0.95, 0.55) beats beta/2; a grid finds the least value
    grid = np.linspace(0.0, 1.0, 201)
    least = min(
        abs(2 * a + b) + math.sqrt(5) * math.hypot(max(1 - a, a - 0.9), max(1 - b, b)) for a in grid for b in grid
    )
    assert optimal == pytest.approx(least, abs=1e-3)
    assert optimal < liplt - 1e-3


@pytest.mark.parametrize("p", NORMS)
@pytest.mark.parametrize("seed", range(6))
def test_optimal_transformations_bound_jacobians_and_need_one_hidden_layer(p: float, seed: int) -> None:
    rng = np.random.default_rng(500 + seed)
    widths = (2, 5, 1)
    network = Network.from_layers(
        [rng.normal(size=(b, a)) for a, b in itertools.pairwise(widths)],
        [rng.normal(size=b) for b in widths[1:]],
        Tanh(),
        feedthrough=rng.normal(size=(1, 2)) if seed % 2 else None,
    )
    lower = rng.normal(size=2)
    upper = lower + rng.random(2)
    optimal = constants(OptimalLipLT(), network, lower, upper, np.ones(1), p)[1]
    assert optimal <= constants(LipLT(), network, lower, upper, np.ones(1), p)[1]
    for x in points_of_box(rng, lower, upper, 8):
        _, jacobian = high_precision.jacobians(network.blocks[0], high_precision.vector(x))
        assert optimal >= high_precision.operator_norm(jacobian, p)
    deep = Network.from_layers([np.eye(2)] * 3, [np.zeros(2)] * 3, Tanh())
    with pytest.raises(UnsupportedError, match=r"one hidden layer only, not for 2; use liplt"):
        constants(OptimalLipLT(), deep, lower, upper, np.ones(2), p)


@pytest.mark.parametrize("seed", range(5))
def test_relaxed_slopes_give_global_liplt(seed: int) -> None:
    """Remark 1: with alpha = 0 and beta = 1 everywhere, local LipLT with Lam = beta/2 is global LipLT."""
    rng = np.random.default_rng(seed)
    widths = (2, 4, 3, 1)
    weights = [rng.normal(size=(b, a)) for a, b in itertools.pairwise(widths)]
    network = Network.from_layers(weights, [rng.normal(size=len(w)) for w in weights], Tanh())
    relaxed = constants(LipLT(everywhere=True), network, -np.ones(2), np.ones(2), np.ones(1), 2.0)
    m0 = np.linalg.norm(weights[0], 2)
    m1 = np.linalg.norm(weights[1] @ weights[0] / 2, 2) + np.linalg.norm(weights[1] / 2, 2) * m0
    through = np.linalg.norm(weights[2] @ weights[1] @ weights[0] / 4, 2)
    m2 = through + np.linalg.norm(weights[2] @ weights[1] / 4, 2) * m0 + np.linalg.norm(weights[2] / 2, 2) * m1
    np.testing.assert_allclose([*relaxed[0], relaxed[1]], [m0, m1, m2], rtol=1e-9)
    local = constants(LipLT(), network, -np.ones(2), np.ones(2), np.ones(1), 2.0)
    assert local[1] <= relaxed[1]
