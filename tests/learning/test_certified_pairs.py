"""Certified training on pairs: what it calls proved is put to the test with 60 digits."""

from __future__ import annotations

import lmi_referee as referee
import numpy as np
import pytest
import torch
from test_lmi_synthesis import CONTRADICTION, ZIGZAG

from nnctrl.errors import InputError
from nnctrl.learning.certified import pairs as training
from nnctrl.learning.certified.pairs import PairTraining, train_on_pairs
from nnctrl.learning.certified.pairs_points import points_near
from nnctrl.learning.lmi.conditions import Pair
from nnctrl.learning.lmi.cross_check import CrossCheckStatus
from nnctrl.learning.lmi.input_set import InputSet
from nnctrl.learning.lmi.part_bounds import Region
from nnctrl.learning.lmi.specification import Specification
from nnctrl.networks.activations import Activation, Relu, Sigmoid, Softplus, Tanh
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball
from nnctrl.sets.polytope import Polytope
from nnctrl.sets.zonotope import Zonotope


def put_to_the_test(result: PairTraining, pairs: list[Pair]) -> None:
    assert result.is_proved
    rng = np.random.default_rng(0)
    for pair, check in zip(pairs, result.checks, strict=True):
        assert check.margin is not None
        values = referee.greatest(result.network, pair.inputs, pair.specification, rng, 20)
        assert all(value <= -check.margin for value in values)


@pytest.mark.parametrize("activation", [Relu(), Tanh(), Sigmoid(), Softplus()], ids=lambda kind: kind.name)
def test_what_no_affine_map_does(activation: Activation) -> None:
    result = train_on_pairs(ZIGZAG, [10], activation)
    put_to_the_test(result, ZIGZAG)
    assert result.network.architecture() == f"2-10-2 {activation.name}"


@pytest.mark.parametrize("hidden", [[6, 6], [5, 5, 5]])
def test_deep_networks(hidden: list[int]) -> None:
    result = train_on_pairs(ZIGZAG, hidden)
    put_to_the_test(result, ZIGZAG)
    assert len(result.network.blocks[0].activations) == len(hidden)


def test_sets_of_all_kinds_and_specifications_that_move_with_the_input() -> None:
    """Pairs with different numbers of coefficients and of inequalities are trained on together."""
    triangle = Polytope(np.array([[1.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]), np.array([5.0, -2.0, -2.0]))
    slanted = Zonotope(np.array([-2.0, 0.0]), np.array([[0.3, 0.1, 0.2], [0.0, 0.3, -0.2]]))
    pairs = [
        Pair(InputSet.of(Box(np.array([-0.5, -0.5]), np.array([0.5, 0.5]))), Specification.tracking(np.eye(2), 0.3)),
        Pair(InputSet.of(triangle), Specification.bounded([0.4, 0.2], 2)),
        Pair(InputSet.of(slanted), Specification.reach(Ball(np.array([3.0, 1.0]), 0.4), 2)),
    ]
    put_to_the_test(train_on_pairs(pairs, [16]), pairs)


def test_counterexamples_repair_discs_that_nearly_touch() -> None:
    """With the points of the start alone a gap of 0.002 is not kept; those that refuted the network repair it."""
    away = 1.001 * np.array([1.0, 0.3]) / np.sqrt(1.09)
    pairs = [
        Pair(InputSet.of(Ball(side * away, 1.0)), Specification.reach(Ball(np.array([-3.0 * side, 0.0]), 0.5), 2))
        for side in (-1.0, 1.0)
    ]
    result = train_on_pairs(pairs, [16], starts=1)
    put_to_the_test(result, pairs)
    assert result.round > 0


def test_bounds_over_parts_make_a_network_provable(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a budget of three parts the first network is not decided; training on the bounds decides it, and nothing
    else does.
    """
    monkeypatch.setattr(training, "CHECKED_PARTS", 3)
    monkeypatch.setattr(training, "MOST_PARTS", 1)
    first = train_on_pairs(ZIGZAG, [10], starts=1, rounds=1)
    assert {check.status for check in first.checks} == {CrossCheckStatus.PROVED, CrossCheckStatus.UNDECIDED}
    put_to_the_test(train_on_pairs(ZIGZAG, [10], starts=1), ZIGZAG)

    class Blind(training._Objective):
        def learn(self, checks, view, rng):
            super().learn(checks, view, rng)
            self.groups = []

    monkeypatch.setattr(training, "_Objective", Blind)
    assert not train_on_pairs(ZIGZAG, [10], starts=1).is_proved


def test_contradictions_are_never_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "POINT_ITERATIONS", 50)
    messages: list[str] = []

    class Listener:
        def update(self, message, done=None, total=None):
            messages.append(message)

    result = train_on_pairs(CONTRADICTION, [8], starts=2, rounds=2, progress=Listener())
    assert not result.is_proved
    assert any(check.status is CrossCheckStatus.VIOLATED for check in result.checks)
    assert (result.start, result.round) == (1, 1)
    assert sum("pairs not proved" in message for message in messages) == 4
    assert train_on_pairs(CONTRADICTION, [8], seconds=0.0).start == 0


def test_the_same_seed_gives_the_same_network() -> None:
    networks = [train_on_pairs(ZIGZAG, [8], seed=seed).network for seed in (3, 3, 4)]
    weights = [network.blocks[0].affines[0].weight for network in networks]
    assert np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


@pytest.mark.parametrize("kind", referee.KINDS)
def test_points_near_a_violation_are_in_the_set(kind: str) -> None:
    rng = np.random.default_rng(0)
    inputs = InputSet.of(referee.random_set(rng, kind, 2))
    region = Region.of(Pair(inputs, Specification.bounded([1.0], 2)))
    start = region.inputs.inside.numpy()
    near = points_near(region, start, rng).numpy()
    assert np.array_equal(near[0], region.inputs.view(torch.tensor(start)).numpy())
    assert len(np.unique(near, axis=0)) > 10
    directions = rng.normal(size=(50, 2))
    assert ((near @ directions.T) <= inputs.source.support(directions) + 1e-9).all()


def test_what_cannot_be_trained_is_refused() -> None:
    for keys in ({"hidden": []}, {"hidden": [4], "starts": 0}, {"hidden": [4], "rounds": 0}):
        with pytest.raises(InputError, match="at least one each"):
            train_on_pairs(ZIGZAG, **keys)
    with pytest.raises(InputError, match="equal sizes"):
        train_on_pairs([], [4])
