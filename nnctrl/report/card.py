"""Provenance cards: what is kept beside the file of a trained network, so that it can be judged and trained again."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import platform
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from nnctrl.report.toml import set_data, to_toml
from nnctrl.sets.base import AbstractSet
from nnctrl.systems.expert import Expert

if TYPE_CHECKING:
    from nnctrl.learning.imitation import ImitationResult
    from nnctrl.learning.imitation_error.largest import ImitationError
    from nnctrl.learning.recipe import Recipe

PACKAGES = ("numpy", "scipy", "torch", "casadi")
"""What the weights depend on besides recipe, seed and processor."""


def card_text(command: str, recipe: Recipe, result: ImitationResult, file: str, content: bytes) -> str:
    """TOML text about the network in the file called `file`: the `result` of the `recipe` that `command` followed."""
    report = result.report
    judged = report.evaluation
    card: dict[str, Any] = {
        "file": file,
        "sha256": hashlib.sha256(content).hexdigest(),
        "network": result.network.architecture(),
        "trained_by": command,
        "plant": recipe.plant.name,
        "horizon": recipe.horizon,
        "expert": {"type": type(recipe.expert).__name__, **_arguments(recipe.expert)},
        "initial_set": set_data(recipe.initial_set),
        "settings": recipe.settings.values(),
        "training": {"losses": report.losses, "labelled": report.labelled, "refused": report.refused},
        **({} if judged is None else {"evaluation": dataclasses.asdict(judged)}),
        "imitation_error": [_error(error) for error in report.errors],
        **machine_data(),
    }
    return to_toml(card)


def machine_data() -> dict[str, Any]:
    """What weights depend on besides the method, its settings and seed."""
    import torch

    return {
        # sums are taken in another order on other processors, so the last bits of the weights differ
        "processor": {"machine": platform.machine(), "vectors": torch.backends.cpu.get_cpu_capability()},
        "versions": {"python": platform.python_version(), **{package: version(package) for package in PACKAGES}},
    }


def _error(error: ImitationError) -> dict[str, Any]:
    """The figures of an error without its sets: the initial set is in the card, the others follow from the seed."""
    shown = ("about", "certified", "attained", "sampled", "samples", "remark")
    return {name: getattr(error, name) for name in shown if getattr(error, name) not in (None, "")}


def _arguments(expert: Expert) -> dict[str, Any]:
    """The constructor's arguments, where the expert keeps them as attributes of the same name."""
    names = [name for name in inspect.signature(type(expert)).parameters if hasattr(expert, name)]
    return {name: _plain(getattr(expert, name)) for name in names}


def _plain(value: Any) -> Any:
    if isinstance(value, AbstractSet):
        return set_data(value)
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
