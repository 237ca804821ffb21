"""What a task is, as one hash: work that was begun for one task is not continued for another."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from nnctrl.learning.method import SynthesisSettings
from nnctrl.learning.task import Task
from nnctrl.specs.sublevel import Sublevel
from nnctrl.systems.plant import Plant


def fingerprint(task: Task, settings: SynthesisSettings) -> str:
    """SHA-256 of everything that decides which networks solve `task`, and of the `settings` that they are made with.

    The dynamics and inequalities count as their tapes, so that another constant is another task; names
    for people and what pictures show do not count.
    """
    what = {
        "plant": _plant(task.plant),
        "initial_set": task.initial_set,
        "spec": list(task.spec.items()),
        "horizon": task.horizon,
        "period": task.period,
        "hidden": task.hidden,
        "activation": task.activation,
        "expert": task.expert,
        "verification": task.settings,
        "settings": settings.values(),
    }
    return hashlib.sha256(json.dumps(_plain(what), sort_keys=True).encode()).hexdigest()


def _plant(plant: Plant) -> dict[str, Any]:
    signals = (plant.states, plant.inputs, plant.disturbances, plant.outputs)
    return {
        "names": [list(names) for names in signals],
        "parameters": list(plant.parameters.items()),
        "ranges": plant.ranges,
        "dt": plant.dt,
        # a tape writes its results to places that its instructions do not name
        "tapes": [plant.tape, plant.output_tape if plant.outputs else None],
    }


def _plain(value: Any) -> Any:
    """What JSON can hold; doubles are written with all their digits."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float | np.number):
        return repr(float(value))
    if isinstance(value, np.ndarray):
        return [list(value.shape), [repr(float(entry)) for entry in value.ravel()]]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Sublevel):
        return ["Sublevel", _plain(value.value_tape)]
    if dataclasses.is_dataclass(value):
        fields = {item.name: getattr(value, item.name) for item in dataclasses.fields(value) if item.init}
        return [type(value).__name__, _plain(fields)]
    return [type(value).__name__, _plain(vars(value))]
