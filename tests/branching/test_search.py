"""Branch and bound: right answers, and right answers when it is cut short."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np
import pytest
import torch

from nnctrl.bounds.base import AbstractBound, UpperBound
from nnctrl.bounds.first_order import FirstOrderBound
from nnctrl.bounds.interval import IntervalBound
from nnctrl.bounds.lipsdp import LipSDP
from nnctrl.bounds.taylor import TaylorBound
from nnctrl.bounds.tightest import TightestOf
from nnctrl.bounds.view import NetworkView
from nnctrl.bounds.zeroth_order import ZerothOrderBound
from nnctrl.branching.meter import Meter
from nnctrl.branching.search import SupportSearch, maximise
from nnctrl.branching.splitting import (
    AbstractSplitting,
    BestBoundSplit,
    BlameSplit,
    Branching,
    LongestEdge,
    SensitivitySplit,
    cut,
    halve,
)
from nnctrl.errors import InputError
from nnctrl.networks.activations import Activation, Relu, Sigmoid, Tanh
from nnctrl.networks.network import Network
from nnctrl.networks.torch_import import from_state_dict
from tests import high_precision
from tests.loops import small_network
from tests.shared import shared_path

RULES: list[AbstractSplitting] = [LongestEdge(), SensitivitySplit(), BlameSplit(), BestBoundSplit()]


def circle(count: int) -> torch.Tensor:
    angles = torch.arange(count, dtype=torch.float64) * (2 * math.pi / count)
    return torch.stack([angles.cos(), angles.sin()], 1)


def search(
    view: NetworkView,
    directions: torch.Tensor,
    *,
    bound: AbstractBound | None = None,
    branching: Branching | None = None,
    tolerance: float = 1e-2,
    meter: Meter | None = None,
    box: tuple[torch.Tensor, torch.Tensor] | None = None,
) -> SupportSearch:
    one = torch.ones(view.in_size, dtype=torch.float64)
    lower, upper = box or (-one, one)
    generator = torch.Generator().manual_seed(0)
    unit = torch.rand(500, view.in_size, generator=generator, dtype=torch.float64)
    return maximise(
        view,
        lower,
        upper,
        directions,
        bound=bound or TaylorBound(),
        branching=branching or Branching(),
        tolerance=torch.full((len(directions),), tolerance, dtype=torch.float64),
        meter=meter or Meter(),
        starts=lower + unit * (upper - lower),
    )


@pytest.mark.parametrize("splitting", RULES, ids=lambda r: type(r).__name__)
@pytest.mark.parametrize("bound", [TaylorBound(), IntervalBound()], ids=lambda b: type(b).__name__)
def test_bounds_hold_and_close(bound: AbstractBound, splitting: AbstractSplitting) -> None:
    network = small_network(2, 2, seed=3, gain=1.5)
    view = NetworkView.of(network)
    directions = circle(6)
    found = search(view, directions, bound=bound, branching=Branching(splitting), tolerance=0.05)
    assert found.stopped is None
    assert found.gap <= 0.05
    grid = torch.linspace(-1.0, 1.0, 201, dtype=torch.float64)
    values = view(torch.cartesian_prod(grid, grid)) @ directions.T
    assert bool((found.upper >= values.amax(0)).all())
    for direction, point, attained, upper in zip(directions, found.points, found.attained, found.upper, strict=True):
        assert bool((point.abs() <= 1.0).all())
        exact = high_precision.dot(direction, high_precision.network(network, high_precision.vector(point)))
        assert abs(exact - float(attained)) < 1e-12
        assert exact <= float(upper)


@pytest.mark.parametrize(
    ("meter", "reason"),
    [
        (Meter(allowed_nodes=40), "node-budget"),
        (Meter(seconds=0.0), "time-budget"),
        (Meter(memory_bytes=1.0), "memory-budget"),
    ],
)
def test_a_budget_leaves_a_valid_bound_and_says_so(meter: Meter, reason: str) -> None:
    view = NetworkView.of(small_network(2, 2, seed=3, gain=2.5))
    found = search(view, circle(6), tolerance=1e-9, meter=meter)
    assert found.stopped == reason
    full = search(view, circle(6), tolerance=1e-3)
    assert bool((found.upper >= full.attained).all())


class NeverProved(AbstractBound):
    """A bound that gives up on half of the boxes."""

    def upper(
        self, view: NetworkView, lower: torch.Tensor, upper: torch.Tensor, directions: torch.Tensor
    ) -> UpperBound:
        found = TaylorBound().upper(view, lower, upper, directions)
        return found._replace(upper=torch.where(lower[:, 0] < 0.0, torch.nan, found.upper))

    def bytes_per_pair(self, view: NetworkView) -> int:
        return 1000


def test_nan_is_never_settled() -> None:
    view = NetworkView.of(small_network(2, 2))
    found = search(view, circle(4), bound=NeverProved(), meter=Meter(allowed_nodes=500))
    assert found.stopped == "node-budget"
    assert bool(torch.isinf(found.upper).all())


def test_flat_and_point_boxes_end() -> None:
    view = NetworkView.of(small_network(2, 2))
    point = torch.tensor([0.1, 0.2], dtype=torch.float64)
    found = search(view, circle(4), tolerance=0.0, box=(point, point), meter=Meter(allowed_nodes=10_000))
    assert found.nodes < 100
    assert bool((found.upper >= found.attained).all())
    assert found.gap < 1e-12
    flat = torch.tensor([0.9, 0.2], dtype=torch.float64)
    assert search(view, circle(4), box=(point, flat)).gap <= 1e-2


@pytest.mark.parametrize("pieces", [2, 3, 5])
def test_parts_cover_the_box_exactly(pieces: int) -> None:
    """Neighbours share a face, also where the box is too small for that many parts."""
    rng = np.random.default_rng(1)
    lower = torch.tensor(rng.normal(size=(20, 3)))
    upper = lower + torch.tensor(rng.random((20, 3)) * 10.0 ** rng.integers(-17, 3, size=(20, 1)))
    axis = torch.tensor(rng.integers(3, size=20))
    low, high = (part.view(pieces, 20, 3) for part in cut(lower, upper, axis, pieces))
    rows = torch.arange(20)
    assert bool((low[0] == lower).all())
    assert bool((high[-1] == upper).all())
    assert bool((low <= high).all())
    for k in range(pieces - 1):
        assert bool((high[k][rows, axis] == low[k + 1][rows, axis]).all())


@pytest.mark.parametrize("bound", [TaylorBound(), TightestOf(), ZerothOrderBound(), FirstOrderBound()], ids=repr)
@pytest.mark.parametrize("refresh", [0, 1, 3])
@pytest.mark.parametrize("pieces", [2, 3])
def test_every_way_of_branching_closes_to_the_same_answer(bound: AbstractBound, refresh: int, pieces: int) -> None:
    view = NetworkView.of(small_network(2, 2, seed=3, gain=0.7))
    half = torch.full((2,), 0.5, dtype=torch.float64)
    found = search(
        view,
        circle(4),
        bound=bound,
        branching=Branching(LongestEdge(), pieces, refresh),
        tolerance=0.05,
        box=(-half, half),
    )
    exact = search(view, circle(4), tolerance=1e-6, box=(-half, half))
    assert found.stopped is None
    assert found.gap <= 0.05
    assert bool((found.upper >= exact.attained).all())
    assert bool((found.attained <= exact.upper).all())
    # a long search bounds the best point of every direction once more
    assert found.nodes - found.branches in (0, 4)


def test_facts_of_the_root_only_cost_more_boxes() -> None:
    view = NetworkView.of(small_network(2, 2, seed=3, gain=1.0))
    counts = [
        search(view, circle(4), bound=FirstOrderBound(), branching=Branching(LongestEdge(), 2, refresh), tolerance=0.02)
        for refresh in (1, 2, 0)
    ]
    assert counts[0].nodes <= counts[1].nodes < counts[2].nodes


def test_the_clock_is_looked_at_while_facts_are_renewed() -> None:
    """Semidefinite programs for every box take minutes; what time does not reach keeps valid facts of its parents."""
    rng = np.random.default_rng(0)
    widths = (2, 20, 20, 20, 2)
    weights = [1.5 * rng.normal(size=(b, a)) / np.sqrt(a) for a, b in itertools.pairwise(widths)]
    view = NetworkView.of(Network.from_layers(weights, [rng.normal(size=len(w)) for w in weights], Tanh()))
    started = time.monotonic()
    found = search(
        view,
        circle(8),
        bound=FirstOrderBound(LipSDP()),
        branching=Branching(LongestEdge(), 2, 1),
        tolerance=1e-4,
        meter=Meter(seconds=1.0),
    )
    assert found.stopped == "time-budget"
    assert time.monotonic() - started < 8.0
    assert bool((found.upper >= search(view, circle(8), tolerance=1e-2).attained).all())


def test_looking_ahead_is_counted() -> None:
    view = NetworkView.of(small_network(2, 2, seed=3, gain=1.0))
    found = search(view, circle(4), branching=Branching(BestBoundSplit()), tolerance=0.05)
    assert found.nodes == 4 + 3 * (found.branches - 4)


@pytest.mark.parametrize(("pieces", "refresh"), [(1, 0), (2, -1)])
def test_ill_formed_branching(pieces: int, refresh: int) -> None:
    with pytest.raises(InputError, match=r"give at least 2 parts and 0 \(root only\) or more levels"):
        Branching(pieces=pieces, refresh=refresh)


def test_halves_cover_the_box_exactly() -> None:
    rng = np.random.default_rng(0)
    lower = torch.tensor(rng.normal(size=(20, 3)))
    upper = lower + torch.tensor(rng.random((20, 3)) * 10.0 ** rng.integers(-17, 3, size=(20, 1)))
    axis = torch.tensor(rng.integers(3, size=20))
    low, high = halve(lower, upper, axis)
    rows = torch.arange(20)
    assert bool((high[:20][rows, axis] == low[20:][rows, axis]).all())
    assert bool((low[:20] == lower).all())
    assert bool((high[20:] == upper).all())
    assert bool((low <= high).all())


@pytest.mark.parametrize(
    ("name", "activation", "most"),
    [
        ("randomNetTanh1", Tanh(), 300),
        ("randomNetTanh2", Tanh(), 1300),
        ("randomNetTanh3", Tanh(), 4100),
        ("randomNetTanh", Tanh(), 400),
        ("randomNetSig", Sigmoid(), 400),
    ],
)
def test_nodes_on_the_published_random_networks(name: str, activation: Activation, most: int) -> None:
    """Sixteen directions, accuracy 0.01; the paper's first-order bound takes hundreds to tens of thousands of
    branches.
    """
    network = from_state_dict(shared_path(f"seed-networks/{name}.pth"), activation=activation.name)
    found = search(NetworkView.of(network), circle(16))
    assert found.gap <= 0.01
    assert found.nodes <= most


def test_a_tolerance_below_rounding_ends() -> None:
    """relu(x + 1e8) is known to about 1e-8 only: the search says how close it came instead of splitting for ever."""
    network = Network.from_layers([[[1.0]], [[1.0]]], [[1e8], [0.0]], Relu())
    box = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    found = search(NetworkView.of(network), torch.ones(1, 1, dtype=torch.float64), tolerance=1e-9, box=box)
    assert found.stopped is None
    assert found.nodes < 5000
    assert 1e-9 < found.gap < 1e-6


def test_an_overflow_ends_at_once() -> None:
    network = Network.from_layers([[[1e200]], [[1e200]]], [[0.0], [0.0]], Relu())
    box = torch.ones(1, dtype=torch.float64), torch.full((1,), 2.0, dtype=torch.float64)
    found = search(NetworkView.of(network), torch.ones(1, 1, dtype=torch.float64), box=box)
    assert found.nodes <= 4
    assert float(found.upper) == math.inf
