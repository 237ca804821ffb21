"""Last-layer synthesis: the program's matrix from its definition, what it synthesises and what it refuses."""

from __future__ import annotations

from itertools import pairwise

import lmi_referee as referee
import numpy as np
import pytest
from test_lmi_synthesis import CONTRADICTION, POSSIBLE, ZIGZAG, balls, proved, random_two_layers

from nnctrl.errors import DimensionError, InputError, UnsupportedError
from nnctrl.learning.last_layer import synthesis
from nnctrl.learning.last_layer.hidden import hidden_forms
from nnctrl.learning.last_layer.program import Program
from nnctrl.learning.last_layer.regions import Regions
from nnctrl.learning.last_layer.synthesis import synthesise_last_layer
from nnctrl.learning.last_layer.weights import Weights
from nnctrl.learning.lmi.analysis import certify
from nnctrl.learning.lmi.conditions import Pair
from nnctrl.learning.lmi.input_set import InputSet
from nnctrl.learning.lmi.sectors import local_sectors
from nnctrl.learning.lmi.solver import Solve, SolverStatus, solve
from nnctrl.learning.lmi.specification import Specification
from nnctrl.learning.lmi.start import deepest_outputs, fitted
from nnctrl.learning.lmi.synthesis import SynthesisStatus
from nnctrl.learning.lmi.synthesis import synthesise as synthesise_jointly
from nnctrl.learning.lmi.transformed import Hidden
from nnctrl.networks.activations import Activation, Clip, Relu, Sigmoid, Softplus, Tanh
from nnctrl.networks.network import Network
from nnctrl.sets.ellipsoid import Ball

F, G, C = np.array([[1.0, 0.3], [0.0, 0.9]]), np.array([[0.1, 0.0], [0.4, 0.2]]), np.array([0.05, -0.1])
"""A plant, for specifications of the next state."""


def random_network(
    hidden: tuple[int, ...], activation: Activation, seed: int = 0, skip: bool = False, scale: float = 1.0
) -> Network:
    rng = np.random.default_rng(seed)
    sizes = (2, *hidden, 2)
    weights = [scale * rng.normal(size=(b, a)) / np.sqrt(a) for a, b in pairwise(sizes)]
    return Network.from_layers(
        weights,
        [0.5 * rng.normal(size=b) for b in sizes[1:]],
        activation,
        feedthrough=rng.normal(size=(2, 2)) if skip else None,
    )


def mixed_pairs(kind: str, rng: np.random.Generator) -> list[Pair]:
    """A set of the kind with an ellipsoid, a limit and an ellipsoid of the next state, which no solver has to meet."""
    wanted = Specification.norm(rng.normal(size=(2, 2)), rng.normal(size=2), 2).through(F, G, C)
    wanted = wanted.both(Specification.bounded([0.3, 2.0], 2)).both(Specification.tracking(np.eye(2), 0.7))
    return [Pair(InputSet.of(referee.random_set(rng, kind, 2)), wanted)]


def admissible_chi(
    network: Network, inputs: InputSet, rng: np.random.Generator, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x [count, n], x^L [count, n_L] and y of networks whose neurons take any slopes that their local sectors allow."""
    xi = np.array(referee.coefficients(inputs, rng, count))
    x = xi @ inputs.point.middle[:, :-1].T + inputs.point.middle[:, -1]
    (block,) = network.blocks
    signal = x
    for affine, sector in zip(block.affines, local_sectors(network, inputs), strict=False):
        v = signal @ affine.weight.T + affine.bias
        share = rng.integers(0, 2, v.shape) if rng.random() < 0.5 else rng.random(v.shape)
        slope = sector.alpha + share * (sector.beta - sector.alpha)
        signal = sector.value + slope * (v - sector.anchor)
    y = signal @ block.affines[-1].weight.T + block.affines[-1].bias
    if block.feedthrough is not None:
        y = y + block.feedthrough(x)
    return x, signal, y


@pytest.mark.parametrize("kind", referee.KINDS)
@pytest.mark.parametrize("hidden", [(5,), (3, 4, 3)])
def test_the_matrix_bounds_its_definition(kind: str, hidden: tuple[int, ...]) -> None:
    """`[x; y; 1]' S [x; y; 1] <= slack` for all slopes that the sectors allow, the network's own only one of them."""
    rng = np.random.default_rng(len(hidden))
    pairs = mixed_pairs(kind, rng)
    for activation, skip in ((Tanh(), False), (Relu(), True)):
        network = random_network(hidden, activation, skip=skip)
        program = Program(pairs, Regions.of(pairs), Weights.of(network, skip))
        run = solve(sum(program.slacks) + 0.1 * program.distance, program.constraints)
        assert run.has_values
        found, violations = program.weights().network(), program.violations
        inputs, specification = pairs[0].inputs, pairs[0].specification
        units = np.array([one.unit for one in program.inequalities])
        greatest = np.full(len(units), -np.inf)
        for _ in range(20):
            x, _, y = admissible_chi(found, inputs, rng, 60)
            greatest = np.maximum(greatest, (specification.values(x, y) / units).max(axis=0))
        # the solver's answer is inexact, the program's own margin is larger
        assert (greatest <= violations + 1e-6).all()
        assert (greatest >= violations - 8.0 * (1.0 + abs(violations))).all()


@pytest.mark.parametrize("kind", referee.KINDS)
@pytest.mark.parametrize("activation", [Tanh(), Relu(), Sigmoid(), Softplus()], ids=lambda kind: kind.name)
def test_the_forms_are_what_the_layers_do(kind: str, activation: Activation) -> None:
    """x~ solved for from the true signal stays within its bounds, and the forms give that signal back."""
    rng = np.random.default_rng(3)
    pairs = mixed_pairs(kind, rng)
    network = random_network((5, 4), activation, seed=1)
    weights, inputs = Weights.of(network, False), pairs[0].inputs
    (regions,) = Regions.of(pairs)
    forms = hidden_forms(regions, *weights.tensors(), weights.layers)
    signal, bounded, reach = (part[0].numpy() for part in (forms.signal, forms.bounded, forms.reach))
    for xi in referee.coefficients(inputs, rng, 80):
        x = inputs.point.middle @ [*xi, 1.0]
        chi, value, start = np.array([*xi, *np.zeros(9), 1.0]), x, len(xi)
        for k, (affine, sector) in enumerate(
            zip(network.blocks[0].affines, local_sectors(network, inputs), strict=False)
        ):
            v = affine(value)
            value = network.blocks[0].activations[k](v)
            lanes = slice(start, start + len(v))
            scale = forms.scales[0].numpy()[start - len(xi) : start - len(xi) + len(v)]
            chi[lanes] = (value - sector.value - sector.middle * (v - sector.anchor)) / scale
            start += len(v)
        assert np.allclose(signal @ chi, value, rtol=0.0, atol=1e-9)
        tilde = chi[len(xi) : -1]
        assert (abs(tilde) <= abs(bounded @ chi) + 1e-9).all()
        assert (abs(tilde) <= reach + 1e-9).all()


@pytest.mark.parametrize("feedthrough", [False, True])
@pytest.mark.parametrize("hidden", [(10,), (8, 6), (6, 6, 5)])
@pytest.mark.parametrize("activation", [Tanh(), Relu()], ids=lambda kind: kind.name)
def test_what_is_synthesised_is_true(activation: Activation, hidden: tuple[int, ...], feedthrough: bool) -> None:
    start = random_network(hidden, activation, seed=5, scale=0.8)
    result = synthesise_last_layer(POSSIBLE, start, feedthrough=feedthrough)
    if result.status is not SynthesisStatus.SYNTHESISED:
        # random hidden layers need not do, but with a feedthrough an affine map does
        assert not feedthrough
        assert result.status is SynthesisStatus.INFEASIBLE
        assert result.violation is not None
        assert result.violation > 0.0
        return
    network = proved(result, POSSIBLE, feedthrough)
    for before, after in zip(start.blocks[0].affines[:-1], network.blocks[0].affines[:-1], strict=True):
        assert np.array_equal(before.weight, after.weight)
        assert np.array_equal(before.bias, after.bias)


def test_a_network_that_does_it_stays_as_it_is() -> None:
    start = fitted(ZIGZAG, (10,), Relu(), seed=0)
    first = synthesise_last_layer(ZIGZAG, start)
    network = proved(first, ZIGZAG, feedthrough=False)
    again = synthesise_last_layer(ZIGZAG, network)
    assert again.distance is not None
    assert first.distance is not None
    assert again.distance <= max(1e-3, 0.2 * first.distance)
    assert abs(proved(again, ZIGZAG, feedthrough=False)(np.eye(2)) - network(np.eye(2))).max() < 1e-2


def test_saturated_and_dead_neurons() -> None:
    """Neurons without a residual are left out of the program and come back in the certificate."""
    rng = np.random.default_rng(0)
    for activation in (Relu(), Tanh()):
        weight, bias = rng.normal(size=(8, 2)), rng.normal(size=8)
        bias[:3], bias[3:5] = -60.0, 60.0
        start = Network.from_layers([weight, rng.normal(size=(2, 8))], [bias, np.zeros(2)], activation)
        network = proved(synthesise_last_layer(POSSIBLE, start, feedthrough=True), POSSIBLE, feedthrough=True)
        assert abs(network.blocks[0].affines[1].weight).max() < 1e3


def random_draw(count: int, seed: int) -> list[Pair]:
    """Disjoint balls in [-4, 4]^2 and balls that they are to be mapped into, radii 0.4 to 1."""
    rng = np.random.default_rng((count, seed))
    found: list[tuple[np.ndarray, float]] = []
    while len(found) < count:
        r = rng.uniform(0.4, 1.0)
        c = rng.uniform(r - 4.0, 4.0 - r, 2)
        if all(np.linalg.norm(c - d) > r + s for d, s in found):
            found.append((c, r))
    pairs = []
    for c, r in found:
        s = rng.uniform(0.4, 1.0)
        goal = Ball(rng.uniform(s - 4.0, 4.0 - s, 2), s)
        pairs.append(Pair(InputSet.of(Ball(c, r)), Specification.reach(goal, 2)))
    return pairs


def test_it_does_whatever_the_joint_condition_does_and_more() -> None:
    """With a feedthrough LMI (32) is feasible if an affine map is, and then so is this, whatever the hidden layer."""
    jointly = alone = 0
    for seed in range(4):
        pairs = random_draw(2, seed)
        joint = synthesise_jointly(pairs, Hidden.of(Tanh(), 6))
        mine = synthesise_last_layer(pairs, fitted(pairs, (6,), Tanh(), seed=0), feedthrough=True)
        if mine.network is not None:
            proved(mine, pairs, feedthrough=True)
        assert joint.network is None or mine.network is not None
        jointly += joint.network is not None
        alone += mine.network is not None
    assert alone >= jointly
    assert alone > 2


def test_what_cannot_be_is_refused() -> None:
    for hidden in ((), (6,), (5, 4)):
        result = synthesise_last_layer(CONTRADICTION, random_network(hidden, Tanh()), feedthrough=True)
        assert result.status is SynthesisStatus.INFEASIBLE
        assert result.network is None
        assert result.violation is not None
        assert result.violation > 0.5
    # without hidden neurons this is about affine maps
    assert synthesise_last_layer(ZIGZAG, random_network((), Tanh())).status is SynthesisStatus.INFEASIBLE
    proved(synthesise_last_layer(POSSIBLE, random_network((), Tanh())), POSSIBLE, feedthrough=False)


def test_solvers_are_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    start = random_network((6,), Tanh())
    for claimed, expected in (
        (SolverStatus.FAILED, SynthesisStatus.SOLVER_FAILED),
        (SolverStatus.INFEASIBLE, SynthesisStatus.INFEASIBLE),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(synthesis, "solve", lambda *_, claimed=claimed: Solve(claimed, 0.0))
            assert synthesise_last_layer(POSSIBLE, start).status is expected

    def careless(objective, constraints, solver):
        """Solves without the matrix inequalities."""
        kept = [one for one in constraints if len(one.shape) < 2 or one.shape[0] != one.shape[1]]
        return solve(objective, kept, solver)

    elsewhere = balls(((-2.0, 0.0), 0.8, (-3.0, 2.0), 0.8), ((2.0, 1.0), 0.8, (3.0, -1.0), 0.8))
    wrong = fitted(elsewhere, (6,), Tanh(), 0)
    with monkeypatch.context() as patched:
        patched.setattr(synthesis, "solve", careless)
        result = synthesise_last_layer(POSSIBLE, wrong)
    assert result.network is None
    assert result.status is SynthesisStatus.NOT_CERTIFIED


def test_closed_loops_differ_in_the_specification_only() -> None:
    """u of a network that takes a ball into another one in one step of the plant, with limits of u of another size."""
    goal = Specification.reach(Ball(np.array([0.4, 0.1]), 0.5), 2).through(F, np.eye(2), C)
    pairs = [Pair(InputSet.of(Ball(np.array([0.5, -0.2]), 0.3)), goal.both(Specification.bounded([0.3, 0.6], 2)))]
    units = [one.unit for regions in Regions.of(pairs) for one in regions.inequalities]
    assert np.allclose(units, [1.0, 0.09, 0.36])
    network = proved(synthesise_last_layer(pairs, random_network((7, 5), Tanh())), pairs, feedthrough=False)
    assert certify(network, pairs[0].inputs, pairs[0].specification).is_certified
    assert deepest_outputs(pairs[0].specification, np.zeros(2)).shape == (2,)


def test_half_spaces_change_nothing_that_meets_them() -> None:
    """Inequalities that are linear in y have no depth: what meets them by far stays as it is."""
    sum_below, above = np.zeros((5, 5)), np.zeros((5, 5))
    sum_below[[0, 2, 4, 4], [4, 4, 0, 2]], sum_below[4, 4] = 0.5, -9.0
    above[[3, 4], [4, 3]], above[4, 4] = -0.5, -8.0
    pairs = [Pair(InputSet.of(Ball(np.zeros(2), 0.5)), Specification.of([sum_below, above], 2))]
    start = random_network((4,), Tanh())
    result = synthesise_last_layer(pairs, start)
    network = proved(result, pairs, feedthrough=False)
    assert result.distance is not None
    assert result.distance < 1e-3
    assert abs(network(np.eye(2)) - start(np.eye(2))).max() < 1e-3


def test_unsuitable_networks() -> None:
    with pytest.raises(InputError, match="feedthrough=True"):
        synthesise_last_layer(POSSIBLE, random_two_layers(Tanh(), skip=True))
    with pytest.raises(DimensionError, match="must agree"):
        synthesise_last_layer(POSSIBLE, Network.from_layers([np.ones((2, 3))], [np.zeros(2)], []))
    limits = Clip((-1.0,) * 4, (1.0,) * 4)
    with pytest.raises(UnsupportedError, match="limits of its own"):
        synthesise_last_layer(
            POSSIBLE, Network.from_layers([np.ones((4, 2)), np.ones((2, 4))], [np.zeros(4), np.zeros(2)], limits)
        )
    two_blocks = Network((*random_network((3,), Tanh()).blocks, *random_network((3,), Tanh()).blocks))
    with pytest.raises(UnsupportedError, match="one block"):
        synthesise_last_layer(POSSIBLE, two_blocks)


def test_certificates_do_not_lean_on_the_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    """With wrong forms (no residuals at all) a network may come out of the program, never of the synthesis."""
    real, refused = hidden_forms, 0

    def careless(regions, weights, biases, layers):
        forms = real(regions, weights, biases, layers)
        return type(forms)(forms.point, forms.signal, 0.0 * forms.bounded, forms.reach, forms.scales, forms.first)

    monkeypatch.setattr("nnctrl.learning.last_layer.program.hidden_forms", careless)
    for seed in range(4):
        result = synthesise_last_layer(ZIGZAG, random_two_layers(Tanh(), seed=seed))
        refused += result.status is SynthesisStatus.NOT_CERTIFIED
        if result.network is not None:
            proved(result, ZIGZAG, feedthrough=False)
    assert refused > 0
