"""Chains, rotated boxes and multi-step reachability contain exactly simulated trajectories."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nnctrl.bounds.taylor import TaylorBound
from nnctrl.branching.meter import Meter
from nnctrl.branching.splitting import Branching
from nnctrl.progress import SilentProgress
from nnctrl.reachability.chain import StepChain
from nnctrl.reachability.discrete import DiscreteReach, DiscreteReachability, DiscreteReachSettings, Mode
from nnctrl.reachability.parametrisation import parametrise
from nnctrl.reachability.rotation import enclosing_coordinates, principal_directions
from nnctrl.sets.box import Box
from nnctrl.sets.zonotope import Zonotope
from nnctrl.specs.spec import Spec, Stay
from nnctrl.systems.closed_loop import ClosedLoop
from nnctrl.verification.branch_and_bound.compiled import CompiledProblem
from nnctrl.verification.problem import Problem
from tests import high_precision
from tests.loops import integrator_loop, simulate_exactly
from tests.random_networks import points_of_box

START = Box(np.array([0.4, -0.3]), np.array([0.8, 0.1]))
STEPS = 6


def compiled(loop: ClosedLoop, initial=START) -> CompiledProblem:
    everything = Box(np.full(2, -1e6), np.full(2, 1e6))
    return CompiledProblem.of(Problem(loop, initial, Spec((Stay(everything),)), STEPS, "test"))


def disturbances(loop: ClosedLoop, rng: np.random.Generator) -> np.ndarray:
    box = loop.step.disturbance
    if box is None:
        return np.zeros((STEPS, 0))
    unit = rng.random((STEPS, box.dim)).round(int(rng.integers(0, 3)))
    return np.clip(box.lower + unit * (box.upper - box.lower), box.lower, box.upper)


LOOPS = {
    "plain": {},
    "disturbed": {"disturbed": True},
    "delayed": {"delay": 2},
    "saturated": {"saturated": True},
    "all": {"disturbed": True, "delay": 1, "saturated": True},
}


@pytest.mark.parametrize("limit", [400, 4], ids=["all symbols", "reduced"])
@pytest.mark.parametrize("kind", LOOPS)
def test_chain_contains_exact_trajectories(kind: str, limit: int) -> None:
    loop = integrator_loop(**LOOPS[kind])
    problem = compiled(loop)
    chain = StepChain.of(loop.step, 2, limit)
    rng = np.random.default_rng(1)
    state = chain.start(problem.initial, problem.initial.lower[None], problem.initial.upper[None])
    directions = rng.normal(size=(6, 2))
    bounds, input_bounds = [], []
    for k in range(STEPS + 1):
        signals, state = chain.step(state) if k < STEPS else (chain.last(state), state)
        bounds.append(signals.state.support(torch.tensor(directions))[0].numpy())
        if signals.inputs_outputs is not None:
            input_bounds.append((float(signals.inputs_outputs.lower[0, 0]), float(signals.inputs_outputs.upper[0, 0])))
    for x0 in points_of_box(rng, START.lower, START.upper, 12):
        states, inputs = simulate_exactly(loop, x0, disturbances(loop, rng))
        for x, bound in zip(states, bounds, strict=True):
            for direction, value in zip(directions, bound, strict=True):
                assert high_precision.dot(direction, x) <= value
        for u, (low, high) in zip(inputs, input_bounds, strict=True):
            assert low <= u[0] <= high


def run(loop: ClosedLoop, mode: Mode, initial=START) -> DiscreteReach:
    problem = compiled(loop, initial)
    settings = DiscreteReachSettings(mode, 1e-3, TaylorBound(), Branching(), samples=300)
    # a saturation that is sometimes active has a gap of first order: some directions run into the node budget
    search = DiscreteReachability(loop.step, 2, problem.initial, settings, Meter(allowed_nodes=2000))
    return search.run(STEPS, SilentProgress())


@pytest.mark.parametrize("mode", ["per-step", "k-step", "combined"])
@pytest.mark.parametrize("kind", LOOPS)
def test_reachability_contains_exact_trajectories(kind: str, mode: Mode) -> None:
    loop = integrator_loop(**LOOPS[kind])
    found = run(loop, mode)
    rng = np.random.default_rng(2)
    directions = rng.normal(size=(6, 2))
    for x0 in points_of_box(rng, START.lower, START.upper, 8):
        states, _ = simulate_exactly(loop, x0, disturbances(loop, rng))
        for x, step, bounds in zip(states[1:], found.steps, found.bounds, strict=True):
            support = step.sets[0].support(directions)
            assert all(high_precision.dot(d, x) <= s for d, s in zip(directions, support, strict=True))
            if loop.step.state_size == 2:
                for direction, upper in zip(bounds.directions, bounds.upper, strict=True):
                    assert high_precision.dot(direction, x) <= upper


def test_per_step_mode_closes_every_direction() -> None:
    found = run(integrator_loop(), "per-step")
    assert found.gap <= 1e-3
    assert all((b.upper - b.attained <= 1e-3).all() for b in found.bounds)


def test_combined_mode_does_not_wrap() -> None:
    """Restarting from boxes grows; the unrolled network keeps every width within the share asked of the attained
    one.
    """
    found = run(integrator_loop(), "combined")
    assert all((b.widths <= 1.81 * b.reached_widths + 2e-3).all() for b in found.bounds)


def test_zonotope_start_and_flat_start() -> None:
    hexagon = Zonotope(np.array([0.5, 0.0]), np.array([[0.1, 0.1, 0.1], [-0.1, 0.0, 0.1]]))
    loop = integrator_loop()
    found = run(loop, "combined", hexagon)
    rng = np.random.default_rng(3)
    for xi in rng.uniform(-1.0, 1.0, size=(8, 3)):
        # the real point of the zonotope, not its rounding
        x0 = [
            high_precision.dot(row, high_precision.vector(xi)) + float(c)
            for row, c in zip(hexagon.generators, hexagon.centre, strict=True)
        ]
        states, _ = simulate_exactly_from(loop, x0)
        for x, bounds in zip(states[1:], found.bounds, strict=True):
            assert all(high_precision.dot(d, x) <= u for d, u in zip(bounds.directions, bounds.upper, strict=True))
    point = Box(np.array([0.5, 0.1]), np.array([0.5, 0.1]))
    for mode in ("per-step", "combined"):
        widths = run(loop, mode, point).bounds[-1].widths
        assert (widths >= 0.0).all()
        assert (widths < 1e-9).all()


def simulate_exactly_from(loop: ClosedLoop, x0: list) -> tuple[list, list]:
    dynamics, x = loop.plant.affine(), x0
    states, inputs = [x], []
    for _ in range(STEPS):
        u = high_precision.affine(loop.controller.output, high_precision.network(loop.controller.network, x))
        x = high_precision.affine(dynamics.state, [*x, *u])
        states.append(x)
        inputs.append(u)
    return states, inputs


@pytest.mark.parametrize("seed", range(10))
def test_enclosing_coordinates_contain_every_point(seed: int) -> None:
    """x with l <= V x <= u has coordinates y, x = V'y, in the box: exact solution with 60 digits."""
    import mpmath

    rng = np.random.default_rng(seed)
    samples = rng.normal(size=(50, 4)) @ rng.normal(size=(4, 4)) * 10.0 ** rng.integers(-6, 7, size=4)
    V = principal_directions(samples)
    x = samples[3]
    image = [high_precision.dot(row, high_precision.vector(x)) for row in V]
    lower = np.array([np.nextafter(float(v), -np.inf) for v in image])
    upper = np.array([np.nextafter(float(v), np.inf) for v in image])
    low, high = enclosing_coordinates(V, lower, upper)
    y = mpmath.lu_solve(mpmath.matrix(V.T.tolist()), mpmath.matrix(x.tolist()))
    assert all(float(a) <= v <= float(b) for a, v, b in zip(low, y, high, strict=True))


def test_parametrised_sets_drop_what_misses() -> None:
    from nnctrl.sets.ellipsoid import Ball

    disc = parametrise(Ball(np.zeros(2), 2.0), lambda affine: affine)
    corner = torch.tensor([[0.9, 0.9]], dtype=torch.float64), torch.tensor([[1.0, 1.0]], dtype=torch.float64)
    middle = torch.tensor([[-0.1, 0.2]], dtype=torch.float64), torch.tensor([[0.1, 0.9]], dtype=torch.float64)
    assert bool(disc.misses(*corner))
    assert not bool(disc.misses(*middle))
