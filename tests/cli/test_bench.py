"""`nnctrl bench`: which experiments run, what is written before anything is printed, and how it ends."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from nnctrl import registry
from nnctrl.plotting.chart import Chart, Curve, Outline, charts_png
from nnctrl.suite import AbstractExperiment, AbstractSuite, Conditions, Drawing, Expectation, Findings
from tests.cli.conftest import Ran

Nnctrl = Callable[..., Ran]


def draw() -> bytes:
    x = np.array([0.0, 1.0, 1.0])
    curve, triangle = Curve("line", x, x, x - 1.0, x + 1.0), Outline("triangle", np.stack([x, x[::-1]], 1))
    return charts_png([Chart("one", "x", "y", [curve], [triangle], np.eye(2), [("here", 0.5)])])


def refuse() -> bytes:
    raise ZeroDivisionError("no ink")


class Lengths(AbstractExperiment):
    id: ClassVar[str] = "lengths"
    title: ClassVar[str] = "how long things are"

    def run(self, conditions: Conditions) -> Findings:
        conditions.progress.update("measuring")
        rows = (
            {"what": "rod", "length_m": 1.25, "length_m_std": 0.5, "seeds": conditions.seeds, "never": None},
            {"what": "wire", "length_m": float("inf"), "bent": True},
        )
        expectations = (Expectation("the rod is straight", True), Expectation("the wire is straight", False, False))
        return Findings(rows, (Drawing("lengths", "Lengths.", draw),), expectations, ("measured by eye",))


class Instances(AbstractExperiment):
    id: ClassVar[str] = "instances"
    title: ClassVar[str] = "verdicts"

    def run(self, conditions: Conditions) -> Findings:
        rows = (
            {"instance": "easy", "verdict": "VERIFIED", "expected_verdict": "VERIFIED", "time_s": 0.1},
            {"instance": "open", "verdict": "UNKNOWN", "expected_verdict": None, "time_s": 0.2},
            {"instance": "hard", "verdict": "UNKNOWN", "expected_verdict": "VERIFIED", "time_s": 0.3},
        )
        return Findings(rows, (Drawing("bad", "Never seen.", refuse),))


class Broken(AbstractExperiment):
    id: ClassVar[str] = "broken"
    title: ClassVar[str] = "an expectation that fails"

    def run(self, conditions: Conditions) -> Findings:
        return Findings(({"n": 1},), expectations=(Expectation("two is less than one", False),))


@dataclass(frozen=True)
class Foreign(AbstractExperiment):
    id: ClassVar[str] = "foreign"
    title: ClassVar[str] = "somebody's network"
    networks: ClassVar[tuple[str, ...]] = ("theirs.pth",)

    def run(self, conditions: Conditions) -> Findings:
        return Findings(({"bytes": conditions.network("theirs.pth").stat().st_size},))


class SmallSuite(AbstractSuite):
    id: ClassVar[str] = "test-suite"
    title: ClassVar[str] = "A small suite"
    network_source: ClassVar[str] = "https://example.org"

    def experiments(self) -> tuple[AbstractExperiment, ...]:
        return Lengths(), Instances(), Broken(), Foreign()


@pytest.fixture(autouse=True)
def small_suite(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("NNCTRL_MODELS", raising=False)
    registry.register("suites", "test-suite")(SmallSuite)
    yield
    registry.unregister("suites", "test-suite")


def test_help_names_every_option(nnctrl: Nnctrl) -> None:
    ran = nnctrl("bench", "--help")
    assert ran.status == 0
    for option in ("--models", "--only", "--seeds", "--csv", "--json", "--report", "--quiet"):
        assert option in ran.out


def test_an_unknown_suite_and_an_unknown_experiment_name_the_nearest(nnctrl: Nnctrl) -> None:
    ran = nnctrl("bench", "test-suit")
    assert (ran.status, ran.out) == (2, "")
    assert "unknown suite 'test-suit'; did you mean 'test-suite'?" in ran.err
    ran = nnctrl("bench", "test-suite", "--only", "length")
    assert (ran.status, ran.out) == (2, "")
    assert "unknown experiment 'length'; did you mean 'lengths'?" in ran.err


def test_what_is_no_suite_is_told(nnctrl: Nnctrl) -> None:
    registry.register("suites", "test-wrong")(dict)
    try:
        assert "the suite 'test-wrong' is the class dict" in nnctrl("bench", "test-wrong").err
    finally:
        registry.unregister("suites", "test-wrong")


def test_missing_networks_are_asked_for_before_any_work(nnctrl: Nnctrl, tmp_path: Path) -> None:
    ran = nnctrl("bench", "test-suite", "--csv", tmp_path / "rows.csv")
    assert (ran.status, ran.out) == (2, "")
    assert "needs the networks theirs.pth (https://example.org) for foreign" in ran.err
    assert "--models DIR" in ran.err
    assert not (tmp_path / "rows.csv").exists()
    assert "does not hold them" in nnctrl("bench", "test-suite", "--models", tmp_path).err
    # who does not need them is not asked
    assert nnctrl("bench", "test-suite", "--only", "lengths").status == 0
    with pytest.raises(ValueError, match=r"the network theirs\.pth is not there"):
        Foreign().run(Conditions())


@pytest.mark.parametrize("by_variable", [False, True])
def test_networks_come_from_the_models_folder(
    nnctrl: Nnctrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_variable: bool
) -> None:
    (tmp_path / "theirs.pth").write_bytes(b"12345")
    if by_variable:
        monkeypatch.setenv("NNCTRL_MODELS", str(tmp_path))
    given = () if by_variable else ("--models", tmp_path)
    ran = nnctrl("bench", "test-suite", "--only", "foreign", *given)
    assert ran.status == 0
    assert "│     5 │" in ran.out


def test_tables_show_deviations_and_leave_out_what_is_empty(nnctrl: Nnctrl) -> None:
    ran = nnctrl("bench", "test-suite", "--only", "lengths", "--seeds", "3")
    assert (ran.status, ran.err) == (0, "")
    for part in ("lengths: how long things are", "1.25 ± 0.5", "inf", "yes", "measured by eye"):
        assert part in ran.out
    assert "expected: the rod is straight: holds" in ran.out
    assert "goal: the wire is straight: missed" in ran.out
    assert "never" not in ran.out
    assert ran.out.rstrip().endswith("contradictions: none")
    assert nnctrl("bench", "test-suite", "--only", "lengths", "--quiet").out.count("\n") == 1


def test_files_hold_every_number(nnctrl: Nnctrl, tmp_path: Path) -> None:
    table, data, report = tmp_path / "rows.csv", tmp_path / "run.json", tmp_path / "report"
    ran = nnctrl(
        "bench", "test-suite", "--only", "instances", "lengths", "--csv", table, "--json", data, "--report", report
    )
    assert ran.status == 4
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["experiment"] for row in rows] == ["lengths"] * 2 + ["instances"] * 3
    assert rows[0]["length_m"] == "1.25"
    assert rows[0]["verdict"] == rows[0]["never"] == ""
    written = json.loads(data.read_text())
    assert (written["suite"], written["seeds"]) == ("test-suite", 5)
    lengths, instances = written["experiments"]
    assert lengths["rows"][0] == {"what": "rod", "length_m": 1.25, "length_m_std": 0.5, "seeds": 5, "never": None}
    assert lengths["rows"][1]["length_m"] is None
    assert lengths["expectations"][1] == {"sentence": "the wire is straight", "holds": False, "binding": False}
    assert instances["contradictions"] == ["row 3 has the verdict UNKNOWN but VERIFIED is expected"]
    assert json.loads((report / "result.json").read_text()) == written
    page = (report / "report.md").read_text()
    assert "| rod | 1.25 ± 0.5 | 5 |  |" in page
    assert "![Lengths.](lengths.png)" in page
    assert "bad.png" not in page
    assert (report / "lengths.png").read_bytes().startswith(b"\x89PNG")
    assert "the picture bad was not drawn (ZeroDivisionError: no ink)" in ran.err


def test_a_contradicted_verdict_or_expectation_ends_in_status_4(nnctrl: Nnctrl) -> None:
    ran = nnctrl("bench", "test-suite", "--only", "instances", "--only", "broken")
    assert ran.status == 4
    assert "instances: row 3 has the verdict UNKNOWN but VERIFIED is expected" in ran.err
    assert "broken: it does not hold that two is less than one" in ran.err
    assert "DOES NOT HOLD" in ran.out
    assert "contradictions: 2" in ran.out


def test_what_cannot_be_written_is_refused_early(nnctrl: Nnctrl, tmp_path: Path) -> None:
    ran = nnctrl("bench", "test-suite", "--only", "lengths", "--csv", tmp_path / "no" / "rows.csv")
    assert (ran.status, ran.out) == (2, "")
    same = tmp_path / "same"
    ran = nnctrl("bench", "test-suite", "--only", "lengths", "--csv", same, "--json", same)
    assert (ran.status, ran.out) == (2, "")
    assert "stands in the way" in ran.err


def test_files_are_there_although_a_later_experiment_fails(
    nnctrl: Nnctrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Instances, conditions: Conditions) -> Findings:
        raise KeyboardInterrupt

    monkeypatch.setattr(Instances, "run", fail)
    ran = nnctrl("bench", "test-suite", "--only", "lengths", "instances", "--csv", tmp_path / "rows.csv")
    assert ran.status == 130
    assert "rod" in (tmp_path / "rows.csv").read_text()


def test_an_argument_without_only_is_refused(nnctrl: Nnctrl) -> None:
    ran = nnctrl("bench", "test-suite", "lengths")
    assert ran.status == 2
    assert "there is no argument 'lengths' after SUITE; choose experiments with --only ID" in ran.err
