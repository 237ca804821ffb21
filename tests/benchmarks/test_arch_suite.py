"""The suite `arch`: its words, what it makes of missing networks, and what it calls a contradiction."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import pytest

from benchmarks.arch_suite.experiment import expectations, experiment_of
from benchmarks.arch_suite.suite import ArchSuite
from nnctrl import Budget, Verdict, registry, verify
from nnctrl.cli.main import run
from nnctrl.errors import InputError
from nnctrl.suite import Conditions, Findings
from tests.benchmarks.arch_instances import REGISTERED, built, verified
from tests.shared import shared_path

PENDULUM = "Single_Pendulum/controller_single_pendulum.onnx"


@pytest.fixture
def one_network(tmp_path: Path) -> Path:
    """A folder with the network of the single pendulum only."""
    folder = tmp_path / "models"
    target = folder / PENDULUM
    target.parent.mkdir(parents=True)
    target.write_bytes(shared_path(f"arch-comp/{PENDULUM}").read_bytes())
    return folder


def test_there_is_one_experiment_for_each_registered_instance() -> None:
    assert registry.load("suites", "arch") is ArchSuite
    assert [item.id for item in ArchSuite().experiments()] == list(REGISTERED)
    titles = [item.title for item in ArchSuite().experiments()]
    assert titles[0] == "ACC, safe-distance"
    assert len(set(titles)) == len(titles)


def test_a_folder_without_any_network_is_refused(tmp_path: Path, one_network: Path) -> None:
    suite = ArchSuite()
    chosen = suite.chosen(("single-pendulum", "quad"))
    with pytest.raises(InputError, match=r"not part of nnctrl; give the folder that holds them with --models DIR"):
        suite.check_networks(chosen, None)
    with pytest.raises(InputError, match=r"such as QUAD/quad_controller_3_64_torch\.onnx .*holds none of them"):
        suite.check_networks(chosen, tmp_path)
    suite.check_networks(chosen, one_network)


def test_one_of_several_files_is_enough_and_a_folder_of_files_must_be_whole(tmp_path: Path) -> None:
    acc, vcas = (experiment_of(REGISTERED[id]) for id in ("acc", "vcas-middle-19.5"))
    assert acc.missing(tmp_path) == "ACC/controller_5_20.onnx"
    (tmp_path / "ACC").mkdir()
    (tmp_path / "ACC" / "controller_5_20.mat").touch()
    assert acc.missing(tmp_path) is None
    parts = [tmp_path / "VCAS" / "onnx_networks" / f"VertCAS_noResp_pra0{k}_v9_20HU_200.onnx" for k in range(1, 10)]
    parts[0].parent.mkdir(parents=True)
    for part in parts:
        assert vcas.missing(tmp_path) == str(part.relative_to(tmp_path))
        part.touch()
    assert vcas.missing(tmp_path) is None


def test_a_row_has_the_competitions_columns_and_words(one_network: Path) -> None:
    found = experiment_of(REGISTERED["single-pendulum"]).run(Conditions(one_network))
    (row,) = found.rows
    assert list(row)[:4] == ["benchmark", "instance", "result", "time"]
    assert (row["benchmark"], row["instance"], row["result"]) == ("Single Pendulum", "reach", "verified")
    assert 0.0 < float(str(row["certified_margin"])) <= float(str(row["sampled_margin"])) < 0.02
    assert row["parts"] == 1
    assert found.contradictions() == []
    assert found.drawings[0].draw().startswith(b"\x89PNG")


def test_an_instance_without_its_network_is_not_measured(one_network: Path) -> None:
    found = experiment_of(REGISTERED["quad"]).run(Conditions(one_network))
    (row,) = found.rows
    assert row["result"] == "not measured: QUAD/quad_controller_3_64_torch.onnx missing"
    assert row["time"] is None
    assert found.contradictions() == []


def test_the_opposite_verdict_contradicts_and_an_undecided_one_does_not() -> None:
    instance, result = REGISTERED["single-pendulum"], verified("single-pendulum")
    wrong = dataclasses.replace(instance, expected=Verdict.FALSIFIED)
    assert Findings((), expectations=expectations(wrong, result)).contradictions() == [
        "it does not hold that single-pendulum is not verified"
    ]
    undecided = verify(built("single-pendulum"), budget=Budget(timeout_s=1e-9))
    assert undecided.verdict is Verdict.UNKNOWN
    found = Findings((), expectations=expectations(instance, undecided))
    assert found.contradictions() == []
    assert [item.holds for item in found.expectations if not item.binding] == [False]


def test_a_certified_margin_above_a_sampled_one_contradicts() -> None:
    result = verified("single-pendulum")
    row = dataclasses.replace(result.requirements[0], margin_certified=result.requirements[0].margin_sampled + 1e-6)
    broken = dataclasses.replace(result, requirements=(row,))
    (sentence,) = Findings((), expectations=expectations(REGISTERED["single-pendulum"], broken)).contradictions()
    assert "no certified margin of single-pendulum is above a sampled one" in sentence


def test_bench_writes_the_table(one_network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "results.csv"
    arguments = ["bench", "arch", "--models", one_network, "--csv", table, "--only", "single-pendulum", "quad"]
    assert run(list(map(str, arguments))) == 0
    assert "contradictions: none" in capsys.readouterr().out
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [(row["benchmark"], row["instance"]) for row in rows] == [("QUAD", "reach"), ("Single Pendulum", "reach")]
    assert rows[1]["result"] == "verified"
    assert float(rows[1]["time"]) > 0.0
