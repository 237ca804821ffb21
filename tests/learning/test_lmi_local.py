"""Local sectors by iteration, and closed-loop chains."""

from __future__ import annotations

import high_precision
import lmi_referee as referee
import mpmath
import numpy as np
import pytest
from test_lmi_synthesis import CONTRADICTION, POSSIBLE, ZIGZAG, proved, random_two_layers

from nnctrl.errors import DimensionError, InputError, UnsupportedError
from nnctrl.learning.lmi import local
from nnctrl.learning.lmi.analysis import certify
from nnctrl.learning.lmi.chain import chain
from nnctrl.learning.lmi.local import hidden_step, outer_step, refine, synthesise_local
from nnctrl.learning.lmi.solver import Solve, SolverStatus
from nnctrl.learning.lmi.start import deepest_outputs, fitted
from nnctrl.learning.lmi.synthesis import SynthesisStatus, affine_map, synthesise
from nnctrl.learning.lmi.transformed import Hidden
from nnctrl.networks.activations import Activation, Relu, Sigmoid, Tanh
from nnctrl.networks.network import Network
from nnctrl.sets.ellipsoid import Ball, Ellipsoid


@pytest.mark.parametrize("feedthrough", [False, True])
@pytest.mark.parametrize("activation", [Tanh(), Relu(), Sigmoid()], ids=lambda activation: activation.name)
def test_what_no_affine_map_does(activation: Activation, feedthrough: bool) -> None:
    assert affine_map(ZIGZAG).status is SynthesisStatus.INFEASIBLE
    proved(synthesise_local(ZIGZAG, 10, activation, feedthrough), ZIGZAG, feedthrough)


def test_the_outer_step_repairs_a_network_that_is_not_certified() -> None:
    start = fitted(ZIGZAG, [10], Tanh(), seed=0)
    before = [certify(start, pair.inputs, pair.specification).is_certified for pair in ZIGZAG]
    assert not all(before)
    step = outer_step(ZIGZAG, start, feedthrough=False)
    assert step.violation is not None
    assert step.violation < 0.0
    proved(refine(ZIGZAG, start), ZIGZAG, feedthrough=False)


def test_the_hidden_step_lowers_the_violation() -> None:
    """From random hidden layers the outer step is not enough; violations fall from round to round."""
    start = random_two_layers(Relu(), seed=1, width=6)
    first = outer_step(ZIGZAG, start, feedthrough=False)
    moved = hidden_step(ZIGZAG, first.network, feedthrough=False, trust=0.3)
    second = outer_step(ZIGZAG, moved.network, feedthrough=False)
    assert first.violation is not None
    assert second.violation is not None
    assert 0.0 < second.violation < 0.95 * first.violation
    messages: list[str] = []

    class Listener:
        def update(self, message, done=None, total=None):
            messages.append(message)

    result = refine(ZIGZAG, start, rounds=3, progress=Listener())
    assert result.network is None or result.status is SynthesisStatus.SYNTHESISED
    violations = [float(message.split()[-1]) for message in messages]
    assert len(violations) > 1
    assert violations == sorted(violations, reverse=True)
    assert violations[-1] < violations[0]


def test_contradictions_are_not_reached() -> None:
    result = synthesise_local(CONTRADICTION, 6, Tanh(), starts=1, rounds=3)
    assert result.status is SynthesisStatus.NOT_REACHED
    assert result.network is None


def test_failed_solves_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    start = random_two_layers(Tanh())
    for claimed, expected in (
        (SolverStatus.FAILED, SynthesisStatus.SOLVER_FAILED),
        (SolverStatus.INFEASIBLE, SynthesisStatus.INFEASIBLE),
    ):
        monkeypatch.setattr(local, "solve", lambda *_, claimed=claimed: Solve(claimed, 0.0))
        result = refine(POSSIBLE, start)
        assert result.status is expected
        assert result.network is None


def test_unsuitable_networks() -> None:
    deep = Network.from_layers([np.eye(2)] * 3, [np.zeros(2)] * 3, Tanh())
    with pytest.raises(UnsupportedError, match="one hidden layer"):
        refine(POSSIBLE, deep)
    with pytest.raises(InputError, match="feedthrough=True"):
        refine(POSSIBLE, random_two_layers(Tanh(), skip=True))
    with pytest.raises(DimensionError):
        refine(POSSIBLE, Network.from_layers([np.ones((2, 3)), np.eye(2)], [np.zeros(2)] * 2, Tanh()))
    with pytest.raises(InputError, match="at least one"):
        synthesise_local(POSSIBLE, 4, Tanh(), starts=0)
    start = random_two_layers(Tanh(), skip=True)
    proved(refine(POSSIBLE, start, feedthrough=True), POSSIBLE, feedthrough=True)


def test_the_deepest_outputs_are_the_middles_of_the_output_sets() -> None:
    for pair, middle in zip(POSSIBLE, ((1.0, 2.0), (-1.0, -1.0)), strict=True):
        found = deepest_outputs(pair.specification, pair.inputs.source.sample(np.random.default_rng(0), 5))
        assert np.allclose(found, middle)


A, B = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([[0.5], [1.0]])
"""The double integrator with a sampling time of 1."""


def funnel(steps: int = 4) -> list[Ellipsoid]:
    """Ellipsoids about the trajectory of a linear feedback, each a little wider than the image of the one before."""
    closed = A + B @ np.array([[-0.4345, -1.0285]])
    sets = [Ellipsoid(np.array([2.5, 0.0]), 0.3 * np.eye(2))]
    for _ in range(steps):
        axes, lengths, _ = np.linalg.svd(closed @ sets[-1].shape)
        sets.append(Ellipsoid(closed @ sets[-1].centre, axes * (1.1 * lengths + 0.08)))
    return sets


def in_ellipsoid(target: Ellipsoid, x: list[mpmath.mpf]) -> bool:
    shape, centre = mpmath.matrix(target.shape.tolist()), mpmath.matrix(target.centre.tolist())
    return mpmath.norm(mpmath.lu_solve(shape, mpmath.matrix(x) - centre)) <= 1


@pytest.mark.parametrize("method", ["lmi", "local"])
def test_a_chain_is_followed_by_the_closed_loop(method: str) -> None:
    """60-digit simulation of plant and network from points of the first set to the last one, input limit kept."""
    sets, limit = funnel(), 1.5
    pairs = chain(sets, A, B, np.zeros(2), [limit])
    result = synthesise(pairs, Hidden.of(Tanh(), 5)) if method == "lmi" else synthesise_local(pairs, 8, Tanh())
    network = proved(result, pairs, feedthrough=method == "lmi")
    first = pairs[0].inputs
    for xi in referee.coefficients(first, np.random.default_rng(0), 40):
        x = referee.point(first, xi)
        for after in sets[1:]:
            (u,) = high_precision.network(network, x)
            assert abs(u) <= mpmath.mpf(limit)
            x = [x[0] + x[1] + u / 2, x[1] + u]
            assert in_ellipsoid(after, x)


def test_a_chain_out_of_reach_is_infeasible() -> None:
    assert (
        synthesise(chain(funnel(), A, B, np.zeros(2), [1.0]), Hidden.of(Tanh(), 5)).status is SynthesisStatus.INFEASIBLE
    )
    with pytest.raises(InputError, match="at least"):
        chain(funnel()[:1], A, B, np.zeros(2))
    with pytest.raises(DimensionError):
        chain([Ball(np.zeros(3), 1.0), Ball(np.zeros(3), 1.0)], A, B, np.zeros(2))
