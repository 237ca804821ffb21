"""The ARCH-COMP problems: simulated, they show the figures that an independent simulation found for the networks that
the competition publishes, to the digits that sampling allows.
"""

from __future__ import annotations

import itertools
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from nnctrl import Avoid, Controller, Network, Problem, Stay, registry, simulate
from nnctrl.errors import InputError
from nnctrl.networks.activations import Sigmoid
from nnctrl.networks.onnx_export import write_onnx
from tests.shared import shared_path

NAMES = [name for name in registry.names("problems") if name.startswith("arch/") and not name.startswith("arch/vcas-")]
"""Those with one network; the others have a file of their own."""

BETWEEN = 7
"""Points that are looked at within each period."""


@cache
def build(name: str) -> Problem:
    """The problem with the shared networks; the test is skipped when its network is not among them."""
    definition = registry.load("problems", name)
    folder = shared_path("arch-comp")
    if not any((folder / file).exists() for file in definition.network_files):
        pytest.skip(f"none of {', '.join(definition.network_files)} is in {folder}")
    return definition().with_models(folder).build()


def starts(problem: Problem, count: int) -> np.ndarray:
    """Random points of the initial box and (up to 64) vertices."""
    box, rng = problem.initial_set.bounding_box(), np.random.default_rng(0)
    wide = np.flatnonzero(box.upper > box.lower)[:6]
    vertices = np.tile(box.upper, (2 ** len(wide), 1))
    vertices[:, wide] = list(itertools.product(*zip(box.lower[wide], box.upper[wide], strict=True)))
    return np.concatenate([box.sample(rng, count), vertices])


def advance(problem: Problem, x: np.ndarray, u: np.ndarray, time: float) -> np.ndarray:
    """States after `time` with the input held: four steps of the classical Runge-Kutta method."""
    field, h = problem.closed_loop.plant.vector_field, time / 4
    for _ in range(4):
        a = field(x, u)
        b = field(x + h / 2 * a, u)
        c = field(x + h / 2 * b, u)
        x = x + h / 6 * (a + 2 * b + 2 * c + field(x + h * c, u))
    return x


def trajectories(name: str, count: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Times [T] and states [batch, T, n], between the samples too."""
    problem = build(name)
    loop, period = problem.closed_loop, problem.closed_loop.controller.period
    assert period is not None
    run = simulate(loop.plant, loop.controller, starts(problem, count), round(problem.horizon / period))
    parts = [run.x[:, :-1]]
    for _ in range(BETWEEN):
        parts.append(advance(problem, parts[-1], run.u, period / (BETWEEN + 1)))
    x = np.concatenate([np.stack(parts, 2).reshape(len(run.x), -1, run.x.shape[-1]), run.x[:, -1:]], 1)
    return np.linspace(0.0, problem.horizon, x.shape[1]), x


def assert_range(values: np.ndarray, low: float, high: float, slack: float) -> None:
    """The sampled range is that of the denser simulation, or up to `slack` smaller at either end."""
    assert low - 1e-3 * abs(low) <= values.min() <= low + slack
    assert high - slack <= values.max() <= high + 1e-3 * abs(high)


def box_distance(x: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Distance to a box in the maximum norm."""
    return np.maximum(np.maximum(lower - x, x - upper), 0.0).max(-1)


def test_there_is_one_problem_for_each_instance() -> None:
    assert len(NAMES) == 18


@pytest.mark.parametrize("name", NAMES)
def test_it_builds_and_says_what_it_asks(name: str) -> None:
    problem = build(name)
    controller = problem.closed_loop.controller
    assert problem.name == name
    assert controller.period is not None
    assert problem.horizon / controller.period == pytest.approx(round(problem.horizon / controller.period))
    assert problem.closed_loop.controller.delay == 0
    for _, requirement in problem.requirements():
        first, last = requirement.window(problem.horizon)
        assert 0.0 <= first <= last <= problem.horizon


@pytest.mark.parametrize("name", NAMES)
def test_without_its_network_it_says_where_to_get_it(name: str, tmp_path: Path) -> None:
    definition = registry.load("problems", name)
    with pytest.raises(
        InputError,
        match=r"not part of nnctrl \(published .* folder benchmarks of verivital/ARCH-COMP2025\).*--models DIR",
    ):
        definition().build()
    with pytest.raises(InputError, match=f"does not hold {definition.network_files[0]}"):
        definition().with_models(tmp_path)


@pytest.mark.parametrize(("name", "margin"), [("arch/acc", 23.714), ("arch/acc-unshifted", 24.206)])
def test_adaptive_cruise(name: str, margin: float) -> None:
    _, x = trajectories(name)
    assert (x[..., 0] - x[..., 3] - 1.4 * x[..., 4] - 10.0).min() == pytest.approx(margin, abs=1e-2)


def test_adaptive_cruise_differs_by_the_shift_of_its_inputs() -> None:
    """N_onnx(z) = N_mat(z - 1): both loops are the same network, one with inputs moved by 1."""
    plain, shifted = build("arch/acc-unshifted").closed_loop.controller, build("arch/acc").closed_loop.controller
    x = np.random.default_rng(0).uniform(0.0, 30.0, (20, 6))
    z = shifted.observe(x)
    assert z[:, :2].tolist() == [[30.0, 1.4]] * 20
    np.testing.assert_allclose(z[:, 2:], np.stack([x[:, 4], x[:, 0] - x[:, 3], x[:, 1] - x[:, 4]], 1), rtol=1e-15)
    np.testing.assert_allclose(plain.observe(x), z + 1.0, rtol=1e-15)
    assert plain.observation is not None
    assert plain.observation.is_exact
    assert [Fraction(b) for b in plain.observation.bias] == [31, Fraction(1.4) + 1, 1, 1, 1]


def test_tora_remain() -> None:
    _, x = trajectories("arch/tora-remain", 2000)
    np.testing.assert_allclose(abs(x).max((0, 1)), [0.974, 1.002, 1.127, 1.495], atol=3e-3)


def test_tora_tanh() -> None:
    _, x = trajectories("arch/tora-tanh")
    assert_range(x[:, -1, 0], 0.0680, 0.0930, 2e-4)
    assert_range(x[:, -1, 1], -0.8033, -0.7761, 2e-4)


def test_tora_reads_both_files_of_a_network_and_no_other_scaling(tmp_path: Path) -> None:
    folder = shared_path("arch-comp/Tora_Heterogeneous")
    tanh, sigmoid = registry.load("problems", "arch/tora-tanh"), registry.load("problems", "arch/tora-sigmoid")
    loops = [tanh(network=folder / f"nn_tora_relu_tanh.{end}").build().closed_loop for end in ("mat", "txt")]
    x = np.random.default_rng(0).normal(size=(50, 4))
    np.testing.assert_allclose(*(loop.controller.control(x) for loop in loops), rtol=1e-14)
    other = tmp_path / "other.txt"
    text = (folder / "nn_tora_relu_tanh.txt").read_text().split()
    other.write_text("\n".join([*text[:-2], "0.5", "22"]))
    with pytest.raises(InputError, match=r"'other\.txt' has the outputs \(N - 0\.5\) 22 but .* means \(N - 0\) 11"):
        sigmoid(network=other).build()


@pytest.mark.parametrize(("name", "scaled"), [("arch/tora-sigmoid", 11.0), ("arch/tora-sigmoid-symmetric", 0.0)])
def test_sigmoid_outputs_are_scaled_as_each_instance_says(tmp_path: Path, name: str, scaled: float) -> None:
    """A network that is 1/2 everywhere commands 5.5 or 0, one that is nearly 1 twice 5.5, or 11."""
    for bias, factor in ((0.0, 0.5), (40.0, 1.0)):
        flat = Network.from_layers([np.zeros((1, 4))], [np.array([bias])], [Sigmoid()])
        write_onnx(flat, tmp_path / "flat.onnx", {})
        loop = registry.load("problems", name)(network=tmp_path / "flat.onnx").build().closed_loop
        expected = scaled * factor if scaled else 22.0 * (factor - 0.5)
        assert loop.controller.control(np.ones((1, 4))).item() == pytest.approx(expected, abs=1e-12)


def test_unicycle() -> None:
    _, x = trajectories("arch/unicycle")
    ends = [(0.4867, 0.4897), (-0.1338, -0.1313), (-0.0247, -0.0231), (-0.2549, -0.2534)]
    for k, (low, high) in enumerate(ends):
        assert low <= x[:, -1, k].min() <= x[:, -1, k].max() <= high
        assert x[:, -1, k].max() - x[:, -1, k].min() >= 0.6 * (high - low)


def test_single_pendulum() -> None:
    t, x = trajectories("arch/single-pendulum")
    assert_range(x[:, t >= 0.5 - 1e-9, 0], 0.5758, 0.9890, 5e-4)


def test_double_pendulum_less_robust() -> None:
    _, x = trajectories("arch/double-pendulum-less", 2000)
    ranges = [(1.0, 1.882), (-0.0792, 1.356), (-0.630, 1.642), (-1.484, 1.3)]
    for k, (low, high) in enumerate(ranges):
        assert_range(x[..., k], low, high, 0.02)


@pytest.mark.parametrize(("top", "due"), [([1.0] * 6, 0.615), ([1.0] * 3 + [0.9] * 3, 0.775)])
def test_airplane_leaves_its_course_from_the_top_corner(top: list[float], due: float) -> None:
    problem = build("arch/airplane-continuous")
    loop = problem.closed_loop
    run = simulate(loop.plant, loop.controller, np.concatenate([np.zeros(3), top, np.zeros(3)]), 8)
    k = int(due / 0.1)
    before, after = (advance(problem, run.x[:, k], run.u[:, k], due - 0.1 * k + d)[0, 1] for d in (-0.01, 0.005))
    assert before < 1.0 < after
    # and at a sample, for the discrete instance
    assert run.x[0, k + 1, 1] > 1.0


def test_airplane_ranges() -> None:
    _, x = trajectories("arch/airplane-continuous", 1000)
    assert_range(x[..., 1], -1.415, 3.767, 0.1)


def test_discrete_airplane_asks_at_the_samples_alone() -> None:
    problem = build("arch/airplane-discrete")
    windows = [r.window(problem.horizon) for _, r in problem.requirements() if isinstance(r, Stay)]
    assert windows == [(t, t) for t in simulated_times(problem.closed_loop.controller, 20)]
    assert windows[-1] == (problem.horizon, problem.horizon)


def simulated_times(controller: Controller, steps: int) -> list[float]:
    assert controller.period is not None
    return [float(t) for t in np.arange(steps + 1) * controller.period]


def test_attitude() -> None:
    t, x = trajectories("arch/attitude")
    ((_, requirement),) = build("arch/attitude").requirements()
    assert isinstance(requirement, Avoid)
    box = requirement.target.bounding_box()  # type: ignore[union-attr]
    distance = box_distance(x, box.lower, box.upper)
    assert distance.min() == pytest.approx(0.0735, abs=5e-4)
    assert t[distance.min(0).argmin()] == pytest.approx(1.53, abs=0.03)
    assert x[..., 3].max() < -0.711


def test_docking_has_its_least_slack_in_a_corner_at_the_start() -> None:
    t, x = trajectories("arch/docking")
    margin = 0.2 + 2 * 0.001027 * np.hypot(x[..., 0], x[..., 1]) - np.hypot(x[..., 2], x[..., 3])
    start, moment = np.unravel_index(margin.argmin(), margin.shape)
    assert margin.min() == pytest.approx(0.00736, abs=5e-6)
    assert t[moment] == 0.0
    assert abs(x[start, 0]).tolist() == [70.0, 70.0, 0.28, 0.28]
    ((_, requirement),) = build("arch/docking").requirements()
    (value,) = requirement.target.value_tape(x)  # type: ignore[union-attr]
    np.testing.assert_allclose(np.ravel(value), -margin.ravel(), atol=1e-15)


def test_quad() -> None:
    t, x = trajectories("arch/quad")
    assert_range(x[:, -1, 2], 0.9861, 0.9951, 1e-3)
    outside = ((x[..., 2] < 0.94) | (x[..., 2] > 1.06)).any(0)
    assert 2.5 < t[outside].max() <= 2.9


def test_nav_robust() -> None:
    _, x = trajectories("arch/nav-robust")
    distance = box_distance(x[..., :2], np.full(2, 1.0), np.full(2, 2.0))
    assert 0.112 <= distance.min() <= 0.12
    assert_range(x[:, -1, 0], 0.1102, 0.1970, 1e-3)
    assert_range(x[:, -1, 1], -0.0620, -0.0490, 1e-3)


def test_cartpole() -> None:
    t, x = trajectories("arch/cartpole")
    late = abs(x[:, t >= 8.0]).max((0, 1))
    assert late[0] == pytest.approx(1.06e-4, abs=1e-6)
    assert (late[1:] < 1e-6).all()
    assert 0.55 <= abs(x[..., 3]).max() <= 0.62
