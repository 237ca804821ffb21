"""Branch and bound on open-loop specifications: what it proves and what it refutes, with 60 digits."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import lmi_referee as referee
import mpmath
import numpy as np
import pytest
import torch

from nnctrl.bounds.interval import midpoint_radius
from nnctrl.bounds.view import AffineView, BlockView, NetworkView
from nnctrl.branching.meter import Meter
from nnctrl.errors import DimensionError
from nnctrl.learning.lmi.analysis import certify
from nnctrl.learning.lmi.conditions import Pair
from nnctrl.learning.lmi.cross_check import CrossCheckStatus, Violation, cross_check
from nnctrl.learning.lmi.enclosed import Enclosed
from nnctrl.learning.lmi.input_set import InputSet
from nnctrl.learning.lmi.part_bounds import Region, divisible, halved, over_unit_ball
from nnctrl.learning.lmi.specification import Specification
from nnctrl.networks.activations import Activation, Relu, Sigmoid, Softplus, Tanh
from nnctrl.networks.network import Network
from nnctrl.sets.base import AbstractSet
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball, Ellipsoid
from nnctrl.sets.polytope import Polytope
from nnctrl.sets.zonotope import Zonotope

ACTIVATIONS: tuple[Activation, ...] = (Tanh(), Relu(), Sigmoid(), Softplus())


def random_network(rng: np.random.Generator, activation: Activation, hidden: list[int], skip: bool = False) -> Network:
    sizes = [2, *hidden, 2]
    weights = [rng.normal(size=(m, n)) * 1.5 / np.sqrt(n) for n, m in pairwise(sizes)]
    return Network.from_layers(
        weights,
        [0.5 * rng.normal(size=len(w)) for w in weights],
        activation,
        feedthrough=rng.normal(size=(2, 2)) if skip else None,
    )


def specifications(rng: np.random.Generator, network: Network, inputs: InputSet, level: float) -> list[Specification]:
    """Ones that hold with little room for `level` above 1 and fail by little below, as far as samples tell."""
    x = inputs.source.sample(rng, 2000)
    y = network(x)
    middle, root = y.mean(axis=0), np.linalg.cholesky(np.cov(y.T) + 1e-3 * np.eye(2))
    size = np.linalg.norm((y - middle) @ np.linalg.inv(root).T, axis=1).max()
    gain = rng.normal(size=(2, 2))
    worst = np.linalg.norm(y - x @ gain.T, axis=1).max()
    form = rng.normal(size=(5, 5))
    form = form + form.T
    joint = np.concatenate([x, y, np.ones((len(x), 1))], axis=1)
    values = ((joint @ form) * joint).sum(axis=1)
    form[-1, -1] -= values.max() + (level - 1.0) * abs(values).max()
    return [
        Specification.reach(Ellipsoid(middle, level * size * root), 2),
        Specification.tracking(gain, level * worst),
        Specification.bounded(level * abs(y).max(axis=0), 2),
        Specification.of([form], 2),
    ]


def referee_point(inputs: InputSet, violation: Violation) -> list[mpmath.mpf]:
    """The real point that a violation is about, certainly in the set."""
    xi = violation.coefficients
    if isinstance(inputs.source, Box):
        assert (inputs.source.lower <= xi).all()
        assert (xi <= inputs.source.upper).all()
        return [mpmath.mpf(float(v)) for v in xi]
    assert referee.is_inside(inputs, xi)
    return referee.point(inputs, xi)


# of each kind of set only one activation is fast
COMBINATIONS = [
    pytest.param(activation, kind, id=f"{activation.name}-{kind}", marks=[pytest.mark.slow] if (i - j) % 4 else [])
    for j, kind in enumerate(referee.KINDS)
    for i, activation in enumerate(ACTIVATIONS)
]


@pytest.mark.parametrize(("activation", "kind"), COMBINATIONS)
def test_proofs_and_violations_hold_without_any_tolerance(activation: Activation, kind: str) -> None:
    rng = np.random.default_rng([ACTIVATIONS.index(activation), referee.KINDS.index(kind)])
    seen = set()
    for hidden, skip in (([6], False), ([5, 4], True)):
        network = random_network(rng, activation, hidden, skip)
        inputs = InputSet.of(referee.random_set(rng, kind, 2))
        for level in (0.97, 1.03):
            for specification in specifications(rng, network, inputs, level):
                found = cross_check(network, Pair(inputs, specification), Meter(allowed_nodes=20_000))
                seen.add(found.status)
                if found.is_proved:
                    assert found.margin is not None
                    assert found.margin >= 0.0
                    worst = referee.greatest(network, inputs, specification, rng, 12)
                    assert all(value <= -found.margin for value in worst)
                if found.status is CrossCheckStatus.VIOLATED:
                    violation = found.violation
                    assert violation is not None
                    assert violation.value > 0.0
                    point = referee_point(inputs, violation)
                    assert referee.values(network, specification, point)[violation.index] >= violation.value
    assert {CrossCheckStatus.PROVED, CrossCheckStatus.VIOLATED} <= seen


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda activation: activation.name)
def test_bounds_over_parts_hold_at_every_point(activation: Activation) -> None:
    """Parts of all sizes, one of which is a point; forms with radii; points on the edge of the ball among them."""
    rng = np.random.default_rng(ACTIVATIONS.index(activation))
    network = random_network(rng, activation, [7, 5])
    inputs = InputSet.of(Ellipsoid(rng.normal(size=2), rng.normal(size=(2, 2))))
    form = rng.normal(size=(5, 5))
    radius = 1e-3 * rng.random((5, 5))
    specification = Specification((Enclosed(form + form.T, radius + radius.T), Enclosed.exact(-form - form.T)), 2)
    region, view = Region.of(Pair(inputs, specification)), NetworkView.of(network)
    for width in (0.0, 1e-9, 1e-3, 0.3):
        inner = 0.7 * rng.uniform(-1.0, 1.0, (2, 2))
        edge = rng.normal(size=(2, 2))
        edge *= (1.0 - 1e-9) / np.linalg.norm(edge, axis=1, keepdims=True)
        for centre in np.concatenate([inner, edge]):
            lower, upper = centre - width * rng.random(2), centre + width * rng.random(2)
            bounds = region.parts(torch.tensor(lower[None]), torch.tensor(upper[None])).bounds(view).upper[0]
            corners = np.array([[a, b] for a in (lower[0], upper[0]) for b in (lower[1], upper[1])])
            for xi in [centre, *corners, *(lower + rng.random((4, 2)) * (upper - lower))]:
                if not referee.is_inside(inputs, xi):
                    continue
                values = referee.values(network, specification, referee.point(inputs, xi))
                assert all(value <= float(bound) for value, bound in zip(values, bounds, strict=True))


def test_the_bound_over_the_ball_is_attained_and_never_less() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        lower = rng.uniform(-1.0, 0.7, 2)
        upper = lower + rng.random(2)
        slopes = rng.normal(size=(1, 1, 2))
        bound = float(over_unit_ball(torch.tensor(slopes), torch.tensor(lower[None]), torch.tensor(upper[None])))
        middle, radius = (end.numpy() for end in midpoint_radius(torch.tensor(lower), torch.tensor(upper)))
        best = slopes[0, 0] / radius
        best = best / np.linalg.norm(best)
        attained = mpmath.mpf(0)
        for v, m, r, s in zip(best * (1.0 - 1e-15), middle, radius, slopes[0, 0], strict=True):
            attained += mpmath.mpf(float(s)) * (mpmath.mpf(float(v)) - mpmath.mpf(float(m))) / mpmath.mpf(float(r))
        assert attained <= bound <= attained + 1e-9 * (1.0 + abs(attained))


def test_bounds_are_differentiable_where_neurons_are_dead() -> None:
    weights = [torch.zeros(3, 2), torch.ones(2, 3)]
    weights = [weight.double().requires_grad_(True) for weight in weights]
    layers = Network.from_layers([np.zeros((3, 2)), np.ones((2, 3))], [np.zeros(3), np.zeros(2)], Relu())
    biases = [-torch.ones(3).double(), torch.zeros(2).double()]
    affines = tuple(AffineView(w, b) for w, b in zip(weights, biases, strict=True))
    view = NetworkView((BlockView(affines, layers.blocks[0].activations),))
    region = Region.of(Pair(InputSet.of(Ball(np.zeros(2), 1.0)), Specification.reach(Ball(np.ones(2), 0.1), 2)))
    parts = region.parts(region.inputs.lower[None], region.inputs.upper[None])
    parts.bounds(view).upper.sum().backward()
    for weight in weights:
        assert weight.grad is not None
        assert torch.isfinite(weight.grad).all()


def identity() -> Network:
    return Network.from_layers([np.eye(2)], [np.zeros(2)], [])


def test_a_hair_decides() -> None:
    """y = x from the unit ball into balls that are a little smaller, a little larger, and the same."""
    inputs = InputSet.of(Ball(np.zeros(2), 1.0))
    for radius, expected in (
        (1.0 - 1e-4, CrossCheckStatus.VIOLATED),
        (1.0 + 1e-4, CrossCheckStatus.PROVED),
        (1.0, CrossCheckStatus.UNDECIDED),
    ):
        pair = Pair(inputs, Specification.reach(Ball(np.zeros(2), radius), 2))
        assert cross_check(identity(), pair, Meter(allowed_nodes=20_000)).status is expected


def test_exactly_decided_violations_are_in_the_set() -> None:
    """The target misses a sliver at the edge of the ball: the point found is in the closed ball in exact arithmetic."""
    inputs = InputSet.of(Ball(np.zeros(2), 1.0))
    pair = Pair(inputs, Specification.reach(Ball(np.array([-1e-3, 0.0]), 1.0005), 2))
    found = cross_check(identity(), pair)
    assert found.status is CrossCheckStatus.VIOLATED
    assert found.violation is not None
    assert sum(Fraction(float(v)) ** 2 for v in found.violation.coefficients) <= 1
    assert found.violation.point[0] > 0.99


POINT = np.array([1.0, 0.0])


@pytest.mark.parametrize(
    "source",
    [Ellipsoid(POINT, np.zeros((2, 0))), Zonotope(POINT, np.zeros((2, 0))), Ball(POINT, 0.0), Box(POINT, POINT)],
    ids=["ellipsoid without columns", "zonotope without generators", "ball of radius 0", "box of one point"],
)
def test_points_are_decided_at_once(source: AbstractSet) -> None:
    """The point (1, 0) and balls about 0: on the edge, which rounding leaves open, inside, and outside."""
    for radius, expected in (
        (1.0, CrossCheckStatus.INDIVISIBLE),
        (1.1, CrossCheckStatus.PROVED),
        (0.9, CrossCheckStatus.VIOLATED),
    ):
        found = cross_check(identity(), Pair(InputSet.of(source), Specification.reach(Ball(np.zeros(2), radius), 2)))
        assert (found.status, found.parts) == (expected, 1)
        assert (found.margin is None) == (expected is not CrossCheckStatus.PROVED)


def test_what_varies_by_less_than_rounding_spends_no_budget() -> None:
    """0 <= 0 everywhere, and y1 + y2 <= 2 with equality at a corner of the box."""
    square = InputSet.of(Box(-np.ones(2), np.ones(2)))
    everywhere = cross_check(identity(), Pair(square, Specification.of([np.zeros((5, 5))], 2)))
    assert (everywhere.status, everywhere.parts) == (CrossCheckStatus.INDIVISIBLE, 1)
    form = np.zeros((5, 5))
    form[2:4, 4] = form[4, 2:4] = 0.5
    form[4, 4] = -2.0
    corner = cross_check(identity(), Pair(square, Specification.of([form], 2)))
    assert corner.status is CrossCheckStatus.INDIVISIBLE
    assert corner.parts < 1000
    # a rounding of 1e-13 on either side of it is decided
    for room, expected in ((1e-13, CrossCheckStatus.PROVED), (-1e-13, CrossCheckStatus.VIOLATED)):
        form[4, 4] = -2.0 * (1.0 + room)
        assert cross_check(identity(), Pair(square, Specification.of([form], 2))).status is expected


@pytest.mark.parametrize("place", [-0.77003, 0.30001])
def test_a_part_that_cannot_be_cut_does_not_end_the_search(place: float) -> None:
    """y = relu(1e-3 - |x - place|) <= 0: with equality on both sides of a spike that is not met at first."""
    weights = [np.array([[1.0], [-1.0]]), np.array([[-1.0, -1.0]]), np.eye(1)]
    network = Network.from_layers(weights, [np.array([-place, place]), np.array([1e-3]), np.zeros(1)], Relu())
    form = np.zeros((3, 3))
    form[1, 2] = form[2, 1] = 0.5
    pair = Pair(InputSet.of(Box(-np.ones(1), np.ones(1))), Specification.of([form], 1))
    found = cross_check(network, pair, Meter(allowed_nodes=1000))
    assert found.status is CrossCheckStatus.VIOLATED
    assert found.violation is not None
    assert abs(found.violation.point[0] - place) < 1e-3
    lowered = Network.from_layers(weights, [np.array([-place, place]), np.array([-1e-3]), np.zeros(1)], Relu())
    assert cross_check(lowered, pair).status is CrossCheckStatus.INDIVISIBLE


def test_cuts() -> None:
    """Along the largest effect of what has one and can be cut; nan is the largest."""
    one, next_one = 1.0, float(np.nextafter(1.0, 2.0))
    lower = torch.tensor([[0.0, one], [0.0, one], [0.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
    upper = torch.tensor([[1.0, next_one], [0.0, next_one], [1.0, 4.0], [1.0, 4.0]], dtype=torch.float64)
    effects = torch.tensor([[1.0, 9.0], [1.0, 9.0], [torch.nan, 1.0], [0.0, 0.0]], dtype=torch.float64)
    assert divisible(lower, upper, effects).tolist() == [True, False, True, False]
    assert halved(lower, upper, effects) is None
    assert halved(lower[:0], upper[:0], effects[:0]) is None
    assert divisible(lower[:, :0], upper[:, :0], effects[:, :0]).tolist() == 4 * [False]
    assert halved(lower[:, :0], upper[:, :0], effects[:, :0]) is None
    halves = halved(lower[::2], upper[::2], effects[::2])
    assert halves is not None
    assert halves[0].tolist() == [[0.0, one], [0.0, 0.0], [0.5, one], [0.5, 0.0]]
    assert halves[1].tolist() == [[0.5, next_one], [0.5, 4.0], [1.0, next_one], [1.0, 4.0]]


def test_flat_polytopes_are_refuted_only_by_their_own_points() -> None:
    """Axes that are fixed, which doubles meet exactly, and a diagonal that few of them meet."""
    seen = set()
    for seed in range(6):
        rng = np.random.default_rng(seed)
        normal = np.array([1.0, 0.0]) if seed % 2 else rng.normal(size=2)
        across, level = np.array([-normal[1], normal[0]]), rng.normal()
        source = Polytope(np.stack([normal, -normal, across, -across]), np.array([level, -level, 5.0, 5.0]))
        pair = Pair(InputSet.of(source), Specification.reach(Ball(np.zeros(2), 2.0), 2))
        found = cross_check(identity(), pair, Meter(allowed_nodes=2000))
        assert not found.is_proved
        if found.violation is not None:
            assert referee.is_inside(pair.inputs, found.violation.coefficients)
            assert np.linalg.norm(found.violation.point) > 2.0
            seen.add(seed % 2)
        assert found.violation is not None or not seed % 2
        wide = Specification.reach(Ball(np.zeros(2), 100.0), 2)
        assert cross_check(identity(), Pair(pair.inputs, wide)).is_proved
    assert 1 in seen


@pytest.mark.parametrize("seed", range(3))
def test_what_is_certified_is_proved_too(seed: int) -> None:
    """Two proofs that share nothing agree; the bounds of branch and bound are the finer ones."""
    rng = np.random.default_rng(seed)
    network = random_network(rng, Tanh(), [6])
    inputs = InputSet.of(Ball(rng.normal(size=2), 0.3))
    specification = Specification.reach(Ball(network(inputs.source.centre), 1.0), 2)
    certificate = certify(network, inputs, specification)
    found = cross_check(network, Pair(inputs, specification))
    assert found.status is not CrossCheckStatus.VIOLATED or not certificate.is_certified
    if certificate.is_certified:
        assert found.is_proved


def test_wrong_sizes_and_spent_budgets() -> None:
    pair = Pair(InputSet.of(Ball(np.zeros(2), 1.0)), Specification.reach(Ball(np.zeros(3), 2.0), 2))
    with pytest.raises(DimensionError, match="must agree"):
        cross_check(identity(), pair)
    pair = Pair(InputSet.of(Ball(np.zeros(2), 1.0)), Specification.reach(Ball(np.zeros(2), 1.001), 2))
    spent = cross_check(identity(), pair, Meter(allowed_nodes=1))
    assert (spent.status, spent.margin, spent.violation) == (CrossCheckStatus.UNDECIDED, None, None)
