"""Named signals: what a plant declares about its states, inputs, disturbances and outputs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from nnctrl.errors import DimensionError, InputError, UnknownNameError

Units = Mapping[str, str]
"""Signal names in order, each with its unit ("rad", "m/s"; "1" for a pure number)."""

Names = Units | tuple[str, ...] | list[str] | None
"""The same, or plain names (unit 1), or None for default names."""


def check_names(owner: str, groups: Mapping[str, Units]) -> None:
    """Refuse names and units that are no non-empty strings, and a name used twice anywhere in `groups`."""
    seen: dict[str, str] = {}
    for kind, units in groups.items():
        if not isinstance(units, Mapping):
            raise InputError(f"{kind} of '{owner}' are {units!r}; give a dictionary of names and units")
        for name, unit in units.items():
            if not (isinstance(name, str) and name and isinstance(unit, str) and unit):
                raise InputError(
                    f"{kind} of '{owner}' contain {name!r}: {unit!r}; give a name and a unit ('1' for a pure number)"
                )
            if name in seen:
                raise InputError(
                    f"'{owner}' has the name '{name}' among its {seen[name]} and its {kind}; names must differ"
                )
            seen[name] = kind


def interval_of(owner: str, name: str, value: Any) -> tuple[float, float]:
    """`value` as (low, high): a number means both; refused unless finite and ordered."""
    try:
        low, high = (float(value), float(value)) if not isinstance(value, tuple | list) else map(float, value)
    except (TypeError, ValueError) as error:
        raise InputError(f"'{name}' of '{owner}' is {value!r}; give a number or a pair (low, high)") from error
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise InputError(f"'{name}' of '{owner}' is ({low}, {high}); give finite numbers with low <= high")
    return low, high


def check_keys(owner: str, what: str, given: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Refuse keys of `given` that are not names in `known`, with the nearest name as the remedy."""
    for name in given:
        if name not in known:
            raise UnknownNameError.among(f"{what} of '{owner}'", name, known)


def default_names(letter: str, count: int) -> dict[str, str]:
    """Names x1, x2, ... of unit 1."""
    return {f"{letter}{k + 1}": "1" for k in range(count)}


def name_signals(letter: str, count: int, given: Names) -> dict[str, str]:
    """`given` as names with units (a plain list of names gets unit 1), or the default names; the count must agree."""
    if given is None:
        return default_names(letter, count)
    if not isinstance(given, Mapping | list | tuple):
        raise InputError(
            f"the names of the signals '{letter}' are {given!r}, which have no order; give a dictionary of names and "
            "units, or a list"
        )
    named = dict(given) if isinstance(given, Mapping) else dict.fromkeys(given, "1")
    if len(named) != count:
        raise DimensionError(
            f"{len(named)} distinct names ({', '.join(named)}) were given for {count} signals '{letter}'; give {count}"
        )
    return named
