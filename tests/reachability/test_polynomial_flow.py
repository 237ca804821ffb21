"""Flowpipes on polynomial zonotopes contain exact simulations, at the symbols of their initial states."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, ClassVar

import casadi
import mpmath
import numpy as np
import pytest

from nnctrl.networks.activations import Activation, Relu, Sigmoid, Tanh
from nnctrl.networks.layers import Affine
from nnctrl.networks.network import Network
from nnctrl.reachability.polynomial_flow import FlowSettings, Instant, PolynomialFlow, Run, Stretch, interval_rows
from nnctrl.reachability.validated_step import EnclosureError
from nnctrl.sets.box import Box
from nnctrl.sets.polynomial_zonotope import PolynomialZonotope
from nnctrl.systems.closed_loop import ClosedLoop
from nnctrl.systems.composer import compose
from nnctrl.systems.controller import Controller, Memory
from nnctrl.systems.plant import Plant
from tests import high_precision, loops, nonlinear_loops
from tests.continuous_plants import Series, Vector, number, scaled, sine_cosine, solution, total
from tests.polynomial_rows import monomials, row_slack, symbols


def allows(rows: PolynomialZonotope, exact: Vector, xi: Vector) -> bool:
    """Whether rows may have these values where the first symbols are xi, whatever all others are."""
    known = len(xi)
    free = rows.basis.exponents[:, known:].any(axis=1)
    terms = monomials(rows.basis, [*xi, *([mpmath.mpf(1)] * (rows.basis.symbols - known))])
    for x, c, slack in zip(exact, rows.coefficients, row_slack(rows), strict=True):
        coefficients = high_precision.vector(c)
        middle = mpmath.fsum(a * t for a, t, other in zip(coefficients, terms, free, strict=True) if not other)
        rest = mpmath.fsum(abs(a) for a, other in zip(coefficients, free, strict=True) if other)
        if abs(x - middle) > rest + slack:
            return False
    return True


def settings(states: int, symbol_count: int, **changes: Any) -> FlowSettings:
    chosen = FlowSettings.automatic(states, 2, symbol_count)
    return FlowSettings(**{**vars(chosen), **changes})


def flow_of(loop: ClosedLoop, lower: list[float], upper: list[float], **changes: Any) -> tuple[PolynomialFlow, Any]:
    """The flow and its start from a box."""
    low, high = np.array(lower), np.array(upper)
    flow = PolynomialFlow(loop, len(low), settings(len(low), len(low), **changes))
    # exact: the corners are multiples of small powers of two
    return flow, flow.start(0.5 * low + 0.5 * high, np.diag(0.5 * high - 0.5 * low))


def start_values(z: PolynomialZonotope, xi: Vector) -> np.ndarray:
    """Initial states in doubles; they are exact for corners and symbols that are multiples of powers of two."""
    terms = monomials(z.basis, [*xi, *([mpmath.mpf(0)] * (z.basis.symbols - len(xi)))])
    return np.array([float(high_precision.dot(c, terms)) for c in z.coefficients])


VARIANTS: list[dict[str, Any]] = [
    {},
    {"delay": 2},
    {"memory": True},
    {"noise": True},
    {"saturated": True},
    {"uncertain": True},
    {"delay": 1, "memory": True, "noise": True, "saturated": True, "uncertain": True},
]


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("parts", VARIANTS, ids=lambda parts: "-".join(parts) or "plain")
def test_discrete_plants_with_all_parts_of_a_controller(parts: dict[str, Any], told: bool) -> None:
    """Disturbances, noise and parameters at their ends, at every sample anew; or told, and held at what was told."""
    rng = np.random.default_rng(len(parts))
    loop, steps = nonlinear_loops.gusty_loop(**parts), 8
    flow, z = flow_of(loop, [0.5, -0.125], [0.625, 0.125], generators=12)
    box = loop.step.disturbance
    assert box is not None
    low, high = loop.plant.parameter_bounds
    runs = []
    for run in range(3):
        xi = symbols(rng, 2)
        d = np.where(rng.random((steps, box.dim)) < 0.5, box.lower, box.upper)
        p = np.where(rng.random((steps, len(low))) < 0.5, low, high)
        if told and run:
            d = runs[0][1]
        x0 = start_values(z, xi)[:2]
        runs.append((xi, d, *nonlinear_loops.simulate_exactly(loop, x0, d, p)))
    segments = list(flow.run(z, steps, runs[0][1] if told else None).segments())
    assert [segment.first for segment in segments] == list(range(steps + 1))
    for k, segment in enumerate(segments):
        for xi, _, states, signals in runs:
            exact = [*states[k], *(signals[k] if k < steps else [])]
            assert allows(segment.signals(k, k), exact, xi)
    lower, upper = segments[-1].signals(steps, steps).ranges()
    assert (upper - lower < 3.0).all()


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("parts", [{}, {"disturbed": True}, {"disturbed": True, "delay": 2, "saturated": True}])
def test_affine_plants(parts: dict[str, Any], told: bool) -> None:
    rng = np.random.default_rng(1)
    loop, steps = loops.integrator_loop(3, **parts), 8
    flow, z = flow_of(loop, [-0.5, -0.25], [0.5, 0.25], generators=8)
    size = loop.plant.disturbance_size
    w = np.where(rng.random((steps, size)) < 0.5, -0.1, 0.2)
    segments = list(flow.run(z, steps, w if told and size else None).segments())
    for _ in range(4):
        xi = symbols(rng, 2)
        states, inputs = loops.simulate_exactly(loop, start_values(z, xi)[:2], w)
        for k, segment in enumerate(segments):
            assert allows(segment.signals(k, k), [*states[k], *(inputs[k] if k < steps else [])], xi)


class Arm(Plant):
    """A continuous pendulum with a gust, an uncertain damping, and outputs."""

    states: ClassVar[dict[str, str]] = {"theta": "rad", "omega": "rad/s"}
    inputs: ClassVar[dict[str, str]] = {"u": "rad/s^2"}
    disturbances: ClassVar[dict[str, str]] = {"gust": "rad/s^2"}
    ranges: ClassVar[dict[str, tuple[float, float]]] = {"gust": (-0.25, 0.5)}
    outputs: ClassVar[dict[str, str]] = {"height": "m", "effort": "rad/s^2"}
    parameters: ClassVar[dict[str, Any]] = {"damping": (0.125, 0.25)}

    def dynamics(self, x: Any, u: Any, w: Any, p: Any) -> Any:
        return x[1], -2 * casadi.sin(x[0]) - p["damping"] * x[1] + u[0] + w[0] * casadi.cos(x[0])

    def output(self, x: Any, u: Any) -> Any:
        return casadi.cos(x[0]), u[0] * x[1]


def arm_field(u: mpmath.mpf, gust: float, damping: float) -> Callable[[list[Series]], list[Series]]:
    def field(x: list[Series]) -> list[Series]:
        sine, cosine = sine_cosine(x[0])
        return [x[1], total(scaled(-2, sine), scaled(-damping, x[1]), number(u, sine), scaled(gust, cosine))]

    return field


def network_of(kind: Activation, inputs: int, seed: int) -> Network:
    rng = np.random.default_rng(seed)
    sizes = [(5, inputs), (4, 5), (1, 4)]
    weights = [rng.normal(size=size) / np.sqrt(size[1]) for size in sizes]
    return Network.from_layers(weights, [0.3 * rng.normal(size=len(w)) for w in weights], kind)


def arm_loop(kind: Activation, *, delay: int = 0, memory: bool = False, noise: bool = False) -> ClosedLoop:
    return compose(
        Arm(),
        Controller(
            network_of(kind, 2 + 2 * memory, 5),
            period=0.25,
            output=Affine([[1.5]], [-0.1]),
            saturation=Box([-0.75], [0.5]),
            delay=delay,
            noise=Box([-0.01, -0.02], [0.02, 0.01]) if noise else None,
            memory=Memory(0.5 * np.eye(2), 0.3 * np.eye(2), [0.1, -0.2]) if memory else None,
        ),
    )


class ArmRun:
    """An exact simulation; between samples the gust may switch."""

    def __init__(self, loop: ClosedLoop, xi: Vector, x0: np.ndarray, noise: np.ndarray, damping: float) -> None:
        controller = loop.controller
        self.controller, self.xi, self.noise, self.damping = controller, xi, noise, damping
        self.x = high_precision.vector(x0)
        self.line = [high_precision.vector(row) for row in controller.initial_line]
        self.memory = [] if controller.memory is None else high_precision.vector(controller.memory.start)
        self.u = mpmath.mpf(0)

    def act(self, sample: int) -> None:
        controller = self.controller
        seen = self.x
        if controller.noise is not None:
            seen = [a + b for a, b in zip(seen, high_precision.vector(self.noise[sample]), strict=True)]
        command = high_precision.affine(
            controller.output, high_precision.network(controller.network, [*seen, *self.memory])
        )
        low, high = (mpmath.mpf(float(e[0])) for e in (controller.saturation.lower, controller.saturation.upper))
        self.line.append([min(max(command[0], low), high)])
        self.u = self.line.pop(0)[0]
        if controller.memory is not None:
            both = Affine.linear(np.hstack([controller.memory.F, controller.memory.H]))
            self.memory = high_precision.affine(both, [*self.memory, *seen])

    def move(self, gust: float, time: mpmath.mpf) -> None:
        self.x = solution(arm_field(self.u, gust, self.damping), self.x, time, longest=0.25)

    def signals(self) -> Vector:
        return [*self.x, self.u, mpmath.cos(self.x[0]), self.u * self.x[1]]


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("kind", [Tanh(), Relu(), Sigmoid()], ids=["tanh", "relu", "sigmoid"])
@pytest.mark.parametrize("parts", [{}, {"delay": 1, "memory": True, "noise": True}], ids=["plain", "parts"])
def test_continuous_plants_at_samples_and_between(kind: Activation, parts: dict[str, Any], told: bool) -> None:
    """Where nothing is told the gust switches inside a step; the damping is one number for the whole run."""
    rng = np.random.default_rng(4)
    loop, steps = arm_loop(kind, **parts), 4
    flow, z = flow_of(loop, [0.5, -0.125], [0.625, 0.125], generators=10, order=6)
    size = loop.step.disturbance_size
    box = loop.step.disturbance
    assert box is not None
    told_values = np.where(rng.random((steps, size)) < 0.5, box.lower, box.upper)
    runs = []
    for _ in range(2):
        noise = (
            told_values[:, 1:] if told else np.where(rng.random((steps, size - 1)) < 0.5, box.lower[1:], box.upper[1:])
        )
        xi = symbols(rng, 2)
        runs.append(ArmRun(loop, xi, start_values(z, xi)[:2], noise, float(rng.choice([0.125, 0.25]))))
    sample = -1
    for segment in flow.run(z, steps, told_values if told else None).segments():
        if isinstance(segment, Instant):
            assert segment.first == steps
            assert all(allows(segment.signals(steps, steps), run.x, run.xi) for run in runs)
            break
        assert isinstance(segment, Stretch)
        if segment.first == int(segment.first):
            sample += 1
            assert sample == segment.first
            for run in runs:
                run.act(sample)
        whole = segment.signals(segment.first, segment.last)
        cuts = segment.first + (segment.last - segment.first) * np.array([0.0, 0.25, 0.375, 1.0])
        gust = float(told_values[sample, 0]) if told else None
        for run in runs:
            assert allows(segment.signals(segment.first, segment.first), run.signals(), run.xi)
            for begin, end in itertools.pairwise(cuts):
                part = segment.signals(begin, end)
                assert allows(part, run.signals(), run.xi)
                blown = float(rng.choice([-0.25, 0.5])) if gust is None else gust
                run.move(blown, mpmath.mpf(0.25) * (mpmath.mpf(end) - mpmath.mpf(begin)))
                for rows in (whole, part, segment.signals(end, end)):
                    assert allows(rows, run.signals(), run.xi)
    lower, upper = segment.signals(steps, steps).ranges()
    assert (upper - lower < 2.5).all()


@pytest.mark.parametrize("seed", range(4))
def test_slots_and_reductions_lose_no_state(seed: int) -> None:
    """Few generators and many slots over a longer time; the referee is a step map by step map simulation."""
    rng = np.random.default_rng(seed)
    loop, steps = nonlinear_loops.gusty_loop(noise=True), 25
    flow, z = flow_of(loop, [0.25, -0.5], [0.375, -0.25], generators=6, slots=2 + seed, degree=2 + seed % 3)
    box = loop.step.disturbance
    assert box is not None
    xi = symbols(rng, 2)
    d = np.where(rng.random((steps, box.dim)) < 0.5, box.lower, box.upper)
    states, _ = nonlinear_loops.simulate_exactly(loop, start_values(z, xi)[:2], d, np.ones((steps, 2)))
    for k, segment in enumerate(flow.run(z, steps).segments()):
        assert allows(segment.signals(k, k).rows(slice(0, 2)), states[k], xi)


def test_a_basis_of_degree_one_has_no_slots_and_is_sound() -> None:
    rng = np.random.default_rng(0)
    loop, steps = nonlinear_loops.gusty_loop(), 6
    flow, z = flow_of(loop, [0.5, -0.125], [0.625, 0.125], degree=1, generators=8)
    box = loop.step.disturbance
    assert box is not None
    for _ in range(3):
        xi = symbols(rng, 2)
        d = np.where(rng.random((steps, box.dim)) < 0.5, box.lower, box.upper)
        states, _ = nonlinear_loops.simulate_exactly(loop, start_values(z, xi)[:2], d, np.ones((steps, 2)))
        for k, segment in enumerate(flow.run(z, steps).segments()):
            assert allows(segment.signals(k, k).rows(slice(0, 2)), states[k], xi)


class Runaway(Plant):
    """Doubles its logarithm at every sample."""

    states: ClassVar[dict[str, str]] = {"x": "m"}
    inputs: ClassVar[dict[str, str]] = {"u": "m"}
    dt = 1.0

    def dynamics(self, x: Any, u: Any) -> Any:
        return (10 * x[0] ** 2 + u[0],)


class ContinuousRunaway(Runaway):
    dt = 0.0


def _follow(run: Run) -> None:
    for segment in run.segments():
        low, high = segment.signals(segment.first, segment.last).ranges()
        assert not (low > high).any()


@pytest.mark.parametrize("plant", [Runaway(), ContinuousRunaway()])
def test_what_diverges_ends_with_an_error_and_without_warnings(plant: Plant) -> None:
    loop = compose(plant, Controller(network_of(Tanh(), 1, 0), period=1.0))
    flow, z = flow_of(loop, [2.0], [3.0])
    run = flow.run(z, 50)
    with pytest.raises(EnclosureError):
        _follow(run)
    assert 0 <= run.sample < 20


def test_blame_names_the_symbols_that_the_network_sees() -> None:
    weights = [np.array([[3.0, 0.0], [1.0, 0.0]]), np.array([[1.0, -1.0]])]
    network = Network.from_layers(weights, [np.array([0.3, -0.2]), np.zeros(1)], Tanh())
    loop = compose(nonlinear_loops.Pendulum(), Controller(network))
    flow, z = flow_of(loop, [0.0, 0.0], [0.5, 0.5])
    run = flow.run(z, 1)
    list(run.segments())
    assert run.blame[0] > 0.0
    assert run.blame[1] < 1e-6 * run.blame[0]


def test_rows_of_intervals_cover_their_ends() -> None:
    rng = np.random.default_rng(0)
    _flow, z = flow_of(loops.integrator_loop(), [0.0, 0.0], [0.5, 0.5])
    ends = np.sort(rng.normal(size=(500, 2)) * 10.0 ** rng.integers(-9, 9, size=(500, 2)).astype(float), axis=1)
    ends[:5] = [[0.0, 0.0], [5e-324, 5e-324], [0.1, 0.1], [-5e-324, 5e-324], [1e308, 1.7e308]]
    rows = interval_rows(ends[:, 0], ends[:, 1], z)
    for (low, high), c, r in zip(ends, rows.coefficients[:, 0], rows.radius, strict=True):
        assert mpmath.mpf(float(c)) - mpmath.mpf(float(r)) <= low
        assert mpmath.mpf(float(c)) + mpmath.mpf(float(r)) >= high
    np.testing.assert_array_equal(rows.radius[[0, 2]], 0.0)
