"""Sets, numbers and TOML in words."""

from __future__ import annotations

import tomllib
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnctrl.report.toml import set_data, to_toml
from nnctrl.report.words import describe_enclosure, describe_set, number_above, number_below
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball, Ellipsoid
from nnctrl.sets.polytope import Polytope
from nnctrl.sets.zonotope import Zonotope
from nnctrl.specs.moving import Moving
from nnctrl.specs.spec import Target
from nnctrl.specs.sublevel import Sublevel

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(finite)
def test_printed_bounds_are_bounds(value: float) -> None:
    assert Decimal(number_below(value)) <= Decimal(value) <= Decimal(number_above(value))


@given(st.floats(1e-3, 1e3))
def test_printed_bounds_are_close(value: float) -> None:
    assert float(number_above(value)) - float(number_below(value)) <= 1.1e-5 * value


def test_printed_bounds_are_short() -> None:
    assert number_below(0.5) == number_above(0.5) == "0.5"
    assert number_below(100000.0) == "100000"
    assert (number_below(1 / 3), number_above(1 / 3)) == ("0.333333", "0.333334")
    assert (number_below(-1 / 3), number_above(-1 / 3)) == ("-0.333334", "-0.333333")
    assert number_below(float("-inf")) == number_above(float("nan")) == "none"


def test_enclosures_are_printed_outward() -> None:
    text = describe_enclosure(np.array([1 / 3]), np.array([2 / 3]), ("p",))
    assert text == "p in [0.333333, 0.666667]"


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (Box([0.0, -1.0], [0.1, 1.0]), "p in [0, 0.1] and v in [-1, 1]"),
        (Ball([1.0, 2.0], 0.5), "ball of radius 0.5 about p 1, v 2"),
        (
            Ellipsoid([1.0, 2.0], [[0.5, 0.0], [0.1, 0.2]]),
            "ellipsoid about p 1, v 2 with shape matrix rows (0.5, 0); (0.1, 0.2)",
        ),
        (Polytope([[1.0, 2.0], [0.0, -1.0]], [3.0, 4.0]), "1 p + 2 v <= 3 and -1 v <= 4"),
        (Polytope(np.eye(2)[[0] * 9], np.ones(9)), " and ".join(["1 p <= 1"] * 6) + " and 3 more inequalities"),
        (
            Moving(Ball([1.0, 2.0], 0.5), [0.1, 0.0]),
            "ball of radius 0.5 about p 1, v 2, moving by p 0.1, v 0 per unit of time",
        ),
        (Sublevel(lambda z: z[0] * z[1] - 1, 2), "((p*v)-1) <= 0"),
    ],
)
def test_sets_in_words(target: Target, text: str) -> None:
    assert describe_set(target, ("p", "v")) == text


def test_zonotope_in_words() -> None:
    text = describe_set(Zonotope([1.0, 2.0], [[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]]), ("p", "v"))
    assert text.startswith("zonotope about p 1, v 2 with 3 generators inside p in [")


@pytest.mark.parametrize(
    ("target", "data"),
    [
        (Box([0.0], [0.1]), {"type": "Box", "lower": [0.0], "upper": [0.1]}),
        (
            Moving(Ball([1.0], 0.5), [0.25]),
            {"type": "Moving", "base": {"type": "Ball", "centre": [1.0], "radius": 0.5}, "velocity": [0.25]},
        ),
        (Sublevel(lambda z: z[0] - 1, 1), {"type": "Sublevel", "inequality": "(z0-1) <= 0"}),
    ],
)
def test_sets_as_toml(target: Target, data: dict[str, object]) -> None:
    assert tomllib.loads(to_toml(set_data(target))) == data


plain = st.one_of(st.booleans(), st.integers(-(2**60), 2**60), st.floats(allow_nan=False), st.text())
keys = st.text(min_size=1)


@given(
    st.dictionaries(
        keys,
        st.recursive(
            st.one_of(plain, st.lists(st.floats(allow_nan=False)), st.lists(st.text())),
            lambda inner: st.one_of(
                st.dictionaries(keys, inner, max_size=3),
                st.lists(st.dictionaries(keys, inner, max_size=3), min_size=1, max_size=3),
            ),
            max_leaves=8,
        ),
        max_size=4,
    )
)
def test_toml_reads_back_whatever_it_is_given(data: dict[str, object]) -> None:
    # surrogates cannot be encoded, in TOML as in any file
    text = to_toml(data)
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    assert tomllib.loads(text) == data
