"""The bounds of the Hessian paper: sound in every coordinate system, and as good as its theorems say."""

from __future__ import annotations

import itertools
import math

import mpmath
import numpy as np
import pytest
import torch

from nnctrl.bounds.ball import InputBall
from nnctrl.bounds.base import AbstractBound, AbstractLocalBound
from nnctrl.bounds.expansion import expand_at
from nnctrl.bounds.first_order import FirstOrderBound
from nnctrl.bounds.hessian import hessian_norm
from nnctrl.bounds.hessian_matrix import HessianMatrixBound
from nnctrl.bounds.layered import LayeredView
from nnctrl.bounds.lipschitz import LipLT, NaiveLipschitz
from nnctrl.bounds.lipsdp import LipSDP
from nnctrl.bounds.tightest import TightestOf
from nnctrl.bounds.view import AffineView, BlockView, NetworkView
from nnctrl.bounds.zeroth_order import ZerothOrderBound
from nnctrl.errors import InputError, UnsupportedError
from nnctrl.networks.activations import Activation, Clip, Identity, Relu, Sigmoid, Softplus, Tanh
from nnctrl.networks.layers import ActivationLayer, Affine
from nnctrl.networks.network import Block, Network
from nnctrl.sets.zonotope import Zonotope
from nnctrl.systems.absorb import absorb
from tests import high_precision
from tests.random_networks import points_of_box, random_box

SMOOTH = (Tanh(), Sigmoid(), Softplus())

DEEP: list[AbstractLocalBound] = [
    ZerothOrderBound(NaiveLipschitz()),
    *(ZerothOrderBound(LipLT(), norm) for norm in (1.0, 2.0, math.inf)),
    ZerothOrderBound(LipLT(), math.inf, scaled=True),
    FirstOrderBound(NaiveLipschitz(), "recursion"),
    FirstOrderBound(LipLT(), "liplt"),
    FirstOrderBound(LipLT(), "least", "optimised"),
    FirstOrderBound(LipSDP(), "least", "optimised"),
    TightestOf(),
]

TWO_LAYERS: list[AbstractLocalBound] = [
    HessianMatrixBound(),
    HessianMatrixBound("sdp"),
    HessianMatrixBound("vertices"),
    HessianMatrixBound("least"),
]


def smooth_network(rng: np.random.Generator, hidden: int, gain: float | None = None) -> Network:
    gain = gain if gain is not None else float(rng.choice([0.3, 1.0, 3.0, 20.0]))
    widths = [int(rng.integers(1, 4)), *(int(rng.integers(1, 6)) for _ in range(hidden)), int(rng.integers(1, 3))]
    affines = tuple(
        Affine(gain * rng.normal(size=(b, a)) / np.sqrt(a), gain * rng.normal(size=b))
        for a, b in itertools.pairwise(widths)
    )
    layers = tuple(ActivationLayer(((SMOOTH[int(rng.integers(3))], width),)) for width in widths[1:-1])
    size, out = widths[0], widths[-1]
    skip = Affine(rng.normal(size=(out, size)), rng.normal(size=out)) if rng.random() < 0.5 else None
    return Network((Block(affines, layers, skip),))


def support(bound: AbstractBound, network: Network, lower, upper, direction) -> float:
    pair = (torch.tensor(np.asarray(part))[None] for part in (lower, upper))
    return float(bound.upper(NetworkView.of(network), *pair, torch.tensor(direction)[None]).upper)


def exact(network: Network, direction: np.ndarray, x: np.ndarray) -> mpmath.mpf:
    return high_precision.dot(direction, high_precision.network(network, high_precision.vector(x)))


def assert_bound(bound: AbstractBound, network: Network, rng: np.random.Generator) -> None:
    lower, upper = random_box(rng, network.in_size)
    direction = rng.normal(size=network.out_size)
    high = support(bound, network, lower, upper, direction)
    low = -support(bound, network, lower, upper, -direction)
    for x in points_of_box(rng, lower, upper, 8):
        value = exact(network, direction, x)
        assert not high < value
        assert not low > value


@pytest.mark.parametrize("bound", DEEP, ids=repr)
@pytest.mark.parametrize("seed", range(25))
def test_bounds_of_deep_networks(bound: AbstractBound, seed: int) -> None:
    rng = np.random.default_rng(seed)
    assert_bound(bound, smooth_network(rng, int(rng.integers(1, 4))), rng)


@pytest.mark.parametrize("bound", TWO_LAYERS, ids=repr)
@pytest.mark.parametrize("seed", range(40))
def test_bounds_of_two_layer_networks(bound: AbstractBound, seed: int) -> None:
    rng = np.random.default_rng(seed)
    assert_bound(bound, smooth_network(rng, 1), rng)


@pytest.mark.parametrize("bound", [*DEEP, *TWO_LAYERS], ids=repr)
@pytest.mark.parametrize("seed", range(10))
def test_bounds_in_absorbed_coordinates(bound: AbstractBound, seed: int) -> None:
    """Rotated, flat and far boxes, absorbed into the first layer and the feedthrough with radii."""
    rng = np.random.default_rng(100 + seed)
    network = smooth_network(rng, 1)
    lower, upper = random_box(rng, network.in_size)
    rotation, _ = np.linalg.qr(rng.normal(size=(network.in_size, network.in_size)))
    zonotope = Zonotope(0.5 * (lower + upper), rotation * (0.5 * (upper - lower)))
    absorbed = absorb(network, zonotope)
    direction = rng.normal(size=network.out_size)
    ones = np.ones(network.in_size)
    high = support(bound, absorbed, -ones, ones, direction)
    for xi in points_of_box(rng, -ones, ones, 8):
        x = [
            mpmath.mpf(float(c)) + high_precision.dot(row, high_precision.vector(xi))
            for c, row in zip(zonotope.centre, zonotope.generators, strict=True)
        ]
        assert not high < high_precision.dot(direction, high_precision.network(network, x))


@pytest.mark.parametrize("bound", [*DEEP[:-2], *TWO_LAYERS], ids=repr)
@pytest.mark.parametrize("seed", range(12))
def test_facts_of_a_box_serve_its_parts(bound: AbstractLocalBound, seed: int) -> None:
    """Root-only facts give sound, looser bounds of sub-boxes."""
    rng = np.random.default_rng(200 + seed)
    network = smooth_network(rng, 1)
    view = NetworkView.of(network)
    lower, upper = random_box(rng, network.in_size)
    shares = np.sort(rng.random((2, network.in_size)), axis=0)
    low, high = np.clip(lower + shares * (upper - lower), lower, upper)
    direction = torch.tensor(rng.normal(size=network.out_size))[None]
    root = [torch.tensor(part)[None] for part in (lower, upper)]
    part = [torch.tensor(corner)[None] for corner in (low, high)]
    facts = bound.local_facts(view, *root, direction)
    found = float(bound.upper_from(view, *part, direction, facts).upper)
    for x in points_of_box(rng, low, high, 8):
        assert not found < exact(network, direction[0].numpy(), x)


@pytest.mark.parametrize("p", [1.0, 2.0, math.inf])
@pytest.mark.parametrize("kind", ["zeroth", "first", "optimised", "matrix"])
@pytest.mark.parametrize("seed", range(8))
def test_balls_as_input_sets(kind: str, p: float, seed: int) -> None:
    """The intersection of a box with a ball, at the root and for boxes off its centre."""
    rng = np.random.default_rng(300 + seed)
    network = smooth_network(rng, 1, 1.0)
    n = network.in_size
    centre, radius = rng.normal(size=n), float(rng.random() + 0.1)
    ball = InputBall(torch.tensor(centre), radius, p)
    plain = {
        "zeroth": ZerothOrderBound(LipLT(), 2.0),
        "first": FirstOrderBound(),
        "optimised": FirstOrderBound(expansion="optimised"),
        "matrix": HessianMatrixBound(),
    }[kind]
    direction = rng.normal(size=network.out_size)
    for root in (True, False):
        lower, upper = centre - radius, centre + radius
        if not root:
            lower = lower + rng.random(n) * radius
            upper = np.minimum(upper, lower + rng.random(n) * radius)
        whole = FirstOrderBound() if kind == "optimised" else plain
        inside, outside = (support(b, network, lower, upper, direction) for b in (plain.within(ball), whole))
        assert inside <= outside
        missed = bool(ball.misses(torch.tensor(lower)[None], torch.tensor(upper)[None])[0])
        points = np.clip(centre + rng.uniform(-radius, radius, (300, n)), lower, upper)
        length = np.linalg.norm(points - centre, p, axis=1) if n else np.zeros(300)
        points = points[length <= radius * (1.0 - 1e-12)]
        assert not (missed and len(points))
        for x in points[:6]:
            assert not inside < exact(network, direction, x)


@pytest.mark.parametrize("seed", range(20))
def test_expansions_at_points(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = smooth_network(rng, int(rng.integers(0, 4)))
    x, direction = rng.normal(size=network.in_size), rng.normal(size=network.out_size)
    net = LayeredView.of(NetworkView.of(network))
    found = expand_at(net, torch.tensor(x)[None], torch.tensor(direction)[None])
    value = exact(network, direction, x)
    assert float(found.value_low) <= value <= float(found.value_high)
    _, jacobian = high_precision.jacobians(network.blocks[0], high_precision.vector(x))
    gradient = mpmath.matrix([direction.tolist()]) * jacobian
    for i in range(network.in_size):
        middle, error = float(found.gradient[0, i]), float(found.gradient_error[0, i])
        assert abs(mpmath.mpf(middle) - gradient[i]) <= error
        assert error <= 1e-9 * (1.0 + abs(middle))


def largest_curvature(network: Network, direction: np.ndarray, points: np.ndarray) -> mpmath.mpf:
    """The largest spectral norm of the Hessian at points: second differences over 1e-20 with 60 digits, which are
    right to some 18.
    """
    step, norms = mpmath.mpf(10) ** -20, []

    def value(x: list, *moves: tuple[int, int]) -> mpmath.mpf:
        moved = list(x)
        for axis, sign in moves:
            moved[axis] += sign * step
        return high_precision.dot(direction, high_precision.network(network, moved))

    for point in points:
        x = high_precision.vector(point)
        hessian = mpmath.matrix(len(x))
        for i, j in itertools.product(range(len(x)), repeat=2):
            corners = [s * t * value(x, (i, s), (j, t)) for s in (1, -1) for t in (1, -1)]
            hessian[i, j] = sum(corners) / (4 * step**2)
        norms.append(max(abs(e) for e in mpmath.eigsy(hessian, eigvals_only=True)))
    return max(norms)


@pytest.mark.parametrize("seed", range(15))
def test_hessian_norms(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = smooth_network(rng, int(rng.integers(1, 4)), 1.0)
    lower = rng.normal(size=network.in_size)
    upper = lower + rng.random(network.in_size)
    direction = rng.normal(size=network.out_size)
    net = LayeredView.of(NetworkView.of(network))
    ranges = net.ranges(torch.tensor(lower)[None], torch.tensor(upper)[None])
    d = torch.tensor(direction)[None]
    norms = {
        (name, tail): float(hessian_norm(net, ranges, d, method, tail))
        for name, method in (("naive", NaiveLipschitz()), ("liplt", LipLT()), ("lipsdp", LipSDP()))
        for tail in ("recursion", "liplt", "least")
    }
    assert min(norms.values()) >= largest_curvature(network, direction, points_of_box(rng, lower, upper, 12))
    for tail in ("recursion", "liplt", "least"):
        assert norms["lipsdp", tail] <= norms["liplt", tail] * (1.0 + 1e-9)
        assert norms["liplt", tail] <= norms["naive", tail] * (1.0 + 1e-9)


@pytest.mark.parametrize("scale", [1e-150, 1e-170, 1e-200])
@pytest.mark.parametrize("bound", [FirstOrderBound(), FirstOrderBound(expansion="optimised"), TightestOf()], ids=repr)
def test_tiny_weights_over_a_huge_box(bound: AbstractBound, scale: float) -> None:
    """The square of a constant underflows, that of the box overflows, and their product counts."""
    network = Network.from_layers([[[scale]], [[1e60]]], [[0.0], [0.0]], Softplus())
    upper = np.array([1.0 / scale])
    assert support(bound, network, -upper, upper, np.ones(1)) >= exact(network, np.ones(1), upper)


@pytest.mark.parametrize("bound", DEEP, ids=repr)
@pytest.mark.parametrize("seed", range(8))
def test_tiny_directions_and_huge_weights(bound: AbstractBound, seed: int) -> None:
    """Rounding bounds of a row must not underflow before they meet the weight."""
    rng = np.random.default_rng(seed)
    network = Network.from_layers([1e300 * rng.normal(size=(3, 2))], [np.zeros(3)], [])
    direction = 1e-310 * rng.normal(size=3)
    high = support(bound, network, -np.ones(2), np.ones(2), direction)
    corners = np.array(list(itertools.product((-1.0, 1.0), repeat=2)))
    assert not high < max(exact(network, direction, x) for x in corners)


@pytest.mark.parametrize("p", [1.0, 2.0, math.inf])
def test_a_huge_ball_misses_no_box_inside(p: float) -> None:
    ball = InputBall(torch.zeros(2, dtype=torch.float64), 1e250, p)
    boxes = torch.tensor([[1e200, 1e200], [2e250, 0.0]], dtype=torch.float64)
    assert ball.misses(boxes, 1.5 * boxes).tolist() == [False, True]


def test_theorem_3_decides_between_zeroth_and_first_order() -> None:
    """On 2-balls: first order is better exactly below the crossover radius, and its attained value is never worse."""
    rng = np.random.default_rng(0)
    checked = [0, 0]
    for _ in range(60):
        network = smooth_network(rng, 1, 1.5)
        n, direction = network.in_size, rng.normal(size=network.out_size)
        centre, radius = rng.normal(size=n), float(10.0 ** rng.uniform(-3, 1))
        lower, upper = (torch.tensor(centre + s * radius)[None] for s in (-1.0, 1.0))
        view, d = NetworkView.of(network), torch.tensor(direction)[None]
        ball = InputBall(torch.tensor(centre), radius, 2.0)
        zeroth, first = ZerothOrderBound(NaiveLipschitz(), ball=ball), FirstOrderBound(NaiveLipschitz(), ball=ball)
        L = float(zeroth.local_facts(view, lower, upper, d)[0, 0])
        lam = float(first.local_facts(view, lower, upper, d)[0, 0])
        gradient = expand_at(LayeredView.of(view), torch.tensor(centre)[None], d).gradient[0].norm()
        crossover = 2.0 * (L - float(gradient)) / lam
        if abs(radius - crossover) < 1e-6 * crossover:
            continue
        values = [float(bound.upper(view, lower, upper, d).upper) for bound in (zeroth, first)]
        assert (values[1] < values[0]) == (radius < crossover)
        checked[int(radius < crossover)] += 1
        # the attained value of the first-order step c + eps g/|g| against the centre's
        step = (
            torch.tensor(centre)
            + radius
            * (1.0 - 1e-12)
            * torch.autograd.functional.jacobian(lambda x, view=view, d=d: view(x) @ d[0], torch.tensor(centre))
            / gradient
        )
        if radius < float(gradient) / lam:
            assert float(view(step) @ d[0]) >= float(view(torch.tensor(centre)) @ d[0])
    assert min(checked) >= 5


def test_proposition_5_is_never_worse_and_closes_part_of_the_gap() -> None:
    rng = np.random.default_rng(1)
    closed = []
    for _ in range(60):
        network = smooth_network(rng, 2, 1.0)
        lower = rng.normal(size=network.in_size)
        upper = lower + 0.3 * rng.random(network.in_size)
        direction = rng.normal(size=network.out_size)
        centre, optimised = (
            support(FirstOrderBound(expansion=way), network, lower, upper, direction) for way in ("centre", "optimised")
        )
        assert optimised <= centre
        points = points_of_box(rng, lower, upper, 400)
        best = float((network(points) @ direction).max())
        if centre - best > 1e-6:
            closed.append((centre - optimised) / (centre - best))
    assert np.mean(closed) > 0.2


def test_first_order_gaps_are_of_second_order_and_zeroth_of_first() -> None:
    rng = np.random.default_rng(3)
    network = smooth_network(rng, 2, 1.0)
    n, direction = network.in_size, rng.normal(size=network.out_size)
    centre, sizes = rng.normal(size=n), np.array([1e-2, 1e-3, 1e-4])
    for bound, order in ((FirstOrderBound(), 2.0), (ZerothOrderBound(LipLT(), 1.0), 1.0), (TightestOf(), 2.0)):
        gaps = []
        for size in sizes:
            lower, upper = centre - size, centre + size
            corners = np.array(list(itertools.product(*zip(lower, upper, strict=True))))
            best = float((network(corners) @ direction).max())
            gaps.append(support(bound, network, lower, upper, direction) - best)
        slope = np.polyfit(np.log(sizes), np.log(gaps), 1)[0]
        assert slope == pytest.approx(order, abs=0.35)


def test_the_two_layer_dual_is_tight_for_a_quadratic_like_network() -> None:
    """On a 2-ball, the bound is the maximum of the quadratic majorant; on small balls that is nearly the function's."""
    rng = np.random.default_rng(5)
    for _ in range(10):
        network = smooth_network(rng, 1, 1.0)
        n, direction = network.in_size, rng.normal(size=network.out_size)
        centre, radius = rng.normal(size=n), 1e-2
        ball = InputBall(torch.tensor(centre), radius, 2.0)
        bound = HessianMatrixBound(ball=ball)
        high = support(bound, network, centre - radius, centre + radius, direction)
        directions = rng.normal(size=(4000, n))
        points = centre + radius * directions / np.linalg.norm(directions, axis=1, keepdims=True)
        best = float((network(points) @ direction).max())
        first = support(FirstOrderBound(ball=ball), network, centre - radius, centre + radius, direction)
        assert best <= high <= first + 1e-15
        assert high - best <= 2e-4


def test_refusals_name_what_to_use() -> None:
    relu = Network.from_layers([np.eye(2), np.eye(2)], [np.zeros(2), np.zeros(2)], Relu())
    deep = smooth_network(np.random.default_rng(0), 2)
    for bound, network, pattern in (
        (FirstOrderBound(), relu, r"'first-order' needs activations with a second derivative, which 'relu' has not"),
        (HessianMatrixBound(), relu, r"'hessian-matrix' needs activations with a second derivative"),
        (TightestOf(), relu, r"use the bound zeroth-order, crown or taylor"),
        (HessianMatrixBound(), deep, r"one hidden layer, not 2; use first-order"),
    ):
        with pytest.raises(UnsupportedError, match=pattern):
            support(bound, network, np.zeros(network.in_size), np.ones(network.in_size), np.ones(network.out_size))
    with pytest.raises(InputError, match=r"norms 1, 2 and inf, not 3"):
        ZerothOrderBound(norm=3.0)
    wide = Network.from_layers([np.ones((2, 11)), np.ones((1, 2))], [np.zeros(2), np.zeros(1)], Tanh())
    with pytest.raises(UnsupportedError, match=r"at most 10 inputs, not of 11"):
        support(HessianMatrixBound("vertices"), wide, np.zeros(11), np.ones(11), np.ones(1))


@pytest.mark.parametrize("bound", [*DEEP[:8], *TWO_LAYERS], ids=repr)
def test_bounds_are_differentiable_in_weights_and_box(bound: AbstractBound) -> None:
    rng = np.random.default_rng(2)
    widths = (2, 4, 1) if isinstance(bound, HessianMatrixBound) else (2, 4, 3, 1)
    weights = [torch.tensor(rng.normal(size=(b, a))) for a, b in itertools.pairwise(widths)]
    box = torch.tensor([-0.3, 0.1, 0.2, 0.35], dtype=torch.float64)
    layers = tuple(ActivationLayer(((Tanh(), size),)) for size in widths[1:-1])

    def value(flat: torch.Tensor) -> torch.Tensor:
        parts, start = [], 0
        for weight in weights:
            parts.append(flat[start : start + weight.numel()].view_as(weight))
            start += weight.numel()
        block = BlockView(tuple(AffineView(w, w.new_full((len(w),), 0.1)) for w in parts), layers)
        low, high = flat[start : start + 2][None], flat[start + 2 :][None]
        return bound.upper(NetworkView((block,)), low, high, torch.ones(1, 1, dtype=torch.float64)).upper[0]

    flat = torch.cat([*(w.flatten() for w in weights), box]).requires_grad_(True)
    (gradient,) = torch.autograd.grad(value(flat), flat)
    for i in range(len(flat)):
        step = torch.zeros_like(flat)
        step[i] = 1e-6
        difference = float(value(flat.detach() + step) - value(flat.detach() - step)) / 2e-6
        assert float(gradient[i]) == pytest.approx(difference, rel=2e-3, abs=1e-4)


def gradients(bound: AbstractBound, weights: list, biases: list, kinds: list, lower: list, upper: list) -> list:
    tensors = [torch.tensor(w, dtype=torch.float64, requires_grad=True) for w in weights]
    box = [torch.tensor([end], dtype=torch.float64, requires_grad=True) for end in (lower, upper)]
    affines = tuple(AffineView(w, torch.tensor(b, dtype=torch.float64)) for w, b in zip(tensors, biases, strict=True))
    layers = tuple(ActivationLayer(((kind, len(b)),)) for kind, b in zip(kinds, biases, strict=False))
    view = NetworkView((BlockView(affines, layers),))
    found = bound.upper(view, *box, torch.ones(1, len(biases[-1]), dtype=torch.float64)).upper
    assert bool(torch.isfinite(found).all())
    return list(torch.autograd.grad(found.sum(), [*tensors, *box], allow_unused=True))


@pytest.mark.parametrize("bound", [FirstOrderBound(expansion="optimised"), TightestOf()], ids=repr)
@pytest.mark.parametrize(
    ("weights", "biases", "kinds", "lower", "upper"),
    [
        ([[[1.0, 0.5]], [[1.0]]], [[0.3], [0.0]], [Tanh()], [0.1, 0.1], [0.1, 0.1]),
        ([[[1.0, 0.5]], [[1.0]]], [[0.3], [0.0]], [Tanh()], [-0.1, 0.2], [0.1, 0.2]),
        ([[[0.0, 0.5]], [[1.0]]], [[0.3], [0.0]], [Tanh()], [-0.1, -0.1], [0.1, 0.1]),
        ([[[1.0, 0.5]], [[1.0]]], [[0.3], [0.0]], [Identity()], [-0.1, -0.1], [0.1, 0.1]),
        ([[[1.0, 0.5]]], [[0.3]], [], [-0.1, -0.1], [0.1, 0.1]),
    ],
    ids=["point", "flat", "no gradient", "identity", "linear"],
)
def test_gradients_at_the_edges_are_numbers(bound, weights, biases, kinds, lower, upper) -> None:
    for gradient in gradients(bound, weights, biases, kinds, lower, upper):
        assert gradient is None or bool(torch.isfinite(gradient).all())


@pytest.mark.parametrize("first", [Tanh(), Relu(), Clip(-0.5, 0.5)], ids=repr)
def test_gradients_of_saturated_networks_are_numbers(first: Activation) -> None:
    weights = [[[1000.0], [500.0]], [[300.0, 1.0], [2.0, 900.0]], [[1.0, 1.0]]]
    biases = [[900.0, 800.0], [1.0, 1.0], [0.0]]
    for gradient in gradients(ZerothOrderBound(), weights, biases, [first, Tanh()], [0.5], [0.6]):
        assert gradient is None or bool(torch.isfinite(gradient).all())
