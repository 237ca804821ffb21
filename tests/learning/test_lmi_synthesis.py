"""LMI (32) with and without feedthrough: what is synthesised is true with 60 digits, what is impossible is reported."""

from __future__ import annotations

import lmi_referee as referee
import numpy as np
import pytest

from nnctrl.errors import InputError, UnsupportedError
from nnctrl.learning.lmi import synthesis
from nnctrl.learning.lmi.analysis import certify, check
from nnctrl.learning.lmi.conditions import Pair
from nnctrl.learning.lmi.input_set import InputSet
from nnctrl.learning.lmi.plain import synthesise_plain
from nnctrl.learning.lmi.sectors import global_sectors
from nnctrl.learning.lmi.solver import Solve, SolverStatus, solve
from nnctrl.learning.lmi.specification import Specification
from nnctrl.learning.lmi.synthesis import Synthesis, SynthesisStatus, affine_map, synthesise
from nnctrl.learning.lmi.transformed import Hidden, Target, Variables
from nnctrl.networks.activations import Activation, Identity, Relu, Sigmoid, Softplus, Tanh
from nnctrl.networks.layers import Affine
from nnctrl.networks.network import Block, Network
from nnctrl.sets.ellipsoid import Ball, Ellipsoid

ACTIVATIONS = (Tanh(), Relu(), Sigmoid(), Softplus())


def balls(*pairs: tuple[tuple[float, float], float, tuple[float, float], float]) -> list[Pair]:
    return [
        Pair(InputSet.of(Ball(np.array(a), r)), Specification.reach(Ball(np.array(b), s), 2)) for a, r, b, s in pairs
    ]


POSSIBLE = balls(((-2.0, 0.0), 0.8, (1.0, 2.0), 0.8), ((2.0, 1.0), 0.8, (-1.0, -1.0), 0.8))
"""Two pairs of equal balls that an affine map satisfies."""

ZIGZAG = balls(
    ((-2.0, 0.0), 0.6, (2.0, 0.0), 0.5), ((0.0, 0.0), 0.6, (-2.0, 0.0), 0.5), ((2.0, 0.0), 0.6, (2.0, 0.0), 0.5)
)
"""Three that none does."""

CONTRADICTION = balls(((0.0, 0.0), 0.5, (1.0, 0.0), 0.3), ((0.2, 0.0), 0.5, (-1.0, 0.0), 0.3))
"""Overlapping inputs with disjoint outputs: no map at all."""


def random_two_layers(activation: Activation, seed: int = 0, width: int = 8, skip: bool = False) -> Network:
    rng = np.random.default_rng(seed)
    return Network.from_layers(
        [rng.normal(size=(width, 2)), rng.normal(size=(2, width)) / 3],
        [rng.normal(size=width), rng.normal(size=2)],
        activation,
        feedthrough=rng.normal(size=(2, 2)) if skip else None,
    )


def proved(result: Synthesis, pairs: list[Pair], feedthrough: bool) -> Network:
    """The network of a synthesis, after its claims were put to the test."""
    assert result.status is SynthesisStatus.SYNTHESISED
    assert result.network is not None
    (block,) = result.network.blocks
    assert (block.feedthrough is not None) == feedthrough
    rng = np.random.default_rng(0)
    for pair, certificate in zip(pairs, result.certificates, strict=True):
        assert certificate.is_certified
        values = referee.greatest(result.network, pair.inputs, pair.specification, rng, 40)
        assert all(value <= -margin for value, margin in zip(values, certificate.margins, strict=True))
    return result.network


@pytest.mark.parametrize("limit", [None, 1.0])
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda activation: activation.name)
def test_round_trip(activation: Activation, limit: float | None) -> None:
    """The recovered network's own analysis condition holds, and it uses its hidden layer."""
    result = synthesise(POSSIBLE, Hidden.of(activation, 8, limit), random_two_layers(activation))
    network = proved(result, POSSIBLE, feedthrough=True)
    assert abs(network.blocks[0].affines[1].weight).max() > 0.1
    assert result.distance is not None
    assert result.distance > 0.1
    for pair in POSSIBLE:
        assert certify(network, pair.inputs, pair.specification).is_certified


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda activation: activation.name)
def test_the_transformed_parameters_are_those_of_the_network(activation: Activation) -> None:
    """Recovery inverts the transformation: a network that is feasible is its own nearest one."""
    pairs = balls(((0.3, -0.2), 0.1, (0.0, 0.0), 50.0))
    wanted = random_two_layers(activation, skip=True)
    result = synthesise(pairs, Hidden.of(activation, 8), wanted)
    network = proved(result, pairs, feedthrough=True)
    assert result.distance is not None
    assert result.distance < 1e-3
    x = np.random.default_rng(1).normal(size=(200, 2))
    assert abs(network(x) - wanted(x)).max() < 0.02


def test_the_printed_constant_is_wrong() -> None:
    """b1 recovered with the C2 of the paper's text, which is 0, instead of C4: the network violates, by far."""
    hidden = Hidden.of(Tanh(), 8, 0.5)
    ones = np.ones((8, 1))
    wanted = Network.from_layers([0.05 * ones @ np.ones((1, 2)), ones.T], [0.3 * ones[:, 0], np.zeros(1)], Tanh())
    specification = Specification.reach(Ball(wanted(np.zeros(2)), 0.5), 2)
    pairs = [Pair(InputSet.of(Ball(np.zeros(2), 0.5)), specification)]
    found = proved(synthesise(pairs, hidden, wanted), pairs, feedthrough=True)
    (block,) = found.blocks
    first, last = block.affines
    transformed = last.bias + last.weight @ (hidden.sector.middle * first.bias)
    printed = Network((Block((first, Affine(last.weight, transformed)), block.activations, block.feedthrough),))
    assert not certify(printed, pairs[0].inputs, specification).is_certified
    (value,) = referee.greatest(printed, pairs[0].inputs, specification, np.random.default_rng(0), 20)
    assert value > 1


def test_multipliers_of_the_synthesis_prove_the_analysis_condition() -> None:
    """mu = M / T^2: with the sectors that were assumed no second program is needed."""
    hidden = Hidden.of(Tanh(), 8)
    variables = Variables(POSSIBLE, hidden)
    target = Target.of(random_two_layers(Tanh()), hidden)
    constraints = [*variables.constraints, variables.slack <= 0.0]
    assert solve(variables.distance(target), constraints).status is SolverStatus.SOLVED
    network, multipliers = variables.network(hidden), variables.multipliers(hidden)
    for pair, given in zip(POSSIBLE, multipliers, strict=True):
        assert check(network, pair.inputs, pair.specification, given, global_sectors(network)).is_certified


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda activation: activation.name)
def test_impossible_pairs_are_reported(activation: Activation) -> None:
    for pairs in (ZIGZAG, CONTRADICTION):
        affine = affine_map(pairs)
        assert (affine.status, affine.network) == (SynthesisStatus.INFEASIBLE, None)
        for target in (None, random_two_layers(activation)):
            result = synthesise(pairs, Hidden.of(activation, 8), target)
            assert (result.status, result.network) == (SynthesisStatus.INFEASIBLE, None)
            # the same least violation: the hidden layer widens nothing
            assert result.violation == pytest.approx(affine.violation, rel=1e-2)
    plain = synthesise_plain(CONTRADICTION, Hidden.of(activation, 8, 0.5), iterations=3)
    assert plain.status is SynthesisStatus.INFEASIBLE
    assert plain.network is None


def random_pairs(rng: np.random.Generator, count: int) -> list[Pair]:
    """Balls in [-4, 4]^2 with radii from 0.4 to 1, disjoint inputs."""
    inputs: list[tuple[np.ndarray, float]] = []
    while len(inputs) < count:
        centre, radius = rng.uniform(-4.0, 4.0, 2), float(rng.uniform(0.4, 1.0))
        if all(np.linalg.norm(centre - other) > radius + size for other, size in inputs):
            inputs.append((centre, radius))
    return balls(*((tuple(c), r, tuple(rng.uniform(-4.0, 4.0, 2)), rng.uniform(0.4, 1.0)) for c, r in inputs))


@pytest.mark.parametrize("count", [2, 3])
def test_the_condition_can_be_met_if_and_only_if_an_affine_map_meets_it(count: int) -> None:
    """With one sector for all pairs x~ = 0 is admitted, so the hidden layer widens nothing; random specifications."""
    outcomes = []
    for seed in range(12):
        pairs = random_pairs(np.random.default_rng([seed, count]), count)
        affine = affine_map(pairs)
        result = synthesise(pairs, Hidden.of(Tanh(), 10))
        assert result.status is affine.status
        assert result.violation == pytest.approx(affine.violation, rel=1e-2, abs=1e-3)
        if result.status is SynthesisStatus.SYNTHESISED:
            proved(result, pairs, feedthrough=True)
            proved(affine, pairs, feedthrough=False)
        outcomes.append(result.status)
    assert set(outcomes) == {SynthesisStatus.SYNTHESISED, SynthesisStatus.INFEASIBLE}


def test_joint_specifications_convex_in_the_output() -> None:
    """An ellipsoid that moves with x, a limit of every output and a norm, together, on a box and a flat set."""
    gain = np.array([[0.5, -1.0], [0.3, 0.2]])
    wanted = Specification.tracking(gain, 0.3).both(Specification.bounded([1.5, 0.8], 2))
    for kind in ("box", "flat", "zonotope", "polytope"):
        source = referee.random_set(np.random.default_rng(0), kind, 2, 0.2)
        pairs = [Pair(InputSet.of(source), wanted)]
        result = synthesise(pairs, Hidden.of(Tanh(), 5), random_two_layers(Tanh(), width=5))
        proved(result, pairs, feedthrough=True)
    pairs = [Pair(InputSet.of(Ball(np.zeros(2), 1.0)), Specification.norm(2.0 * np.eye(2), np.zeros(2), 2))]
    proved(synthesise(pairs, Hidden.of(Relu(), 5)), pairs, feedthrough=True)


@pytest.mark.parametrize("activation", [Tanh(), Sigmoid(), Softplus()], ids=lambda activation: activation.name)
def test_without_feedthrough(activation: Activation) -> None:
    result = synthesise_plain(POSSIBLE, Hidden.of(activation, 8, 0.5))
    network = proved(result, POSSIBLE, feedthrough=False)
    assert len(network.blocks[0].affines) == 2
    near = synthesise_plain(POSSIBLE, Hidden.of(activation, 8, 0.5), random_two_layers(activation))
    proved(near, POSSIBLE, feedthrough=False)


def test_a_network_that_the_check_refuses_is_not_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the solver returned: here numbers of its own invention."""
    cases = {
        SolverStatus.SOLVED: SynthesisStatus.NOT_CERTIFIED,
        SolverStatus.INACCURATE: SynthesisStatus.SOLVER_INACCURATE,
        SolverStatus.FAILED: SynthesisStatus.SOLVER_FAILED,
        SolverStatus.INFEASIBLE: SynthesisStatus.INFEASIBLE,
    }
    for claimed, expected in cases.items():

        def invents(objective, constraints, solver="", claimed=claimed):
            for variable in {v for constraint in constraints for v in constraint.variables()}:
                variable.value = np.full(variable.shape, 1.0 if variable.shape else -0.1)
            return Solve(claimed, 0.0)

        monkeypatch.setattr(synthesis, "solve", invents)
        result = synthesise(POSSIBLE, Hidden.of(Tanh(), 4))
        assert result.status is expected
        assert result.network is None


def test_flat_and_unsuitable_requests() -> None:
    with pytest.raises(UnsupportedError, match="not convex"):
        synthesise([Pair(POSSIBLE[0].inputs, Specification.of([-np.eye(5)], 2))], Hidden.of(Tanh(), 3))
    with pytest.raises(UnsupportedError, match="width"):
        Hidden.of(Identity(), 3)
    with pytest.raises(InputError, match="positive"):
        Hidden.of(Tanh(), 0)
    with pytest.raises(InputError, match="positive"):
        Hidden.of(Tanh(), 3, -1.0)
    with pytest.raises(InputError, match="at least one"):
        synthesise([], Hidden.of(Tanh(), 3))
    with pytest.raises(InputError, match="stay close"):
        synthesise(POSSIBLE, Hidden.of(Tanh(), 3), random_two_layers(Relu(), width=3))
    with pytest.raises(InputError, match="must agree"):
        Pair(POSSIBLE[0].inputs, Specification.reach(Ellipsoid(np.zeros(2), np.eye(2)), 3))
    polytope = InputSet.of(referee.random_set(np.random.default_rng(0), "polytope", 2))
    with pytest.raises(UnsupportedError, match="zonotope"):
        synthesise([Pair(polytope, POSSIBLE[0].specification)], Hidden.of(Tanh(), 3, 1.0))
