"""The VCAS problems: rules and accelerations against the published description, transcribed in another form, and
verdicts and figures that an independent simulation found.
"""

from __future__ import annotations

import itertools
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from benchmarks.arch.vcas import ACCELERATIONS, NORMALISATION, VerticalCollisionProblem, rules
from nnctrl import Problem, registry, simulate, verify
from nnctrl.errors import InputError
from nnctrl.networks.network import Network
from nnctrl.systems.switched import SwitchedController, SwitchedLoop
from nnctrl.verification.verdict import Result, Verdict
from plants.vertical_encounter import VerticalEncounter
from tests.shared import shared_path

FIGURES = {
    "middle-19.5": (Verdict.VERIFIED, 108.78),
    "middle-22.5": (Verdict.VERIFIED, 102.78),
    "middle-25.5": (Verdict.FALSIFIED, 94.76),
    "middle-28.5": (Verdict.FALSIFIED, 85.76),
    "worst-19.5": (Verdict.VERIFIED, 106.10),
    "worst-22.5": (Verdict.FALSIFIED, 97.73),
    "worst-25.5": (Verdict.FALSIFIED, 88.73),
    "worst-28.5": (Verdict.FALSIFIED, 79.40),
}
"""Verdicts and the least |h| of all trajectories at steps 1 to 10, rounded."""

ADVISORIES = ("COC", "DNC", "DND", "DES1500", "CL1500", "SDES1500", "SCL1500", "SDES2500", "SCL2500")


@cache
def build(name: str) -> Problem:
    definition = registry.load("problems", f"arch/vcas-{name}")
    return definition().with_models(shared_path("arch-comp/VCAS").parent).build()


@cache
def judged(name: str) -> Result:
    return verify(build(name))


def least_height(name: str) -> float:
    problem = build(name)
    h0 = np.linspace(-133.0, -129.0, 401)
    start = np.stack([h0, np.full(401, problem.initial_set.bounding_box().lower[1]), np.full(401, 25.0)], 1)
    path = simulate(problem.closed_loop.plant, problem.closed_loop.controller, start, 10)
    return float(abs(path.x[:, 1:, 0]).min())


@pytest.mark.parametrize("name", FIGURES)
def test_verdicts_and_figures(name: str) -> None:
    verdict, least = FIGURES[name]
    result = judged(name)
    assert result.verdict is verdict
    assert result.engine == "switched"
    assert least_height(name) == pytest.approx(least, abs=0.006)
    (row,) = result.requirements
    assert row.margin_sampled == pytest.approx(least - 100.0, abs=0.006)
    if verdict is Verdict.VERIFIED:
        assert least - 100.006 < row.margin_certified <= row.margin_sampled


@pytest.mark.parametrize("name", [name for name, (verdict, _) in FIGURES.items() if verdict is Verdict.FALSIFIED])
def test_counterexamples_are_trajectories(name: str) -> None:
    """In rational numbers from the states and inputs: the step that is said, from a start in the box."""
    point, problem = judged(name).counterexample, build(name)
    assert point is not None
    assert problem.initial_set.contains(point.x0).verdict == "inside"
    h, v = Fraction(float(point.x0[0])), Fraction(float(point.x0[1]))
    for (u,) in point.u:
        a = Fraction(float(u))
        h, v = h - v - a / 2, v + a
    assert 100 - abs(h) >= Fraction(point.violation) > 0


def test_worst_22_5_is_unsafe_for_57_per_cent_of_the_starts() -> None:
    problem = build("worst-22.5")
    h0 = np.linspace(-133.0, -129.0, 401)
    path = simulate(problem.closed_loop.plant, problem.closed_loop.controller, [[h, -22.5, 25.0] for h in h0], 10)
    unsafe = (abs(path.x[:, 1:, 0]) <= 100.0).any(1)
    assert unsafe.mean() == pytest.approx(0.57, abs=0.005)
    assert unsafe[-1]
    assert not unsafe[0]


def test_the_same_advisory_is_given_at_every_step() -> None:
    for name in FIGURES:
        loop = build(name).closed_loop
        assert isinstance(loop, SwitchedLoop)
        path = simulate(loop.plant, loop.controller, [[h, -22.5, 25.0] for h in (-133.0, -131.0, -129.0)], 10)
        assert (loop.controller.modes_along(path.x[:, :-1]) == ADVISORIES.index("CL1500")).all()


def expected_acceleration(pilot: str, previous: str, advisory: str, h: float, v: float) -> float:
    """The description: what a pilot does, by advisory."""
    g, climb = 32.2, 60.0 * v
    complies = {
        "COC": False,
        "DNC": climb <= 0,
        "DND": climb >= 0,
        "DES1500": climb <= -1500,
        "CL1500": climb >= 1500,
        "SDES1500": climb <= -1500,
        "SCL1500": climb >= 1500,
        "SDES2500": climb <= -2500,
        "SCL2500": climb >= 2500,
    }
    if advisory == previous and complies[advisory]:
        return 0.0
    if advisory.startswith("S"):
        return g / 3 if "CL" in advisory else -g / 3
    weak = {"COC": (g / 8, -g / 8, 0.0), "up": (g / 4, g / 3, 7 * g / 24), "down": (-g / 4, -g / 3, -7 * g / 24)}
    options = weak["COC" if advisory == "COC" else "up" if advisory in ("DND", "CL1500") else "down"]
    if pilot == "middle":
        return options[2]
    # the worst pilot makes |h - v - a/2| small: h < 0 wants it to grow
    return min(options) if h < 0 else max(options)


@pytest.mark.parametrize("pilot", ["middle", "worst"])
def test_the_pilot_does_what_the_description_says(pilot: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the problem itself, with networks that always choose a given advisory."""
    assert tuple(ACCELERATIONS) == ADVISORIES
    wanted = iter(())

    def constant(_path: Path) -> Network:
        return next(wanted)

    monkeypatch.setattr("benchmarks.arch.vcas.load_network", constant)
    monkeypatch.setattr(VerticalCollisionProblem, "required_networks", lambda self: [Path()] * 9)
    definition = registry.load("problems", f"arch/vcas-{pilot}-19.5")
    states = np.array(
        [[h, v, 20.0] for h in (-120.0, 0.0, 130.0) for v in (-50.0, -41.6, -25.0, -20.0, 0.0, 20.0, 25.0, 41.6, 50.0)]
    )
    for advisory in range(9):
        wanted = itertools.repeat(Network.from_layers([np.zeros((9, 3))], [np.eye(9)[advisory]], []), 9)
        controller = definition().build().closed_loop.controller
        assert isinstance(controller, SwitchedController)
        assert controller.modes == ADVISORIES
        assert controller.initial == "COC"
        for previous in range(9):
            _, u = controller.decide(np.full(len(states), previous), states)
            expected = [
                expected_acceleration(pilot, ADVISORIES[previous], ADVISORIES[advisory], h, v) for h, v, _ in states
            ]
            assert u.ravel().tolist() == expected


def test_rules_hold_for_equal_advisories_only_and_worst_has_more() -> None:
    obeyed = rules("middle")
    assert all(rule.previous == rule.next for rule in obeyed)
    assert {rule.next for rule in obeyed} == set(ADVISORIES) - {"COC"}
    assert len(rules("worst")) == len(obeyed) + 9


def test_the_normalisation_encloses_the_quotients() -> None:
    assert NORMALISATION.weight_radius is not None
    assert NORMALISATION.bias.tolist() == [0.0, 0.0, -0.5]
    for k, divisor in enumerate((16000, 5000, 40)):
        distance = abs(Fraction(1, divisor) - Fraction(float(NORMALISATION.weight[k, k])))
        assert distance <= Fraction(float(NORMALISATION.weight_radius[k, k]))


def test_the_plant_is_the_published_update() -> None:
    """h+ = h - v - a/2, v+ = v + a, tau+ = tau - 1."""
    found = VerticalEncounter().step(np.array([10.0, 3.0, 7.0]), np.array([4.0]))
    assert found.tolist() == [5.0, 7.0, 6.0]


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    definition = registry.load("problems", "arch/vcas-middle-19.5")
    with pytest.raises(InputError, match=r"means 9 networks that are not part of nnctrl \(published .*--models DIR"):
        definition().build()
    folder = tmp_path / "VCAS" / "onnx_networks"
    with pytest.raises(InputError, match="does not hold VCAS/onnx_networks, which"):
        definition().with_models(tmp_path)
    folder.mkdir(parents=True)
    with pytest.raises(InputError, match=r"no network file .*pra01_v9_20HU_200\.onnx, one of the 9"):
        definition().with_models(tmp_path).build()
