"""Bounds made from the words of settings."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nnctrl import registry
from nnctrl.bounds.base import AbstractBound
from nnctrl.bounds.crown import CrownBound
from nnctrl.bounds.first_order import FirstOrderBound
from nnctrl.bounds.hessian_matrix import HessianMatrixBound
from nnctrl.bounds.lipschitz import LipLT, NaiveLipschitz
from nnctrl.bounds.lipsdp import LipSDP
from nnctrl.bounds.options import make_bound
from nnctrl.bounds.tightest import TightestOf
from nnctrl.bounds.zeroth_order import ZerothOrderBound
from nnctrl.errors import InputError, UnknownNameError, UnsupportedError
from nnctrl.networks.activations import Relu
from nnctrl.networks.network import Network
from nnctrl.sets.ellipsoid import Ball
from nnctrl.specs.spec import Avoid, Spec
from nnctrl.systems.composer import compose
from nnctrl.systems.controller import Controller
from nnctrl.verification.decide import reach
from nnctrl.verification.problem import Problem
from tests.loops import integrator_loop


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("first-order", {}, FirstOrderBound()),
        ("first-order", {"lipschitz": "naive", "norm": None}, FirstOrderBound(NaiveLipschitz())),
        ("first-order", {"tail": "liplt", "expansion": "optimised"}, FirstOrderBound(LipLT(), "liplt", "optimised")),
        (
            "zeroth-order",
            {"lipschitz": "liplt-global", "norm": "inf"},
            ZerothOrderBound(LipLT(everywhere=True), math.inf),
        ),
        ("hessian-matrix", {"maximum": "vertices"}, HessianMatrixBound("vertices")),
        ("tightest", {"lipschitz": "lipsdp"}, TightestOf((ZerothOrderBound(LipSDP()), FirstOrderBound(LipSDP())))),
        (
            "tightest",
            {"norm": "1", "tail": "recursion"},
            TightestOf((ZerothOrderBound(norm=1.0), FirstOrderBound(tail="recursion"))),
        ),
        ("crown", {}, CrownBound()),
    ],
)
def test_options_reach_the_bounds_that_have_them(name: str, options: dict, expected: AbstractBound) -> None:
    assert make_bound(name, registry.load("bounds", name), options) == expected


@pytest.mark.parametrize(
    ("name", "key", "remedy"),
    [("taylor", "lipschitz", "it takes none"), ("first-order", "norm", "it takes expansion, lipschitz, tail")],
)
def test_an_option_of_another_bound_is_refused(name: str, key: str, remedy: str) -> None:
    options = {"lipschitz": None, "norm": None, "tail": None, "expansion": None, key: "2" if key == "norm" else "naive"}
    with pytest.raises(InputError, match=rf"the bound '{name}' has no key '{key}'; {remedy}"):
        make_bound(name, registry.load("bounds", name), options)


def problem(**changes: object) -> Problem:
    loop = integrator_loop()
    initial = changes.pop("initial", Ball([2.5, 0.0], 0.1))
    return Problem(loop, initial, Spec((Avoid(Ball([9.0, 9.0], 0.1)),)), 3, "test")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "settings",
    [
        {"bound": "first-order", "refresh": 0, "splitting": "longest-edge"},
        {"bound": "first-order", "expansion": "optimised", "lipschitz": "naive", "refresh": 2},
        {"bound": "tightest", "pieces": 3, "splitting": "best-bound"},
        {"bound": "zeroth-order", "norm": "1", "splitting": "sensitivity"},
        {"bound": "crown"},
        {"bound": "zonotope"},
    ],
    ids=str,
)
def test_reach_takes_every_key(settings: dict) -> None:
    """All enclose the same states, and close to the accuracy that was asked."""
    question = problem()
    found = reach(question, settings={"eps": 0.02, "mode": "per-step", **settings})
    reference = reach(question, settings={"eps": 1e-4, "mode": "k-step"})
    assert found.reason is None
    assert found.statistics.gap <= 0.02
    for step in range(1, 4):
        outer, inner = found.flowpipe.bounding_box(step), reference.flowpipe.bounding_box(step)
        assert (np.asarray(outer.lower) <= np.asarray(inner.lower) + 1e-3).all()
        assert (np.asarray(outer.upper) >= np.asarray(inner.upper) - 1e-3).all()


def test_reach_refuses_before_it_works() -> None:
    question = problem()
    with pytest.raises(UnknownNameError, match=r"unknown bound 'frist-order'; did you mean 'first-order'"):
        reach(question, settings={"bound": "frist-order"})
    with pytest.raises(InputError, match=r"the bound 'taylor' has no key 'lipschitz'; it takes none"):
        reach(question, settings={"lipschitz": "naive"})
    relu = Network.from_layers([np.ones((3, 2)), np.ones((1, 3))], [np.zeros(3), np.zeros(1)], Relu())
    loop = compose(question.closed_loop.plant, Controller(relu))
    other = Problem(loop, question.initial_set, question.spec, 3, "relu")
    with pytest.raises(UnsupportedError, match=r"second derivative, which 'relu' has not; use the bound zeroth-order"):
        reach(other, settings={"bound": "first-order"})
    assert reach(other, settings={"bound": "zeroth-order", "eps": 0.05}).reason is None
