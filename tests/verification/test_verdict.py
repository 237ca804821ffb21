"""Results: invariants that keep a verdict honest, and the JSON object."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from nnctrl.networks.network import Origin
from nnctrl.reachability.flowpipe import Flowpipe, FlowpipeStep
from nnctrl.sets.box import Box
from nnctrl.verification.verdict import Counterexample, Reason, RequirementResult, Result, Statistics, Verdict

KEYS = [
    "problem", "verdict", "reason", "remedy", "requirements", "wall_s", "cpu_s", "peak_bytes", "engine", "settings",
    "arithmetic", "network", "time_unit", "statistics", "reach", "counterexample", "versions",
]  # fmt: skip
"""The keys of the JSON object, a contract with scripts."""


def requirement(verdict: Verdict = Verdict.VERIFIED) -> RequirementResult:
    return RequirementResult("avoid-1", verdict, 0.25, math.nan)


def counterexample() -> Counterexample:
    return Counterexample(
        x0=np.array([0.1, 0.2]),
        w=np.zeros((1, 0)),
        t=np.array([0.0, 1.0]),
        x=np.array([[0.1, 0.2], [np.inf, 0.4]]),
        u=np.array([[0.5]]),
        requirement="avoid-1",
        violation=0.125,
    )


def result(**changes: Any) -> Result:
    fields: dict[str, Any] = {
        "problem": "cart",
        "verdict": Verdict.VERIFIED,
        "reason": Reason.PROVED,
        "requirements": (requirement(),),
        "wall_s": 1.5,
        "cpu_s": 2.5,
        "peak_bytes": 1000,
        "engine": "branch-and-bound",
        "settings": {"eps": 0.01},
        "arithmetic": "float64, rounded outward",
        "network": Origin("cart.onnx", "ab" * 32),
        "time_unit": "step",
        "statistics": Statistics(nodes=12),
    }
    return Result(**{**fields, **changes})


def test_every_reason_has_a_sentence_and_a_remedy() -> None:
    for reason in Reason:
        assert reason.sentence.endswith(".")
        assert reason.remedy.endswith(".")
    assert [reason.value for reason in Reason] == [
        "proved", "counterexample", "node-budget", "time-budget", "memory-budget", "split-limit", "enclosure-diverged",
        "domain-left", "solver-inaccurate", "unsupported", "sample-budget",
    ]  # fmt: skip


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.PROVED])
def test_verified_needs_a_proof(reason: Reason) -> None:
    with pytest.raises(ValueError, match="go together"):
        result(reason=reason)


@pytest.mark.parametrize("reason", [Reason.PROVED, Reason.COUNTEREXAMPLE])
def test_unknown_is_neither_proved_nor_refuted(reason: Reason) -> None:
    with pytest.raises(ValueError, match="go together"):
        result(verdict=Verdict.UNKNOWN, reason=reason, counterexample=counterexample())


def test_falsified_needs_its_counterexample() -> None:
    with pytest.raises(ValueError, match="must carry its counterexample"):
        result(verdict=Verdict.FALSIFIED, reason=Reason.COUNTEREXAMPLE)


def test_verified_needs_every_requirement() -> None:
    with pytest.raises(ValueError, match="not verified"):
        result(requirements=(requirement(), requirement(Verdict.UNKNOWN)))


def test_unknown_keeps_a_candidate() -> None:
    kept = result(
        verdict=Verdict.UNKNOWN,
        reason=Reason.SOLVER_INACCURATE,
        requirements=(requirement(Verdict.UNKNOWN),),
        counterexample=counterexample(),
    )
    assert kept.to_json()["counterexample"]["requirement"] == "avoid-1"


def test_json_has_exactly_the_documented_keys() -> None:
    data = result().to_json()
    assert list(data) == KEYS
    assert data["requirements"] == [
        {"id": "avoid-1", "verdict": "VERIFIED", "margin_certified": 0.25, "margin_sampled": None}
    ]
    assert data["network"] == {"sha256": "ab" * 32, "origin": "cart.onnx"}
    assert data["statistics"] == {"nodes": 12, "directions": 0, "gap": None, "parts": 0, "splits": 0, "steps": 0}
    assert data["counterexample"] is None
    assert data["reach"] == []
    assert data["versions"]["numpy"] == np.__version__


def test_json_of_a_counterexample_and_a_flowpipe() -> None:
    steps = (
        FlowpipeStep((0.0, 0.0), (Box([0.0, 0.0], [1.0, 1.0]),)),
        FlowpipeStep(
            (1.0, 1.0),
            (Box([0.0, 0.0], [1.0, 1.0]), Box([2.0, 0.0], [3.0, 1.0])),
            (np.array([[1.0, 1.0]]), np.array([3.5])),
        ),
    )
    data = result(
        verdict=Verdict.FALSIFIED,
        reason=Reason.COUNTEREXAMPLE,
        requirements=(requirement(Verdict.FALSIFIED),),
        counterexample=counterexample(),
        flowpipe=Flowpipe(("p", "v"), steps),
    ).to_json()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert data["counterexample"] == {
        "x0": [0.1, 0.2],
        "w": [[]],
        "w_names": [],
        "t": [0.0, 1.0],
        "x": [[0.1, 0.2], [None, 0.4]],
        "u": [[0.5]],
        "requirement": "avoid-1",
        "violation": 0.125,
    }
    first, second = data["reach"]
    assert list(first) == ["t", "lower", "upper", "directions", "support"]
    assert first["directions"] == [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [-0.0, -1.0]]
    assert second["t"] == [1.0, 1.0]
    assert (second["lower"], second["directions"]) == ([0.0, 0.0], [[1.0, 1.0]])
    assert second["upper"][0] >= 3.0
    # the bound that the step was given, which may be tighter than that of its sets
    assert second["support"] == [3.5]
