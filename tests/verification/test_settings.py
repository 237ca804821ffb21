"""Typed keys: text and values, ranges, and messages that name the key, the type and the nearest name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from nnctrl.errors import InputError, UnknownNameError
from nnctrl.verification.settings import BranchAndBoundSettings, Budget, Settings, parse_assignments, setting


@dataclass(frozen=True)
class Everything(Settings):
    flag: bool = setting(False, "a switch")
    count: int = setting(3, "a count", minimum=1, maximum=10)
    size: float = setting(0.5, "a size", unit="m", above=0.0)
    name: str = setting("a", "a text")
    file: Path | None = setting(None, "a file")
    limit: int | None = setting(None, "a limit", minimum=1)
    mode: Literal["fast", "careful"] = setting("fast", "how")
    radii: tuple[float, ...] = setting((1.0, 2.0), "radii", above=0.0)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("flag", "true", True),
        ("flag", "NO", False),
        ("count", "7", 7),
        ("count", "1e1", 10),
        ("size", "2", 2.0),
        ("size", "1e-3", 1e-3),
        ("name", "none of these", "none of these"),
        ("file", "a/b.onnx", Path("a/b.onnx")),
        ("file", "none", None),
        ("limit", "4", 4),
        ("limit", "None", None),
        ("mode", "careful", "careful"),
        ("radii", "0.1, 0.2,0.3", (0.1, 0.2, 0.3)),
        ("radii", "4", (4.0,)),
    ],
)
def test_text_is_read_as_the_type(key: str, text: str, value: object) -> None:
    found = getattr(Everything().updated({key: text}), key)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("flag", "maybe", "the key 'flag' takes true or false, not 'maybe'; the default is False."),
        ("count", "ten", "the key 'count' takes an integer >= 1 and <= 10, not 'ten'; the default is 3."),
        ("count", "2.5", "takes an integer >= 1 and <= 10, not '2.5'"),
        ("count", "0", "takes an integer >= 1"),
        ("count", "11", "<= 10, not '11'"),
        ("count", "inf", "takes an integer"),
        ("size", "0", r"the key 'size' takes a number > 0 \(m\), not '0.0'"),
        ("size", "nan", "takes a number"),
        ("size", "inf", "takes a number"),
        ("size", "1,2", "takes a number"),
        ("name", "", "takes a text"),
        ("limit", "0", "takes an integer or none >= 1"),
        ("mode", "carefull", "takes one of fast, careful, not 'carefull'; did you mean 'careful'?"),
        ("radii", "1,x", "takes numbers separated by commas > 0"),
        ("radii", "1,-1", "takes numbers separated by commas > 0"),
    ],
)
def test_wrong_text_names_key_type_and_remedy(key: str, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Everything().updated({key: text})


def test_unknown_key_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown key 'cuont'; did you mean 'count'\?"):
        Everything().updated({"cuont": "3"})


@pytest.mark.parametrize(
    "values", [{"count": 2.5}, {"count": True}, {"size": "0.5"}, {"size": float("nan")}, {"mode": "slow"}]
)
def test_constructor_checks_values_too(values: dict[str, object]) -> None:
    with pytest.raises(InputError, match="takes"):
        Everything(**values)  # type: ignore[arg-type]


def test_integers_serve_as_numbers() -> None:
    assert type(Everything(size=2).size) is float


def test_values_are_plain() -> None:
    assert Everything(file=Path("x")).values() == {
        "flag": False,
        "count": 3,
        "size": 0.5,
        "name": "a",
        "file": "x",
        "limit": None,
        "mode": "fast",
        "radii": (1.0, 2.0),
    }


def test_type_words() -> None:
    words = {key.name: key.type_words for key in Everything.declared_keys()}
    assert words["file"] == "a file or none"
    assert words["size"] == "a number > 0 (m)"
    assert words["radii"] == "numbers separated by commas > 0"


def test_assignments() -> None:
    assert parse_assignments(("a=1", " b = x=y ", "a=2")) == {"a": "2", "b": "x=y"}
    with pytest.raises(InputError, match="--set takes key=value, not 'horizon'"):
        parse_assignments(("horizon",))
    with pytest.raises(InputError, match="--set takes key=value"):
        parse_assignments(("=3",))


def test_budget_defaults_are_the_documented_ones() -> None:
    assert Budget().values() == {"timeout_s": 900.0, "memory_gb": 8.0, "nodes": None, "jobs": None}
    for values in ({"timeout_s": 0.0}, {"timeout_s": float("nan")}, {"memory_gb": -1.0}, {"nodes": 0}):
        with pytest.raises(InputError, match="takes"):
            Budget(**values)  # type: ignore[arg-type]


def test_engine_settings_have_a_sentence_each() -> None:
    assert all(key.help for key in BranchAndBoundSettings.declared_keys())


def test_integers_keep_all_their_digits() -> None:
    assert Everything().updated({"limit": str(2**62 + 1)}).limit == 2**62 + 1
    with pytest.raises(InputError):
        Everything().updated({"count": "9" * 5000})


def test_integers_too_large_for_a_float_are_refused_where_a_number_is_meant() -> None:
    with pytest.raises(InputError, match="takes a number"):
        Budget(timeout_s=10**400)  # type: ignore[arg-type]
