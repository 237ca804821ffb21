"""Bounds from the names and words that the command line and settings use."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from nnctrl.bounds.base import AbstractBound
from nnctrl.bounds.first_order import FirstOrderBound
from nnctrl.bounds.lipschitz import AbstractLipschitz, LipLT, NaiveLipschitz
from nnctrl.bounds.lipsdp import LipSDP
from nnctrl.bounds.optimal_lipschitz import OptimalLipLT
from nnctrl.bounds.tightest import TightestOf
from nnctrl.bounds.zeroth_order import ZerothOrderBound
from nnctrl.errors import InputError

LIPSCHITZ: dict[str, AbstractLipschitz] = {
    "naive": NaiveLipschitz(),
    "liplt": LipLT(),
    "liplt-global": LipLT(everywhere=True),
    "liplt-optimal": OptimalLipLT(),
    "lipsdp": LipSDP(),
}

NORMS = {"1": 1.0, "2": 2.0, "inf": math.inf}

WORDS: dict[str, Mapping[str, Any]] = {"lipschitz": LIPSCHITZ, "norm": NORMS}
"""Options whose values are words for something else; the others are taken as they are."""


def make_bound(name: str, kind: type[AbstractBound], options: Mapping[str, object]) -> AbstractBound:
    """The bound `kind`, registered as `name`, with those `options` that are not None.

    InputError for an option that it does not have, naming those that it has.
    """
    given = {
        key: WORDS[key][str(value)] if key in WORDS else value for key, value in options.items() if value is not None
    }
    known = _keys(kind)
    unknown = sorted(set(given) - known)
    if unknown:
        remedy = f"it takes {', '.join(sorted(known & set(options)))}" if known & set(options) else "it takes none"
        raise InputError(f"the bound '{name}' has no key '{unknown[0]}'; {remedy}")
    if kind is TightestOf:
        return TightestOf(tuple(_configured(part, given) for part in (ZerothOrderBound, FirstOrderBound)))
    return _configured(kind, given)


def _keys(kind: type[AbstractBound]) -> set[str]:
    if kind is TightestOf:
        return _keys(ZerothOrderBound) | _keys(FirstOrderBound)
    return {field.name for field in dataclasses.fields(kind)} if dataclasses.is_dataclass(kind) else set()


def _configured(kind: type[AbstractBound], given: Mapping[str, Any]) -> AbstractBound:
    return kind(**{key: value for key, value in given.items() if key in _keys(kind)})
