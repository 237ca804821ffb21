"""Alternation and the method: gradients, what no last layer does alone, and closed loops with 60 digits."""

from __future__ import annotations

import high_precision
import lmi_referee as referee
import mpmath
import numpy as np
import pytest
import torch
from certified_tasks import affine_task, continuous_task
from synthesis_tasks import braking_task
from test_last_layer_program import mixed_pairs, random_draw, random_network
from test_lmi_synthesis import CONTRADICTION, ZIGZAG, proved

from nnctrl.branching.meter import Meter
from nnctrl.errors import InputError
from nnctrl.learning.last_layer import alternation
from nnctrl.learning.last_layer.alternation import alternate, synthesise_deep
from nnctrl.learning.last_layer.descent import Descent
from nnctrl.learning.last_layer.method import LastLayerMethod, LastLayerSettings
from nnctrl.learning.last_layer.regions import Regions
from nnctrl.learning.last_layer.synthesis import synthesise_last_layer
from nnctrl.learning.last_layer.weights import Weights
from nnctrl.learning.lmi.solver import Solve, SolverStatus
from nnctrl.learning.lmi.start import fitted
from nnctrl.learning.lmi.synthesis import SynthesisStatus
from nnctrl.networks.activations import Activation, Relu, Sigmoid, Tanh
from nnctrl.progress import SilentProgress
from nnctrl.verification.decide import verify
from nnctrl.verification.verdict import Verdict


@pytest.mark.parametrize("kind", referee.KINDS)
@pytest.mark.parametrize("activation", [Tanh(), Relu(), Sigmoid()], ids=lambda kind: kind.name)
def test_gradients_and_bounds(kind: str, activation: Activation) -> None:
    """The bounds are above the inequalities at points of the (shrunk) sets, and their gradients are differences."""
    rng = np.random.default_rng(1)
    pairs = mixed_pairs(kind, rng)
    network = random_network((5, 4), activation, skip=True)
    descent = Descent(Regions.of(pairs), Weights.of(network, True))
    inputs, specification = pairs[0].inputs, pairs[0].specification
    (regions,) = descent.groups
    middle = regions.centre[0].numpy()
    for size in (1.0, 0.4):
        bound = descent.bounds(size).detach().numpy()
        units = np.array([one.unit for one in regions.inequalities])
        for xi in referee.coefficients(inputs, rng, 60):
            x = middle + size * (inputs.point.middle @ [*xi, 1.0] - middle)
            assert (specification.values(x, network(x)) / units <= bound**2 - 1.0 + 1e-9).all()
    loss = descent.bounds().sum()
    loss.backward()
    for part in (*descent.hidden, *descent.biases, descent.outer, descent.offset, descent.skip):
        assert part is not None
        assert part.grad is not None
        direction = torch.tensor(rng.normal(size=tuple(part.shape)))
        ends = []
        with torch.no_grad():
            for step in (1e-7, -2e-7):
                part += step * direction
                ends.append(float(descent.bounds().sum()))
            part += 1e-7 * direction
        slope = (ends[0] - ends[1]) / 2e-7
        assert abs(slope - float((part.grad * direction).sum())) <= 1e-3 * (1.0 + abs(slope))


@pytest.mark.parametrize("hidden", [(12,), (8, 8), (6, 6, 6)])
@pytest.mark.parametrize("activation", [Tanh(), Relu()], ids=lambda kind: kind.name)
def test_hidden_layers_learn_what_their_last_layer_cannot(activation: Activation, hidden: tuple[int, ...]) -> None:
    start = random_network(hidden, activation, seed=3, scale=1.5)
    assert synthesise_last_layer(ZIGZAG, start).status is SynthesisStatus.INFEASIBLE
    network = proved(alternate(ZIGZAG, start, 6), ZIGZAG, feedthrough=False)
    assert [layer.size for layer in network.blocks[0].activations] == list(hidden)


def test_random_draws_of_four_pairs() -> None:
    for seed, feedthrough in ((1, False), (3, True)):
        pairs = random_draw(4, seed)
        proved(synthesise_deep(pairs, (16, 16), Relu(), feedthrough=feedthrough), pairs, feedthrough)


def test_contradictions_are_not_reached() -> None:
    said: list[str] = []

    class Listener:
        def update(self, message, done=None, total=None):
            said.append(message)

    result = alternate(CONTRADICTION, random_network((6,), Tanh()), 2, progress=Listener())
    assert result.status is SynthesisStatus.NOT_REACHED
    assert result.network is None
    assert result.violation is not None
    assert result.violation > 0.0
    assert len(said) == 2
    stopped = alternate(CONTRADICTION, random_network((6,), Tanh()), 9, meter=Meter(seconds=0.0))
    assert stopped.network is None
    assert len(stopped.solves) == 1
    with pytest.raises(InputError, match="at least one"):
        synthesise_deep(ZIGZAG, (4,), Tanh(), starts=0)


def test_failed_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an answer to the first program there is nothing; large programs are left out, and the check decides."""
    with monkeypatch.context() as patched:
        patched.setattr(alternation, "solve", lambda *_: Solve(SolverStatus.FAILED, 0.0))
        assert alternate(ZIGZAG, random_network((6,), Tanh())).status is SynthesisStatus.SOLVER_FAILED
    monkeypatch.setattr(alternation, "LARGEST_PROGRAM", 1.0)
    result = alternate(ZIGZAG, fitted(ZIGZAG, (12,), Relu(), 0))
    proved(result, ZIGZAG, feedthrough=False)
    assert not result.solves


def test_the_method_brakes() -> None:
    """u of the network from points of the initial set, plant and limits with 60 digits; and the verifier agrees."""
    task = braking_task()
    method = LastLayerMethod()
    assert method.objection(task) is None
    found = method.attempt(task, LastLayerSettings(), Meter(), SilentProgress())
    assert found.network is not None
    assert "every pair of the funnel is certified" in found.reason
    for start in np.linspace(1.0, 2.0, 33):
        x = mpmath.mpf(float(start))
        for _ in range(3):
            (u,) = high_precision.network(found.network, [x])
            assert abs(u) <= mpmath.mpf(1.5)
            x = x + u
        assert abs(x) <= mpmath.mpf(0.3)
    assert verify(task.problem(found.network)).verdict is Verdict.VERIFIED
    again = method.attempt(task, LastLayerSettings(rounds=0), Meter(), SilentProgress(), start=found.network)
    assert again.network is not None
    assert "certified" in again.reason


def test_what_the_method_does_not_treat() -> None:
    method = LastLayerMethod()
    for task in (affine_task(), continuous_task()):
        objection = method.objection(task)
        assert objection is not None
        assert "use the method certified" in objection
    # the goal is out of reach of the limits
    nothing = method.attempt(braking_task(goal=1e-6), LastLayerSettings(), Meter(), SilentProgress())
    assert nothing.network is None
    assert "no funnel was found" in nothing.reason
