"""A problem as plain data and as TOML text."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nnctrl.report.words import describe_set
from nnctrl.specs.moving import Moving
from nnctrl.specs.spec import Target
from nnctrl.specs.sublevel import Sublevel
from nnctrl.systems.controller import Controller
from nnctrl.systems.switched import SwitchedController
from nnctrl.verification.problem import Problem

if TYPE_CHECKING:
    from nnctrl.verification.problem import AnyRequirement


def problem_data(problem: Problem, settings: Mapping[str, object]) -> dict[str, Any]:
    """The problem as dictionaries, lists, texts and numbers; what is None is left out."""
    plant, controller = problem.closed_loop.plant, problem.closed_loop.controller
    origin = problem.network_origin
    return _without_none(
        {
            "name": problem.name,
            "description": " ".join(problem.description.split()) or None,
            "horizon": problem.horizon,
            "time_unit": problem.time_unit,
            "settings": dict(settings),
            "plant": {
                "type": plant.name,
                "dt": plant.dt,
                "states": dict(plant.states),
                "inputs": dict(plant.inputs),
                "disturbances": dict(plant.disturbances) or None,
                "outputs": dict(plant.outputs) or None,
                "parameters": dict(plant.parameters) or None,
                "ranges": dict(plant.ranges) or None,
            },
            "controller": {
                "network": controller.architecture(),
                "origin": None if origin is None else origin.source,
                "sha256": None if origin is None else origin.sha256 or None,
                "period": controller.period,
                **(_switching(controller) if isinstance(controller, SwitchedController) else _parts(controller)),
            },
            "initial_set": set_data(problem.initial_set),
            "requirements": [_requirement_data(name, item) for name, item in problem.requirements()],
        }
    )


def to_toml(data: Mapping[str, Any]) -> str:
    """TOML text of nested dictionaries whose lists of dictionaries become arrays of tables."""
    lines: list[str] = []
    _write_table(data, (), lines)
    return "\n".join(lines).strip() + "\n"


def set_data(target: Target) -> dict[str, Any]:
    """A set by its type and fields."""
    if isinstance(target, Sublevel):
        return {"type": "Sublevel", "inequality": describe_set(target, tuple(f"z{k}" for k in range(target.dim)))}
    if isinstance(target, Moving):
        return {"type": "Moving", "base": set_data(target.base), "velocity": target.velocity}
    return {"type": type(target).__name__, **_fields(target)}


def _parts(controller: Controller) -> dict[str, Any]:
    return {
        "delay": controller.delay or None,
        "memory": controller.memory_size or None,
        "noise": None if controller.noise is None else set_data(controller.noise),
        "saturation": None if controller.saturation is None else set_data(controller.saturation),
    }


def _switching(controller: SwitchedController) -> dict[str, Any]:
    return {
        "initial_mode": controller.initial,
        "inputs": dict(controller.inputs),
        "rules": [_fields(rule) for rule in controller.rules],
    }


def _requirement_data(name: str, requirement: AnyRequirement) -> dict[str, Any]:
    fields = {key: value for key, value in _fields(requirement).items() if key not in ("name", "target")}
    return {"id": name, "kind": requirement.kind, **fields, "target": set_data(requirement.target)}


def _fields(thing: Any) -> dict[str, Any]:
    """The constructor's arguments of a dataclass."""
    return {item.name: getattr(thing, item.name) for item in dataclasses.fields(thing) if item.init}


def _without_none(value: Any) -> Any:
    """The same without entries that are None; TOML has no word for them."""
    if isinstance(value, Mapping):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_without_none(item) for item in value]
    return value


def _write_table(table: Mapping[str, Any], path: tuple[str, ...], lines: list[str]) -> None:
    nested = {key: value for key, value in table.items() if isinstance(value, Mapping) or _is_table_list(value)}
    for key, value in table.items():
        if key not in nested:
            lines.append(f"{_key(key)} = {_value(value)}")
    for key, value in nested.items():
        inner = (*path, key)
        for item in [value] if isinstance(value, Mapping) else value:
            heading = ".".join(map(_key, inner))
            lines.append("")
            lines.append(f"[{heading}]" if isinstance(value, Mapping) else f"[[{heading}]]")
            _write_table(item, inner, lines)


def _is_table_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) for item in value)


def _key(key: str) -> str:
    return key if key and all(c.isascii() and (c.isalnum() or c in "-_") for c in key) else _text(key)


def _text(value: str) -> str:
    # JSON's escapes are those of TOML's basic strings, which also want DEL escaped
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return _value(value.tolist())
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating):
        # repr gives the shortest text that reads back as the same double, with a point or an exponent
        return repr(float(value))
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(item) for item in value)}]"
    return _text(str(value))
