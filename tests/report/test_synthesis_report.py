"""The report of a synthesis: what it says without a network, without a picture, and with many lines."""

from __future__ import annotations

import dataclasses
import json
import math
import tomllib
from pathlib import Path

import pytest

from nnctrl.learning.method import Attempt, CurvePoint
from nnctrl.learning.synthesis import SynthesisOutcome, synthesise
from nnctrl.report import synthesis as report
from nnctrl.report.synthesis import (
    COMPARISON,
    outcome_sentence,
    synthesis_card,
    synthesis_json,
    synthesis_rows,
    write_synthesis,
)
from tests.learning.synthesis_tasks import ToldMethod, braking, braking_task


@pytest.fixture(scope="module")
def made() -> SynthesisOutcome:
    return synthesise(braking_task(), ToldMethod(braking(0.6)))


def test_a_picture_that_fails_costs_nothing_else(
    made: SynthesisOutcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "training_png", lambda curve: 1 / 0)
    excuse = write_synthesis(tmp_path, made)
    assert excuse is not None
    assert "ZeroDivisionError" in excuse
    assert {file.name for file in tmp_path.iterdir()} == {"report.md", "result.json", "picture.png"}
    page = (tmp_path / "report.md").read_text()
    assert "](picture.png)" in page
    assert "training.png" not in page


def test_the_page_is_of_the_verifier_first(made: SynthesisOutcome, tmp_path: Path) -> None:
    assert write_synthesis(tmp_path, dataclasses.replace(made, before=made.after)) is None
    page = (tmp_path / "report.md").read_text()
    assert page.index("certified margin") < page.index("## Synthesis") < page.index(f"]({COMPARISON})")
    assert "- stopped: it is perfect" in page
    assert "on 100 % of the initial set, with a bound of -0.6 on the violation there" in page


def test_lines_of_a_method_stay_lines(made: SynthesisOutcome) -> None:
    attempt = Attempt(None, "two\nlines", notes=("one", "two"))
    rows = synthesis_rows(dataclasses.replace(made, attempt=attempt, after=None))
    assert [label for label, _ in rows] == ["method", "keys", "", "", "stopped", "time"]


def test_json_is_strict_whatever_training_did(made: SynthesisOutcome) -> None:
    curve = (CurvePoint(0.0, 0.5, math.inf, math.nan),)
    odd = dataclasses.replace(made, attempt=dataclasses.replace(made.attempt, curve=curve))
    data = json.loads(json.dumps(synthesis_json(odd), allow_nan=False))
    assert data["synthesis"]["curve"] == [{"seconds": 0.0, "size": 0.5, "loss": None, "violation": None}]


def test_a_proof_that_there_is_no_controller_is_no_verdict(made: SynthesisOutcome) -> None:
    attempt = Attempt(None, "the goal is too far", impossible=True)
    outcome = dataclasses.replace(made, attempt=attempt, after=None)
    assert outcome_sentence(outcome) == "IMPOSSIBLE. No controller does what is wanted: the goal is too far"
    data = synthesis_json(outcome)
    assert (data["verdict"], data["reason"], data["synthesis"]["impossible"]) == (None, None, True)


def test_a_card_is_toml_whatever_the_method_says(made: SynthesisOutcome) -> None:
    assert made.after is not None
    odd = dataclasses.replace(made, attempt=dataclasses.replace(made.attempt, reason='a "quoted"\nreason'))
    card = tomllib.loads(synthesis_card("nnctrl synthesize x", odd, made.after, "x.onnx"))
    assert card["stopped"] == 'a "quoted"\nreason'
    assert card["result"]["margins_certified"]["rest"] > 0.0
