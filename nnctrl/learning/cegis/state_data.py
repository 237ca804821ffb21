"""The state of a counterexample loop, all but the weights of its networks, as what strict JSON can hold, and back.

A state is read from a file that anything may have happened to, so that each value is looked at before it is taken.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.learning.cegis.state import Round, State
from nnctrl.learning.certified.focus import Focus
from nnctrl.learning.method import CurvePoint
from nnctrl.networks.network import Network
from nnctrl.verification.verdict import Reason, Verdict


def data_of(state: State) -> dict[str, Any]:
    """Everything of a state but its networks; what is not finite in its history and its curve is None."""
    focus = state.focus
    return {
        "rounds": state.rounds,
        "seconds": state.seconds,
        "best_round": state.best_round,
        "focus": {"size": focus.points.shape[1], **{name: rows.tolist() for name, rows in vars(focus).items()}},
        "history": [_strict(dataclasses.asdict(entry)) for entry in state.history],
        "curve": [_strict(dataclasses.asdict(point)) for point in state.curve],
    }


def state_of(data: Mapping[str, Any], networks: Mapping[str, Network | None], size: int) -> State:
    """The state with these `networks` whose data `data_of` gave, for a plant with `size` states.

    ValueError, KeyError, TypeError or OverflowError for data that no state has.
    """
    history = tuple(_round(entry, number) for number, entry in enumerate(_list(data["history"]), 1))
    state = State(
        focus=_focus(data["focus"], size),
        seconds=_number(data["seconds"], 0.0),
        best_round=_whole(data["best_round"], -1),
        history=history,
        curve=tuple(map(_point, _list(data["curve"]))),
        **networks,
    )
    if _whole(data["rounds"], 0) != state.rounds or state.best_round >= state.rounds:
        raise ValueError("the rounds are not those of the history")
    # every round leaves a network, and one of them is the best
    if {state.current is None, state.best is None, state.best_round < 0} != {state.rounds == 0}:
        raise ValueError("the networks are not those of the rounds")
    return state


def _focus(data: Mapping[str, Any], size: int) -> Focus:
    if _whole(data["size"], 1) != size:
        raise ValueError(f"the states have {data['size']} coordinates, not {size}")
    focus = Focus(*(_rows(data[name], size) for name in ("points", "lower", "upper")))
    if len(focus.lower) != len(focus.upper) or (focus.lower > focus.upper).any():
        raise ValueError("the ends of the boxes do not belong together")
    return focus


def _rows(value: Any, size: int) -> FloatArray:
    rows = [[_number(entry) for entry in _list(row)] for row in _list(value)]
    if any(len(row) != size for row in rows):
        raise ValueError(f"a row has not {size} entries")
    return np.array(rows, dtype=np.float64).reshape(-1, size)


def _round(entry: Mapping[str, Any], number: int) -> Round:
    if _whole(entry["number"], 1) != number:
        raise ValueError(f"round {number} is missing")
    return Round(
        number,
        _number(entry["seconds"], 0.0),
        Verdict(entry["verdict"]),
        Reason(entry["reason"]).value,
        _margin(entry["certified"]),
        _margin(entry["sampled"]),
        _whole(entry["points"], 0),
        _whole(entry["boxes"], 0),
    )


def _point(entry: Mapping[str, Any]) -> CurvePoint:
    return CurvePoint(
        _number(entry["seconds"], 0.0), _number(entry["size"], 0.0), _margin(entry["loss"]), _margin(entry["violation"])
    )


def _margin(value: Any) -> float:
    """A number, or nan for what was not finite."""
    return math.nan if value is None else _number(value)


def _number(value: Any, least: float = -math.inf) -> float:
    if type(value) not in (int, float) or not math.isfinite(value) or value < least:
        raise ValueError(f"{value!r} is no finite number from {least} on")
    return float(value)


def _whole(value: Any, least: int) -> int:
    if type(value) is not int or value < least:
        raise ValueError(f"{value!r} is no whole number from {least} on")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list")
    return value


def _strict(entry: dict[str, Any]) -> dict[str, Any]:
    """JSON has neither infinity nor nan."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in entry.items()
    }
