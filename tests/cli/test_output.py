"""What the commands print and write."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nnctrl.cli.console import progress_shown
from nnctrl.plotting.scene import Scene
from nnctrl.progress import SilentProgress
from tests.cli.conftest import Ran
from tests.small_loop import cart_network, cart_problem

Nnctrl = Callable[..., Ran]

OBEDIENT = ("test-cart", "--engine", "test-engine")


def test_list_names_everything(nnctrl: Nnctrl) -> None:
    out = nnctrl("list").out
    for kind in ("plants:", "controllers:", "experts:", "problems:", "engines:", "bounds:", "suites:"):
        assert kind in out
    assert re.search(r"^  test-cart +in process$", out, re.MULTILINE)
    assert "  test-cart" not in nnctrl("list", "plants").out


def test_verify_prints_the_table_and_the_verdict(nnctrl: Nnctrl) -> None:
    out = nnctrl("verify", *OBEDIENT).out
    for name in ("wall", "input", "goal"):
        assert re.search(rf"{name}: .*VERIFIED .*0\.123456 .*0\.234568", out)
    assert "VERIFIED. Every requirement holds on the whole enclosure." in out
    assert "test-engine" in out
    assert "chosen by a test" in out
    assert "2-4-1 tanh, from hand, sha256 0f0f0f0f0f0f\n" in out
    assert "steps of 0.1 s; requirements are meant at the samples only" in out
    assert re.search(r"cost +wall \d+\.\d\d s, CPU \d+\.\d\d s, peak memory \d+ MB", out)
    assert "nodes 0, directions 0, parts 0, splits 0, steps 0" in out


def test_margins_are_printed_outward(nnctrl: Nnctrl) -> None:
    """0.12345678 certified must not be printed as 0.123457, nor 0.23456781 sampled as 0.234567."""
    out = nnctrl("verify", *OBEDIENT).out
    assert "0.123457" not in out
    assert "0.234567 " not in out


def test_a_counterexample_is_told_in_full(nnctrl: Nnctrl) -> None:
    out = nnctrl("verify", *OBEDIENT, "--set", "answer=falsified").out
    assert re.search(r"starts at +p = 0\.05, v = 0\.95\n", out)
    assert re.search(r"violates +wall at step 1, by 0\.123456\n", out)
    assert "FALSIFIED. A trajectory that starts in the initial set violates a requirement" in out


def test_a_candidate_is_not_called_proved(nnctrl: Nnctrl) -> None:
    out = nnctrl("verify", *OBEDIENT, "--set", "answer=candidate").out
    assert re.search(r"candidate +p = 0\.05", out)
    assert "in floating point, not proved" in out
    assert "FALSIFIED" not in out


def test_an_unknown_says_what_to_do(nnctrl: Nnctrl) -> None:
    out = nnctrl("verify", *OBEDIENT, "--set", "answer=unknown").out
    assert "UNKNOWN. The node budget was spent before everything was decided. Raise --nodes" in out


def test_falsify_says_what_it_tried(nnctrl: Nnctrl, tmp_path: Path) -> None:
    file = tmp_path / "r.json"
    assert nnctrl("falsify", *OBEDIENT, "--samples", "17", "--seed", "3", "--json", file).status == 0
    settings = json.loads(file.read_text())["settings"]
    assert (settings["samples"], settings["seed"]) == (17, 3)


def test_disturbances_of_a_counterexample_have_names(nnctrl: Nnctrl, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from nnctrl import Avoid, Box, Controller, LinearPlant, Problem, Spec, compose\n"
        "from tests.small_loop import cart_network\n"
        "plant = LinearPlant([[1, 0.1], [0, 1]], [[0], [0.1]], E=[[0.1], [0]], dt=0.1, disturbances={'gust': 'm/s'},\n"
        "                    states={'p': 'm', 'v': 'm/s'}, ranges={'gust': (-1.0, 1.0)})\n"
        "loop = compose(plant, Controller(cart_network(), noise=Box([-0.1, -0.1], [0.1, 0.1])))\n"
        "spec = Spec((Avoid(Box([-9, -9], [9, 9]), during=(2, 3)),))\n"
        "problem = Problem(loop, Box([0, 0], [1, 1]), spec, 3, 'windy')\n"
    )
    ran = nnctrl("verify", tmp_path / "mine.py", "--trust", "--json", tmp_path / "r.json")
    assert ran.status == 10
    assert re.search(r"under +gust, noise1, noise2, which change with time", ran.out)
    point = json.loads((tmp_path / "r.json").read_text())["counterexample"]
    assert point["w_names"] == ["gust", "noise1", "noise2"]
    assert all(len(row) == 3 for row in point["w"])


def test_the_distance_from_a_box_is_not_taken_for_its_margin(nnctrl: Nnctrl, tmp_path: Path) -> None:
    """All states are at least 1 outside on both sides: sqrt(2) from the box, with a margin of -1."""
    for target, words in (
        ("Box([-9, -9], [-1, -1])", r"by 1\.4.* \(distance from the box; its margin is that of the worst side\)\n"),
        ("Box([-9], [-1]), on=('p',)", r"by 1[^(]*\n"),
        ("Ball([-1, -1], 0.1)", r"by [0-9.]*\n"),
    ):
        (tmp_path / "mine.py").write_text(
            "from nnctrl import Ball, Box, Controller, LinearPlant, Problem, Spec, Stay, compose\n"
            "from tests.small_loop import cart_network\n"
            "plant = LinearPlant([[1, 0], [0, 1]], [[0], [0]], dt=0.1, states={'p': 'm', 'v': 'm/s'})\n"
            f"spec = Spec((Stay({target}),))\n"
            "problem = Problem(compose(plant, Controller(cart_network())), Box([0, 0], [0.01, 0.01]), spec, 1, 'out')\n"
        )
        ran = nnctrl("verify", tmp_path / "mine.py", "--trust")
        assert ran.status == 10
        assert re.search(rf"violates +stay-1 at step \d, {words}", ran.out)


def test_names_with_line_breaks_stay_on_their_line(nnctrl: Nnctrl, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import dataclasses\nfrom tests.small_loop import cart_network, cart_problem\n"
        "problem = cart_problem(cart_network(), name='two\\n# lines')\n"
        "first, *others = problem.spec.requirements\n"
        "spec = dataclasses.replace(problem.spec, requirements=(dataclasses.replace(first, name='a\\n|b'), *others))\n"
        "problem = dataclasses.replace(problem, spec=spec)\n"
    )
    mine = (tmp_path / "mine.py", "--trust")
    assert nnctrl("verify", *mine, "--engine", "test-engine", "--report", tmp_path / "r").status == 0
    page = (tmp_path / "r" / "report.md").read_text()
    assert page.startswith("# two # lines: VERIFIED\n")
    assert len([line for line in page.splitlines() if line.startswith("#")]) == 3
    assert "\n| a \\|b | avoid ball" in page
    assert "of two # lines, seed" in nnctrl("simulate", *mine).out
    assert re.search(r"^problem +two # lines$", nnctrl("show", *mine).out, re.MULTILINE)


def test_quiet_prints_one_line(nnctrl: Nnctrl, tmp_path: Path) -> None:
    ran = nnctrl("verify", *OBEDIENT, "--quiet", "--report", tmp_path / "r")
    assert ran.out.startswith("VERIFIED. ")
    assert len(ran.out.splitlines()) == 1
    assert ran.err == ""


def test_progress_is_silent_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    with progress_shown(quiet=False) as progress:
        assert isinstance(progress, SilentProgress)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with progress_shown(quiet=True) as progress:
        assert isinstance(progress, SilentProgress)


def test_progress_shows_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with progress_shown(quiet=False) as progress:
        assert not isinstance(progress, SilentProgress)
        progress.update("bounding [step] 3", 3, 10)
        progress.update("no total")
    assert capsys.readouterr().out == ""


def test_report_folder(nnctrl: Nnctrl, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "report"
    assert nnctrl("verify", *OBEDIENT, "--set", "answer=falsified", "--report", folder).status == 10
    assert sorted(path.name for path in folder.iterdir()) == ["picture.png", "report.md", "result.json"]
    assert (folder / "picture.png").read_bytes().startswith(b"\x89PNG")
    page = (folder / "report.md").read_text()
    assert page.startswith("# test-cart: FALSIFIED\n")
    assert "![test-cart](picture.png)" in page
    assert "avoid ball of radius 0.3 about p 2, v 1 at every step" in page
    assert "## Counterexample" in page
    assert json.loads((folder / "result.json").read_text())["verdict"] == "FALSIFIED"


@pytest.mark.parametrize(
    ("command", "status", "files"),
    [
        (("verify", *OBEDIENT, "--set", "answer=falsified"), 10, ["report.md", "result.json"]),
        (("verify", *OBEDIENT), 0, ["report.md", "result.json"]),
        (("simulate", "test-cart"), 0, ["trajectories.json"]),
    ],
)
def test_a_picture_that_fails_costs_no_verdict(
    nnctrl: Nnctrl,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    status: int,
    files: list[str],
) -> None:
    def fail(_: object) -> bytes:
        raise ZeroDivisionError("an injected\nfault")

    monkeypatch.setattr("nnctrl.report.folder.png", fail)
    ran = nnctrl(*command, "--report", tmp_path / "r", "--quiet")
    assert ran.status == status
    assert ran.err.startswith("nnctrl: warning: no picture was drawn (ZeroDivisionError: an injected fault)")
    assert len(ran.err.splitlines()) == 1
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == files
    assert all("picture.png" not in path.read_text() for path in (tmp_path / "r").iterdir())


def test_files_are_there_before_anything_is_printed(
    nnctrl: Nnctrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads the output may leave at its first line."""

    def leave(*_: object, **__: object) -> None:
        raise SystemExit(1)

    monkeypatch.setattr("nnctrl.cli.outcome.print_result", leave)
    monkeypatch.setattr("rich.console.Console.print", leave)
    file = tmp_path / "r.json"
    for command in (("verify", *OBEDIENT), ("simulate", "test-cart")):
        assert nnctrl(*command, "--json", file, "--report", tmp_path / "r").status == 130
        assert file.exists()
        file.unlink()
    assert len(list((tmp_path / "r").iterdir())) == 4


def test_a_file_that_cannot_be_written_does_not_hide_the_verdict(
    nnctrl: Nnctrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    ran = nnctrl("verify", *OBEDIENT, "--json", tmp_path / "r.json")
    assert ran.status == 2
    assert "No space left on device" in ran.err
    assert "VERIFIED." in ran.out


def test_reach_prints_the_last_enclosure(nnctrl: Nnctrl, tmp_path: Path) -> None:
    ran = nnctrl("reach", *OBEDIENT, "--json", tmp_path / "r.json")
    # the double 0.1 is a little above one tenth
    assert re.search(r"enclosure +at step 0: p in \[0, 0\.100001] and v in \[0\.9, 1]\n", ran.out)
    written = json.loads((tmp_path / "r.json").read_text())
    assert (written["verdict"], written["reason"], written["requirements"]) == (None, None, [])
    assert len(written["reach"]) == 1


def test_show_tells_the_problem_and_its_keys(nnctrl: Nnctrl) -> None:
    out = nnctrl("show", "test-cart", "--set", "wall=1.5").out
    for text in (
        "horizon",
        "an integer >= 1 (steps)",
        "position of the wall",
        "a number > 0 (m)",
        "accuracy of every support value",
        "A cart in front of a wall.",
        "p [m], v [m/s]",
        "p in [0, 0.1] and v in [0.9, 1]",
        "avoid ball of radius 0.3 about p 1.5, v 1 at every step",
        "stay a in [-2, 2] at every step",
        "reach p in [0, 3] and v in [-1, 2] at step 5",
        "5 steps",
    ):
        assert text in out


def test_show_tells_the_keys_of_the_training(nnctrl: Nnctrl) -> None:
    assert "nnctrl train" not in nnctrl("show", "test-cart").out
    out = nnctrl("show", "double-integrator").out
    assert "keys of the training by nnctrl train (--set key=value)" in out
    # the recipe's own value, not the default of all recipes
    assert re.search(r"weight_decay .* 1e-05", out)


def test_show_gives_the_keys_of_a_problem_without_its_network(nnctrl: Nnctrl) -> None:
    ran = nnctrl("show", "test-foreign-cart")
    assert ran.status == 2
    assert "the cart's network" in ran.out
    assert "--set network=FILE" in ran.err


def test_toml_reads_back(nnctrl: Nnctrl) -> None:
    data = tomllib.loads(nnctrl("show", "test-cart", "--toml", "--set", "horizon=7").out)
    assert data["name"] == "test-cart"
    assert data["horizon"] == 7
    assert data["settings"] == {"horizon": 7, "wall": 2.0}
    assert data["plant"]["states"] == {"p": "m", "v": "m/s"}
    assert data["initial_set"] == {"type": "Box", "lower": [0.0, 0.9], "upper": [0.1, 1.0]}
    wall, limits, goal = data["requirements"]
    assert wall["target"] == {"type": "Ball", "centre": [2.0, 1.0], "radius": 0.3}
    assert (limits["kind"], limits["on"]) == ("stay", ["a"])
    assert (goal["kind"], goal["at"]) == ("reach", 7)


def test_simulate(nnctrl: Nnctrl, tmp_path: Path) -> None:
    file, folder = tmp_path / "s.json", tmp_path / "s"
    arguments = ("simulate", "test-cart", "--samples", "3", "--seed", "5", "--json", file, "--report", folder)
    ran = nnctrl(*arguments)
    assert ran.status == 0
    assert "3 trajectories of test-cart, seed 5" in ran.out
    written = json.loads(file.read_text())
    assert written["t"] == [0, 1, 2, 3, 4, 5]
    p, v, a = (np.array(written["signals"][name]) for name in ("p", "v", "a"))
    assert (p.shape, v.shape, a.shape) == ((3, 6), (3, 6), (3, 5))
    states = np.stack([p, v], axis=-1)
    np.testing.assert_allclose(cart_network()(states[:, :-1])[..., 0], a, rtol=1e-12)
    np.testing.assert_allclose(p[:, :-1] + 0.1 * v[:, :-1] + 0.005 * a, p[:, 1:], rtol=1e-12)
    assert (folder / "picture.png").read_bytes().startswith(b"\x89PNG")
    again = file.read_bytes()
    nnctrl(*arguments)
    assert file.read_bytes() == again


def test_a_picture_shows_some_of_many_trajectories(
    nnctrl: Nnctrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Scene] = []

    def keep(scene: Scene) -> bytes:
        drawn.append(scene)
        return b""

    monkeypatch.setattr("nnctrl.report.folder.png", keep)
    folder = tmp_path / "s"
    assert nnctrl("simulate", "test-cart", "--samples", "1500", "--report", folder).status == 0
    assert len(json.loads((folder / "trajectories.json").read_text())["signals"]["p"]) == 1500
    (scene,) = drawn
    assert scene.samples is not None
    assert {len(values) for values in scene.samples.signals.values()} == {1000}


def test_python_file(nnctrl: Nnctrl, tmp_path: Path) -> None:
    (tmp_path / "neighbour.py").write_text("HORIZON = 3\n")
    (tmp_path / "mine.py").write_text(
        "from neighbour import HORIZON\n"
        "from tests.small_loop import cart_network, cart_problem\n"
        "problem = cart_problem(cart_network(), HORIZON, name='mine')\n"
    )
    file = tmp_path / "r.json"
    mine = (tmp_path / "mine.py", "--trust", "--engine", "test-engine")
    assert nnctrl("verify", *mine, "--json", file).status == 0
    assert json.loads(file.read_text())["problem"] == "mine"
    assert nnctrl("verify", *mine, "--set", "answer=unknown").status == 20


def test_the_real_engine_on_a_small_problem(nnctrl: Nnctrl, tmp_path: Path) -> None:
    file = tmp_path / "r.json"
    assert nnctrl("verify", "test-cart", "--json", file, "--expect", "VERIFIED").status == 0
    written = json.loads(file.read_text())
    assert written["engine"] == "branch-and-bound"
    assert all(0 <= row["margin_certified"] <= row["margin_sampled"] for row in written["requirements"])
    assert nnctrl("verify", "test-cart", "--set", "wall=0.3", "--json", file).status == 10
    point = json.loads(file.read_text())["counterexample"]
    assert point["requirement"] == "wall"
    end = np.array(point["x"][-1])
    assert np.hypot(end[0] - 0.3, end[1] - 1.0) <= 0.3
    assert cart_problem(cart_network()).initial_set.contains(point["x0"]).verdict == "inside"
