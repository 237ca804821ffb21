"""Problems: what fits together, and definitions with keys and foreign networks."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from nnctrl.errors import DimensionError, InputError, UnknownNameError
from nnctrl.networks.onnx_export import write_onnx
from nnctrl.sets.box import Box
from nnctrl.sets.polytope import Polytope
from nnctrl.specs.moving import Moving
from nnctrl.specs.spec import Avoid, Reach, Requirement, Spec, Stay
from tests.small_loop import CartProblem, ForeignCartProblem, SeveralFilesProblem, cart_network, cart_problem

CART = cart_problem(cart_network())


def test_a_problem_knows_its_loop() -> None:
    assert CART.is_discrete
    assert CART.time_unit == "step"
    assert CART.signal_units() == {"p": "m", "v": "m/s", "a": "m/s^2"}
    assert CART.network_origin is not None
    assert CART.network_origin.source == "hand"
    coordinates = {name: CART.coordinates(requirement) for name, requirement in CART.requirements()}
    assert coordinates == {"wall": ("p", "v"), "input": ("a",), "goal": ("p", "v")}


def test_initial_set_must_fit_the_plant() -> None:
    with pytest.raises(DimensionError, match=r"the initial set has 1 coordinates but the plant has 2 states \(p, v\)"):
        dataclasses.replace(CART, initial_set=Box([0.0], [1.0]))


EMPTY = Polytope([[1.0, 0.0], [-1.0, 0.0]], [0.0, -1e-11])


@pytest.mark.parametrize(
    "requirement", [Stay(EMPTY), Avoid(EMPTY), Reach(EMPTY, at=1), Avoid(Moving(EMPTY, [1.0, 0.0]))]
)
def test_an_empty_set_is_refused_by_name(requirement: Requirement) -> None:
    spec = Spec((Stay(Box([-1.0], [1.0]), on=("a",)), dataclasses.replace(requirement, name="gate")))
    with pytest.raises(InputError, match="the set of requirement 'gate' is empty: no point satisfies the 2 inequal"):
        dataclasses.replace(CART, spec=spec)
    with pytest.raises(InputError, match="the initial set is empty: no point satisfies the 2 inequalities"):
        dataclasses.replace(CART, initial_set=EMPTY)


@pytest.mark.parametrize("horizon", [0, -1, float("nan"), float("inf")])
def test_horizon_must_be_positive(horizon: float) -> None:
    with pytest.raises(InputError, match="give a positive number of steps"):
        dataclasses.replace(CART, horizon=horizon)


def test_horizon_of_a_discrete_plant_is_whole() -> None:
    with pytest.raises(InputError, match=r"the horizon is 2\.5 but the plant is discrete"):
        dataclasses.replace(CART, horizon=2.5)


def test_views_name_signals() -> None:
    assert dataclasses.replace(CART, views=(("t", "a"), ("p", "v"))).views
    with pytest.raises(UnknownNameError, match=r"unknown coordinate of a view 'speed'"):
        dataclasses.replace(CART, views=(("p", "speed"),))


@pytest.mark.parametrize(
    ("views", "words"),
    [
        ("pv", "the views are 'pv'; give a tuple of pairs"),
        (("pv",), "the view 'pv' is no pair"),
        ((("p",),), r"the view \('p',\) is no pair"),
        ((("p", 3),), "unknown coordinate of a view '3'"),
        ((("p", "t"),), "'t' as the first"),
        ((("p", "p"),), "give two different names"),
        (7, "the views are 7"),
    ],
)
def test_views_are_pairs_that_can_be_drawn(views: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        dataclasses.replace(CART, views=views)  # type: ignore[arg-type]


def test_definitions_build_with_their_keys() -> None:
    assert CartProblem().build().horizon == 5
    changed = CartProblem().updated({"horizon": "7", "wall": 3})
    assert (changed.horizon, changed.wall) == (7, 3.0)
    assert changed.build().horizon == 7


def test_a_foreign_network_must_be_given() -> None:
    with pytest.raises(
        InputError, match=r"'test-foreign-cart' means a network.*\(published with the cart\).*--set network=FILE"
    ):
        ForeignCartProblem().build()
    with pytest.raises(InputError, match=r"there is no network file nowhere\.onnx"):
        ForeignCartProblem(network=Path("nowhere.onnx")).build()


def test_a_foreign_network_is_found_in_the_models_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"does not hold cart\.onnx or published/cart\.onnx"):
        ForeignCartProblem().with_models(tmp_path)
    (tmp_path / "published").mkdir()
    write_onnx(cart_network(), tmp_path / "published" / "cart.onnx", {})
    found = ForeignCartProblem().with_models(tmp_path)
    assert found.network == tmp_path / "published" / "cart.onnx"
    origin = found.build().network_origin
    assert origin is not None
    assert len(origin.sha256) == 64
    # what the user gives explicitly wins
    assert ForeignCartProblem(network=Path("mine.onnx")).with_models(tmp_path).network == Path("mine.onnx")
    assert CartProblem().with_models(tmp_path) == CartProblem()


def test_several_foreign_networks_are_a_folder(tmp_path: Path) -> None:
    with pytest.raises(
        InputError,
        match=r"'test-several-files' means 2 networks that are not part of nnctrl; give their folder with --set",
    ):
        SeveralFilesProblem().required_networks()
    with pytest.raises(InputError, match="does not hold carts, which"):
        SeveralFilesProblem().with_models(tmp_path)
    # a file of that name is no folder
    (tmp_path / "carts").write_text("")
    with pytest.raises(InputError, match="does not hold carts, which"):
        SeveralFilesProblem().with_models(tmp_path)
    (tmp_path / "carts").unlink()
    (tmp_path / "carts").mkdir()
    (tmp_path / "carts" / "one.onnx").write_text("")
    found = SeveralFilesProblem().with_models(tmp_path)
    assert found.network == tmp_path / "carts"
    with pytest.raises(InputError, match=r"there is no network file .*two\.onnx, one of the 2 that the problem"):
        found.required_networks()
    (tmp_path / "carts" / "two.onnx").write_text("")
    assert found.required_networks() == (tmp_path / "carts" / "one.onnx", tmp_path / "carts" / "two.onnx")
    assert SeveralFilesProblem(network=Path("mine")).with_models(tmp_path).network == Path("mine")
