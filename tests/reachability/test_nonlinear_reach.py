"""Plants that are not affine: exact trajectories lie in every enclosure, and reach closes its gap."""

from __future__ import annotations

import dataclasses
from typing import get_args

import numpy as np
import pytest
import torch

from nnctrl import registry
from nnctrl.bounds.base import AbstractBound, AbstractGeneralBound
from nnctrl.bounds.plant_bound import suited
from nnctrl.bounds.plant_view import StepView
from nnctrl.bounds.taylor import TaylorBound
from nnctrl.branching.meter import Meter
from nnctrl.branching.splitting import Branching
from nnctrl.errors import UnsupportedError
from nnctrl.networks.layers import Affine
from nnctrl.progress import SilentProgress
from nnctrl.reachability.chain import StepChain, disturbance_bounds
from nnctrl.reachability.discrete import DiscreteReach, DiscreteReachability, DiscreteReachSettings, Mode
from nnctrl.reachability.parametrisation import parametrise
from nnctrl.reachability.views import view_from, view_of
from nnctrl.sets.box import Box
from nnctrl.systems.closed_loop import ClosedLoop
from tests import high_precision
from tests.nonlinear_loops import gusty_loop, pendulum_loop, simulate_exactly
from tests.random_networks import points_of_box
from tests.systems.test_nonlinear_step import VARIANTS

SMALL = Box([0.25, -0.15], [0.35, -0.05])


def samples(loop: ClosedLoop, rng: np.random.Generator, steps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Start points [batch, n], disturbances [batch, steps, d] and parameters [batch, steps, p], corners among them."""
    starts = points_of_box(rng, SMALL.lower, SMALL.upper, 6)
    low, high = (part.numpy() for part in disturbance_bounds(loop.step))
    unit = rng.random((len(starts), steps, len(low)))
    unit[::2] = np.round(unit[::2])
    bounds = loop.plant.parameter_bounds
    share = np.round(rng.random((len(starts), steps, len(bounds[0]))))
    parameters = np.clip(bounds[0] + share * (bounds[1] - bounds[0]), *bounds)
    return starts, np.clip(low + unit * (high - low), low, high), parameters


@pytest.mark.parametrize("parts", VARIANTS, ids=lambda parts: ",".join(parts) or "plain")
def test_chain_contains_exact_trajectories(parts: dict[str, bool]) -> None:
    loop, steps = gusty_loop(**parts), 6
    chain = StepChain.of(loop.step, 2, symbol_limit=20)
    initial = parametrise(SMALL, lambda affine: _lifted(loop, affine))
    state = chain.start(initial, initial.lower[None], initial.upper[None])
    signals = []
    for _ in range(steps):
        found, state = chain.step(state)
        signals.append(found.signals)
    rng = np.random.default_rng(0)
    for x0, d, p in zip(*samples(loop, rng, steps), strict=True):
        states, others = simulate_exactly(loop, x0, d, p)
        for k, form in enumerate(signals):
            truth = [*states[k], *others[k]]
            for direction in [*np.eye(len(truth)), *rng.normal(size=(2, len(truth)))]:
                value = high_precision.dot(direction, truth)
                both = torch.tensor(np.stack([direction, -direction]))
                high, low = form.support(both)[0].tolist()
                assert -low <= value <= high


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("parts", VARIANTS, ids=lambda parts: ",".join(parts) or "plain")
def test_views_from_coordinates_contain_exact_trajectories(parts: dict[str, bool], count: int) -> None:
    loop = gusty_loop(**parts)
    rng = np.random.default_rng(1)
    initial = parametrise(SMALL, lambda affine: _lifted(loop, affine))
    view = view_from(loop.step, initial.to_state, count)
    low, high = disturbance_bounds(loop.step)
    box = torch.cat([initial.lower, low.repeat(count)]), torch.cat([initial.upper, high.repeat(count)])
    bounds = [suited(registry.load("bounds", name)(), view) for name in ("taylor", "interval")]
    rows = loop.step.state_size + 3
    assert (view.in_size, view.out_size) == (len(box[0]), rows)
    directions = torch.tensor(np.concatenate([np.eye(rows), rng.normal(size=(2, rows))]))
    ends = [end.expand(len(directions), -1) for end in box]
    found = [bound.upper(view, *ends, directions).upper.numpy() for bound in bounds]  # type: ignore[arg-type]
    for x0, d, p in zip(*samples(loop, rng, count), strict=True):
        states, others = simulate_exactly(loop, x0, d, p)
        point = view(torch.tensor(np.concatenate([x0, d.ravel()]))).numpy()
        if not parts.get("uncertain"):
            np.testing.assert_allclose(point[:2], [float(v) for v in states[-1]], atol=1e-12)
        for direction, *values in zip(directions.numpy(), *found, strict=True):
            # delay lines and memories are not among the exact signals
            own = np.concatenate([direction[:2], direction[-3:]])
            if np.any(direction[2:-3]):
                continue
            truth = high_precision.dot(own, [*states[-1], *others[-1]])
            assert all(truth <= value for value in values)


def network_bounds() -> list[AbstractBound]:
    """Every registered bound with its defaults that is made for the test's network of one hidden layer."""
    return [registry.load("bounds", name)() for name in registry.names("bounds")]


@pytest.mark.parametrize("bound", network_bounds(), ids=lambda bound: type(bound).__name__)
def test_every_bound_holds_for_a_step(bound: AbstractBound) -> None:
    """The network's bound plus an outward bound of the plant contains the exact step, and shrinks with the box."""
    loop, rng = gusty_loop(saturated=False, uncertain=True), np.random.default_rng(2)
    if isinstance(bound, AbstractGeneralBound):
        assert suited(bound, view_of(loop.step)) is bound
    view = view_of(loop.step)
    gaps = []
    for width in (0.1, 0.01):
        lower = np.array([0.3, -0.1, -0.05]) - width
        upper = lower + 2.0 * width * np.array([1.0, 1.0, 0.5])
        directions = np.concatenate([np.eye(5), -np.eye(5), rng.normal(size=(3, 5))])
        ends = [torch.tensor(end).expand(len(directions), -1) for end in (lower, upper)]
        values = suited(bound, view).upper(view, *ends, torch.tensor(directions)).upper  # type: ignore[arg-type]
        low, high = loop.plant.parameter_bounds
        best = np.full(len(directions), -np.inf)
        for point in points_of_box(rng, lower, upper, 12):
            p = np.where(rng.random(len(low)) < 0.5, low, high)
            states, others = simulate_exactly(loop, point[:2], point[None, 2:], p[None])
            truth = [*states[1], *others[0]]
            exact = [high_precision.dot(direction, truth) for direction in directions]
            assert all(a <= b for a, b in zip(exact, values.tolist(), strict=True))
            best = np.maximum(best, [float(value) for value in exact])
        gaps.append(float((values.numpy() - best).max()))
    assert gaps[1] < 0.7 * gaps[0]


def _reach(loop: ClosedLoop, mode: Mode, bound: AbstractBound, eps: float, steps: int) -> DiscreteReach:
    initial = parametrise(SMALL, lambda affine: _lifted(loop, affine))
    settings = DiscreteReachSettings(mode, eps, bound, Branching(), samples=500)
    return DiscreteReachability(loop.step, 2, initial, settings, Meter()).run(steps, SilentProgress())


@pytest.mark.parametrize("mode", get_args(Mode))
def test_reach_closes_its_gap_and_contains_trajectories(mode: Mode) -> None:
    loop, steps, eps = gusty_loop(), 4, 1e-3
    found = _reach(loop, mode, TaylorBound(), eps, steps)
    assert len(found.steps) == steps
    assert found.gap <= eps
    rng = np.random.default_rng(0)
    for x0, d, p in zip(*samples(loop, rng, steps), strict=True):
        states, _ = simulate_exactly(loop, x0, d, p)
        for bounds, truth in zip(found.bounds, states[1:], strict=True):
            values = [high_precision.dot(direction, truth) for direction in bounds.directions]
            assert all(value <= high for value, high in zip(values, bounds.upper, strict=True))


def test_paper_bounds_reach_per_step_only() -> None:
    loop = pendulum_loop()
    bound = registry.load("bounds", "first-order")()
    found = _reach(loop, "per-step", bound, 1e-3, 3)
    assert found.gap <= 1e-3
    with pytest.raises(UnsupportedError, match=r"'first-order' is for networks.*mode per-step.*taylor or interval"):
        _reach(loop, "k-step", bound, 1e-3, 3)


def test_gap_of_a_step_shrinks_at_second_order() -> None:
    loop = pendulum_loop()
    view, direction = view_of(loop.step), torch.tensor([[0.6, 0.8, 0.0]]).double()
    assert isinstance(view, StepView)
    centre, shape = np.array([0.7, -0.3]), np.array([1.0, 0.6])
    radii, gaps = 2.0 ** -np.arange(3.0, 9.0), []
    for radius in radii:
        ends = [centre + sign * radius * shape for sign in (-1.0, 1.0)]
        high = TaylorBound().upper(view, *(torch.tensor(end)[None] for end in ends), direction).upper
        grid = np.stack(np.meshgrid(*np.linspace(*ends, 61).T), -1).reshape(-1, 2)
        gaps.append(float(high - (view(torch.tensor(grid)) @ direction[0]).max()))
    assert np.polyfit(np.log(radii), np.log(gaps), 1)[0] > 1.9


def _lifted(loop: ClosedLoop, affine: Affine) -> Affine:
    rest = np.zeros((len(loop.rest), affine.in_size))
    return dataclasses.replace(
        affine, weight=np.vstack([affine.weight, rest]), bias=np.concatenate([affine.bias, loop.rest])
    )
