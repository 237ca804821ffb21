"""Typed settings: dataclass fields that `--set key=value` reaches, and the settings of engines and budgets.

A settings class is a frozen dataclass derived from `Settings`; each field made with `setting` is one key, with a
type, a default, a sentence and perhaps a unit and a range. Text from the command line and values from Python take the
same checks.
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Self, TypeVar, Union, get_args, get_origin, get_type_hints

from nnctrl import registry
from nnctrl.errors import InputError, UnknownNameError

T = TypeVar("T")

LARGEST_SEED = 2**63 - 1
"""What every random-number generator takes."""

TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def setting(
    default: T,
    help: str,
    *,
    unit: str = "",
    minimum: float | None = None,
    above: float | None = None,
    maximum: float | None = None,
) -> T:
    """A field of a `Settings` class: a key with a default, a sentence, a unit, and a range that its numbers keep to.

    `minimum` and `maximum` belong to the range, `above` does not.
    """
    metadata = {"help": help, "unit": unit, "minimum": minimum, "above": above, "maximum": maximum}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Key:
    """One key of a settings class, for tables and messages."""

    name: str
    type: Any
    default: object
    help: str
    unit: str
    minimum: float | None
    above: float | None
    maximum: float | None

    @property
    def type_words(self) -> str:
        """The type for people: 'a number > 0 (m)'."""
        unit = f" ({self.unit})" if self.unit else ""
        limits = [
            f"{sign} {limit:g}"
            for sign, limit in ((">=", self.minimum), (">", self.above), ("<=", self.maximum))
            if limit is not None
        ]
        span = f" {' and '.join(limits)}" if limits else ""
        return f"{_words(self.type)}{span}{unit}"

    def read(self, text: str) -> object:
        """`text` as a value of the key's type and range; InputError naming both otherwise."""
        for kind in _alternatives(self.type):
            value = _read(kind, text)
            if value is not _UNREADABLE:
                return self.check(value)
        raise self._wrong(text)

    def check(self, value: object) -> object:
        """`value` if it has the key's type and range, else InputError; an int where a float is meant becomes one."""
        kinds = _alternatives(self.type)
        if type(value) is int and float in kinds and int not in kinds:
            try:
                value = float(value)
            except OverflowError:
                raise self._wrong(value) from None
        numbers = value if isinstance(value, tuple) else (value,)
        if not any(_is(kind, value) for kind in kinds) or not all(map(self._in_range, numbers)):
            raise self._wrong(value)
        return value

    def _in_range(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return True
        return (
            # an integer may be too large to be asked
            (isinstance(value, int) or math.isfinite(value))
            and (self.minimum is None or value >= self.minimum)
            and (self.above is None or value > self.above)
            and (self.maximum is None or value <= self.maximum)
        )

    def _wrong(self, value: object) -> InputError:
        near = get_close_matches(str(value), get_args(self.type), n=1) if get_origin(self.type) is Literal else []
        remedy = f"did you mean '{near[0]}'?" if near else f"the default is {self.default}."
        return InputError(f"the key '{self.name}' takes {self.type_words}, not '{value}'; {remedy}")


@dataclass(frozen=True)
class Settings:
    """Base of frozen dataclasses whose fields are typed keys; the constructor checks types and ranges (InputError)."""

    def __post_init__(self) -> None:
        for key in type(self).declared_keys():
            object.__setattr__(self, key.name, key.check(getattr(self, key.name)))

    @classmethod
    def declared_keys(cls) -> tuple[Key, ...]:
        """The keys in order of declaration."""
        hints = get_type_hints(cls)
        names = ("help", "unit", "minimum", "above", "maximum")
        fields = [item for item in dataclasses.fields(cls) if "help" in item.metadata]
        return tuple(
            Key(item.name, hints[item.name], item.default, *(item.metadata[name] for name in names)) for item in fields
        )

    def updated(self, values: Mapping[str, object]) -> Self:
        """A copy with `values` in place of its own, text read as the key's type; UnknownNameError for unknown keys."""
        known = {key.name: key for key in type(self).declared_keys()}
        read: dict[str, Any] = {}
        for name, value in values.items():
            if name not in known:
                raise UnknownNameError.among("key", name, known)
            read[name] = known[name].read(value) if isinstance(value, str) else value
        return dataclasses.replace(self, **read)

    def values(self) -> dict[str, object]:
        """Key and value, as JSON and TOML can hold them."""
        plain = {key.name: getattr(self, key.name) for key in type(self).declared_keys()}
        return {name: str(value) if isinstance(value, Path) else value for name, value in plain.items()}


def parse_assignments(texts: tuple[str, ...]) -> dict[str, str]:
    """`("a=1", "b=2")` as a mapping; the last of equal keys wins."""
    result = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise InputError(f"--set takes key=value, not '{text}'; write for example --set horizon=10")
        result[name.strip()] = value.strip()
    return result


_UNREADABLE = object()


def _read(kind: Any, text: str) -> object:
    """`text` read as `kind`, or _UNREADABLE."""
    if kind is type(None):
        return None if text.lower() == "none" else _UNREADABLE
    if get_origin(kind) is tuple:
        items = [_read(get_args(kind)[0], part.strip()) for part in text.split(",")]
        return _UNREADABLE if _UNREADABLE in items else tuple(items)
    if get_origin(kind) is Literal:
        return text if text in get_args(kind) else _UNREADABLE
    if kind is bool:
        return TRUTH.get(text.lower(), _UNREADABLE)
    if kind is int:
        # a float has too few digits for a large seed
        with suppress(ValueError):
            return int(text)
    if kind in (int, float):
        try:
            number = float(text)
        except ValueError:
            return _UNREADABLE
        if kind is float:
            return number
        # 1e5 is an integer to people
        return int(number) if math.isfinite(number) and number == int(number) else _UNREADABLE
    return kind(text) if text else _UNREADABLE


def _is(kind: Any, value: object) -> bool:
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(_is(get_args(kind)[0], item) for item in value)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, kind)


def _alternatives(kind: Any) -> tuple[Any, ...]:
    """The members of a union, None first so that 'none' is not taken for a string."""
    if get_origin(kind) in (Union, types.UnionType):
        return tuple(sorted(get_args(kind), key=lambda member: member is not type(None)))
    return (kind,)


def _words(kind: Any) -> str:
    members = _alternatives(kind)
    if len(members) > 1:
        return " or ".join(_words(member) for member in sorted(members, key=lambda member: member is type(None)))
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(map(str, get_args(kind)))
    if get_origin(kind) is tuple:
        return f"{_words(get_args(kind)[0]).removeprefix('a ').removeprefix('an ')}s separated by commas"
    names = {
        bool: "true or false",
        int: "an integer",
        float: "a number",
        str: "a text",
        Path: "a file",
        type(None): "none",
    }
    return names.get(kind, getattr(kind, "__name__", str(kind)))


@dataclass(frozen=True)
class BranchAndBoundSettings(Settings):
    """What the engine `branch-and-bound` takes."""

    eps: float = setting(1e-2, "accuracy of every support value of reach against an attained one", above=0.0)
    mode: Literal["per-step", "k-step", "combined"] = setting(
        "combined",
        "restart from an enclosure at every step, bound the unrolled steps at once, or take the tighter of both",
    )
    directions: tuple[float, ...] | None = setting(
        None, "directions that reach bounds besides the principal ones, one number per state each, one after another"
    )
    bound: str = setting("taylor", "the bound that nodes are evaluated with in reach (nnctrl list bounds)")
    lipschitz: Literal["naive", "liplt", "liplt-global", "liplt-optimal", "lipsdp"] | None = setting(
        None, "Lipschitz constants of the bounds zeroth-order, first-order and tightest; by default liplt"
    )
    tail: Literal["recursion", "liplt", "least"] | None = setting(
        None, "how the Hessian norm of first-order and tightest bounds later layers; by default the least of both"
    )
    expansion: Literal["centre", "optimised"] | None = setting(
        None, "where first-order and tightest expand; by default at the centre"
    )
    norm: Literal["1", "2", "inf"] | None = setting(None, "the norm of zeroth-order and tightest; by default 2")
    maximum: Literal["dual", "sdp", "vertices", "least"] | None = setting(
        None, "how hessian-matrix bounds its quadratic; by default the dual"
    )
    splitting: Literal["blame", "longest-edge", "sensitivity", "best-bound"] = setting(
        "blame", "which coordinate of a box reach cuts: by the bound's blame, length, gradient, or by trying all"
    )
    pieces: int = setting(2, "parts that reach cuts a box into", minimum=2, maximum=64)
    refresh: int = setting(
        1, "levels after which Lipschitz constants and Hessian norms are computed anew; 0: only at the root", minimum=0
    )
    smallest_part: float = setting(
        2.0**-12, "verify splits the initial set down to parts of this relative edge length", above=0.0, maximum=1.0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.bound not in registry.names("bounds"):
            raise UnknownNameError.among("bound", self.bound, registry.names("bounds"))


@dataclass(frozen=True)
class PolynomialSettings(Settings):
    """What the engine `polynomial` takes."""

    degree: int | None = setting(
        None,
        "degree of the polynomials in the symbols; by default 4 for at most 3 symbols, else 3",
        minimum=1,
        maximum=8,
    )
    generators: int | None = setting(
        None, "independent symbols kept at each sample; by default 16 per state, at least 120", minimum=1
    )
    order: int | None = setting(None, "order of the Taylor polynomials in time; by default 4", minimum=1, maximum=12)
    smallest_part: float = setting(
        2.0**-12, "verify splits the initial set down to parts of this relative edge length", above=0.0, maximum=1.0
    )
    parts: int = setting(
        1, "parts that reach may cut the initial set into; more make the sets tighter", minimum=1, maximum=100_000
    )


@dataclass(frozen=True)
class Budget(Settings):
    """What a run may spend; an exhausted budget is UNKNOWN, never a verdict."""

    timeout_s: float = setting(900.0, "wall-clock time", unit="s", above=0.0)
    memory_gb: float = setting(8.0, "peak resident memory of the process", unit="GB", above=0.0)
    nodes: int | None = setting(None, "bound evaluations of one pair (box, direction); none: no limit", minimum=1)
    jobs: int | None = setting(
        None, "processes that follow parts of the initial set; none: one for each processor", minimum=1, maximum=1024
    )
