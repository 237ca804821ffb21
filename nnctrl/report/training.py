"""What a training did, in words, as data and as an ONNX file."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from nnctrl.learning.imitation import ImitationReport, ImitationResult
from nnctrl.learning.recipe import Recipe
from nnctrl.networks.onnx_export import onnx_bytes
from nnctrl.report.toml import set_data
from nnctrl.report.words import number, number_above, number_below
from nnctrl.verification.verdict import loaded_versions

if TYPE_CHECKING:
    from nnctrl.learning.imitation_error.largest import ImitationError


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
        *(("error", _error_words(error, tuple(recipe.plant.inputs))) for error in report.errors),
    ]
    judged = report.evaluation
    if judged is None:
        return [*rows, ("outcome", "not evaluated: the recipe has no requirements")]
    margins = ", ".join(f"{name} {number(margin)}" for name, margin in judged.margins.items())
    share = f"{100 * judged.success_rate:.4g} % of {judged.count} sampled trajectories satisfy all requirements"
    return [*rows, ("margins", f"{margins} (worst of the samples)"), ("outcome", f"{share}; samples prove nothing")]


def _error_words(error: ImitationError, inputs: tuple[str, ...]) -> str:
    """The largest errors of every input, certified ones rounded up and attained ones down."""
    said = []
    if error.certified is not None and error.attained is not None:
        ends = zip(inputs, error.certified, error.attained, strict=True)
        bounds = (f"{name} {number_above(high)} (attained {number_below(low)})" for name, high, low in ends)
        said.append(f"at most {', '.join(bounds)}, certified for the law in real arithmetic")
    if error.remark:
        said.append(error.remark)
    if error.sampled is None:
        said.append("the expert refused most of the states sampled")
    else:
        largest = ", ".join(f"{name} {number(value)}" for name, value in zip(inputs, error.sampled, strict=True))
        said.append(f"largest of {error.samples} samples {largest}")
    return f"over the {error.about}: {'; '.join(said)}"


def training_json(reference: str, recipe: Recipe, trained: ImitationResult, onnx: bytes) -> dict[str, Any]:
    """The figures as one JSON object."""
    report = trained.report
    judged = None if report.evaluation is None else dataclasses.asdict(report.evaluation)
    return {
        "trained_from": reference,
        "network": {
            "architecture": trained.network.architecture(),
            "sha256": hashlib.sha256(onnx).hexdigest(),
        },
        "settings": recipe.settings.values(),
        **{**_fields(report), "evaluation": judged, "errors": [error_data(error) for error in report.errors]},
        "versions": loaded_versions(),
    }


def error_data(error: ImitationError) -> dict[str, Any]:
    """The figures of an error with its sets."""
    sets = [{key: np.asarray(value).tolist() for key, value in set_data(region).items()} for region in error.regions]
    return {**_fields(error), "regions": sets}


def _fields(record: ImitationError | ImitationReport) -> dict[str, Any]:
    return {item.name: getattr(record, item.name) for item in dataclasses.fields(record)}


def network_bytes(reference: str, recipe: Recipe, trained: ImitationResult) -> bytes:
    """The network as an ONNX file whose metadata say where it comes from."""
    metadata = {"trained_from": reference, **{key: str(value) for key, value in recipe.settings.values().items()}}
    return onnx_bytes(trained.network, metadata)
