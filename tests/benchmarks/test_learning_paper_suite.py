"""The suite of the learning paper on small settings: its relations hold, and its rows say what they should."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.learning_paper import methods
from benchmarks.learning_paper.draws import COUNTS, RADII, SIDE, Draw
from benchmarks.learning_paper.feasibility import ByDepth, ByWidth
from benchmarks.learning_paper.methods import AFFINE, JOINT, LOCAL, PASSING, TRAINING_RELU, Made, Method, measure
from benchmarks.learning_paper.paper_pairs import PaperPairs, ThreePairs, TwoPairs
from benchmarks.learning_paper.random_pairs import RandomPairs
from benchmarks.learning_paper.suite import LearningPaperSuite
from nnctrl import registry
from nnctrl.learning.certified import pairs as training
from nnctrl.learning.lmi.conditions import Pair
from nnctrl.learning.lmi.input_set import InputSet
from nnctrl.learning.lmi.specification import Specification
from nnctrl.networks.network import Network
from nnctrl.sets.ellipsoid import Ball
from nnctrl.suite import Conditions, Findings

PNG = b"\x89PNG"


def column(findings: Findings, name: str, **where: object) -> list[Any]:
    """Values of a column in the rows that have the values `where`."""
    return [row.get(name) for row in findings.rows if all(row.get(key) == value for key, value in where.items())]


def test_the_suite_is_registered_and_needs_no_networks_of_others() -> None:
    assert registry.load("suites", "learning-paper") is LearningPaperSuite
    experiments = LearningPaperSuite().experiments()
    assert [item.id for item in experiments] == ["two-pairs", "three-pairs", "width", "depth", "random-pairs"]
    assert not any(item.networks for item in experiments)


@pytest.mark.parametrize("experiment", [TwoPairs(), ThreePairs()], ids=["two", "three"])
def test_the_experiments_of_the_paper(experiment: PaperPairs) -> None:
    found = replace(experiment, methods=(AFFINE, JOINT, LOCAL, PASSING)).run(Conditions())
    assert found.contradictions() == []
    assert all(item.binding for item in found.expectations)
    assert column(found, "sdp_certified") == [False, False, True, True]
    assert column(found, "branch_and_bound") == [None, None, "proved", "proved"]
    affine, joint = column(found, "violation")[:2]
    assert affine == pytest.approx(joint, rel=1e-3)
    assert affine > 1.0
    for margins in (column(found, "sdp_margin"), column(found, "bnb_margin")):
        assert margins[:2] == [None, None]
        assert min(margins[2:]) >= 0.0
    assert found.drawings[0].draw().startswith(PNG)


def test_an_experiment_that_is_not_as_the_paper_says_is_a_contradiction(monkeypatch: pytest.MonkeyPatch) -> None:
    """The expectations can fail: with pairs that an affine map satisfies, and with a headline that finds nothing."""
    given = TwoPairs().experiment
    easy = replace(given, outputs=tuple(replace(axes, half_axes=(1.0, 1.0)) for axes in given.inputs))
    monkeypatch.setattr(TwoPairs, "experiment", easy)
    nothing = Method(LOCAL.label, lambda pairs, hidden, activation: Made("not reached", None))
    broken = TwoPairs(methods=(AFFINE, JOINT, nothing, PASSING)).run(Conditions())
    assert broken.drawings == ()
    texts = broken.contradictions()
    assert len(texts) == 3
    assert any("no affine map" in text for text in texts)
    assert any("local sectors: certified" in text for text in texts)


def test_a_certificate_that_branch_and_bound_refutes_is_a_contradiction() -> None:
    pair = Pair(InputSet.of(Ball(np.zeros(2), 1.0)), Specification.reach(Ball(np.zeros(2), 2.0), 2))
    identity = Network.from_layers([np.eye(2)], [np.zeros(2)], [])
    honest = measure(Method("identity", lambda *_: Made("made", identity)), [pair], ())
    assert honest.is_certified
    assert honest.is_checked
    assert not honest.is_contradicted
    wrong = Network.from_layers([3.0 * np.eye(2)], [np.zeros(2)], [])
    forged = measure(Method("forged", lambda *_: Made("made", wrong, certificates=honest.certificates)), [pair], ())
    assert forged.is_contradicted
    assert forged.row()["branch_and_bound"] == "violated"


@pytest.mark.parametrize("count", COUNTS)
def test_draws_are_reproducible_disjoint_and_within_the_square(count: int) -> None:
    gaps = []
    for seed in range(100):
        draw, again = Draw.of(count, seed), Draw.of(count, seed)
        assert len(draw.pairs) == count
        for one, other in zip((*draw.inputs, *draw.outputs), (*again.inputs, *again.outputs), strict=True):
            assert np.array_equal(one.centre, other.centre)
            assert RADII[0] <= one.radius <= RADII[1]
            assert (abs(one.centre) + one.radius <= SIDE).all()
        gaps.append(draw.gap)
    assert min(gaps) > 0.0
    # nothing keeps discs apart beyond that
    assert min(gaps) < 0.2


def test_random_pairs() -> None:
    found = RandomPairs(counts=(2, 3), methods=(AFFINE, JOINT, TRAINING_RELU)).run(Conditions(seeds=3))
    assert found.contradictions() == []
    assert column(found, "proved", method=TRAINING_RELU.label) == [3, 3]
    assert column(found, "by_branch_and_bound", method=TRAINING_RELU.label) == [3, 3]
    assert column(found, "draws") == [3] * 6
    for row in found.rows:
        if row["method"] == AFFINE.label:
            assert row["called_infeasible"] == 3 - int(row["proved"] or 0)
    assert [item.holds for item in found.expectations] == [True] * 4
    assert found.drawings[0].draw().startswith(PNG)


def test_the_goal_of_random_pairs_can_be_missed() -> None:
    found = RandomPairs(counts=(4,), methods=(AFFINE,)).run(Conditions(seeds=2))
    assert [item.holds for item in found.expectations] == [True, False, True]
    assert found.contradictions() == []


def test_feasibility_by_width_and_by_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "POINT_ITERATIONS", 100)
    monkeypatch.setattr(methods, "STARTS", 1)
    monkeypatch.setattr(methods, "LONGEST", 1.0)
    width = ByWidth(draws=1, widths=(2, 16)).run(Conditions())
    assert width.contradictions() == []
    assert column(width, "proved", width=16) == [1, 1]
    assert column(width, "proved", width=2) == [0, 0]
    depth = ByDepth(draws=1, depths=(2,), neurons=8).run(Conditions())
    assert depth.contradictions() == []
    assert sorted(set(column(depth, "hidden"))) == ["8-8"]
    for found in (width, depth):
        assert found.drawings[0].draw().startswith(PNG)


def test_all_methods_say_what_they_are() -> None:
    labels = [item.label for item in vars(methods).values() if isinstance(item, Method)]
    assert len(labels) == len(set(labels))
