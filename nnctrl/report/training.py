"""What a training did, in words, as data and as an ONNX file."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

from nnctrl.learning.imitation import ImitationResult
from nnctrl.learning.recipe import Recipe
from nnctrl.networks.onnx_export import onnx_bytes
from nnctrl.report.words import number
from nnctrl.verification.verdict import loaded_versions


def training_rows(recipe: Recipe, trained: ImitationResult) -> list[tuple[str, str]]:
    """Headings and sentences; the last one says how the closed loop behaves."""
    report = trained.report
    settings = ", ".join(f"{key} {value}" for key, value in recipe.settings.values().items())
    fits = ", ".join(
        f"{number(loss)} on {count} states" for loss, count in zip(report.losses, report.labelled, strict=True)
    )
    rows = [
        ("network", trained.network.architecture()),
        ("settings", settings),
        ("loss", f"{fits}; the expert refused {report.refused} states"),
        ("time", f"{report.wall_s:.1f} s"),
    ]
    judged = report.evaluation
    if judged is None:
        return [*rows, ("outcome", "not evaluated: the recipe has no requirements")]
    margins = ", ".join(f"{name} {number(margin)}" for name, margin in judged.margins.items())
    share = f"{100 * judged.success_rate:.4g} % of {judged.count} sampled trajectories satisfy all requirements"
    return [*rows, ("margins", f"{margins} (worst of the samples)"), ("outcome", f"{share}; samples prove nothing")]


def training_json(reference: str, recipe: Recipe, trained: ImitationResult, onnx: bytes) -> dict[str, Any]:
    """The figures as one JSON object."""
    return {
        "trained_from": reference,
        "network": {
            "architecture": trained.network.architecture(),
            "sha256": hashlib.sha256(onnx).hexdigest(),
        },
        "settings": recipe.settings.values(),
        **dataclasses.asdict(trained.report),
        "versions": loaded_versions(),
    }


def network_bytes(reference: str, recipe: Recipe, trained: ImitationResult) -> bytes:
    """The network as an ONNX file whose metadata say where it comes from."""
    metadata = {"trained_from": reference, **{key: str(value) for key, value in recipe.settings.values().items()}}
    return onnx_bytes(trained.network, metadata)
