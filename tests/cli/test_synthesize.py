"""`nnctrl synthesize`: the verifier's word, the network and its card, the report, and what is refused."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from nnctrl import registry
from nnctrl.cli.status import ExitStatus
from nnctrl.io.files import REPORT_FILES
from nnctrl.learning import methods
from nnctrl.learning.cegis.checkpoint import STATE_FILE
from nnctrl.learning.task import Task, TaskDefinition
from nnctrl.networks.load import load_network
from nnctrl.report.synthesis import SYNTHESIS_FILES
from nnctrl.sets.box import Box
from nnctrl.specs.spec import Reach, Spec, Stay
from nnctrl.verification.settings import setting
from tests.cli.conftest import Ran
from tests.learning.synthesis_tasks import Brake, Flat, ToldMethod, Unwritten, braking, braking_task

Nnctrl = Callable[..., Ran]

PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class BrakingTask(TaskDefinition):
    """Come to rest."""

    id: ClassVar[str] = "test-braking"
    goal: float = setting(0.3, "half the width of the goal", above=0.0)

    def task(self) -> Task:
        return dataclasses.replace(braking_task(self.goal), name=self.id)


@dataclass(frozen=True)
class ClashingTask(TaskDefinition):
    """A task with a key that methods have too."""

    id: ClassVar[str] = "test-clashing"
    hidden: int = setting(3, "something else")

    def task(self) -> Task:
        return braking_task()


class Good(ToldMethod):
    id: ClassVar[str] = "good"

    def __init__(self) -> None:
        super().__init__(braking(0.6))


class Bad(ToldMethod):
    id: ClassVar[str] = "bad"

    def __init__(self) -> None:
        super().__init__(braking(0.1))


class Nothing(ToldMethod):
    id: ClassVar[str] = "nothing"

    def __init__(self) -> None:
        super().__init__(None)


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    added = [("problems", BrakingTask.id, BrakingTask), ("problems", ClashingTask.id, ClashingTask)]
    added += [("experts", f"test-{kind.__name__.lower()}", kind) for kind in (Brake, Flat, Unwritten)]
    for group, name, thing in added:
        registry.register(group, name)(thing)
    own = {kind.__name__.lower(): f"{__name__}:{kind.__name__}" for kind in (Good, Bad, Nothing)}
    monkeypatch.setattr(methods, "METHODS", {**methods.METHODS, **own})
    yield
    for group, name, _ in added:
        registry.unregister(group, name)


def test_the_whole_of_it(nnctrl: Nnctrl, tmp_path: Path) -> None:
    network, report, figures = tmp_path / "brake.onnx", tmp_path / "report", tmp_path / "brake.json"
    options = ("--method", "good", "--expert", "test-brake", "--set", "goal=0.2", "--set", "praise=fine", "--jobs", "1")
    ran = nnctrl("synthesize", "test-braking", *options, "--output", network, "--report", report, "--json", figures)
    assert (ran.status, ran.err) == (0, "")
    digest = hashlib.sha256(network.read_bytes()).hexdigest()
    lines = ran.out.splitlines()
    for words in (
        "method       good: as asked",
        "expert       test-brake",
        "stopped      fine",
        "before       the imitation of the expert: FALSIFIED (counterexample)",
        f"made         1-4-1 tanh, sha256 {digest}",
        "VERIFIED. Every requirement holds on the whole enclosure.",
    ):
        assert words in lines
    card = tomllib.loads((tmp_path / "brake.toml").read_text())
    assert card["synthesised_by"] == (
        "nnctrl synthesize test-braking --method good --expert test-brake --set goal=0.2 --set praise=fine "
        "--output brake.onnx"
    )
    assert card["sha256"] == digest
    assert card["settings"] == {"seed": 0, "praise": "fine"}
    assert card["result"]["verdict"] == "VERIFIED"
    assert {"rest", "input"} == set(card["result"]["margins_certified"])
    assert min(card["result"]["margins_certified"].values()) > 0.0
    assert {"imitation", "good", "verification"} <= set(card["seconds"])
    assert {"processor", "versions", "initial_set"} <= set(card)
    data = json.loads(figures.read_text(), parse_constant=pytest.fail)
    assert (data["verdict"], data["network"]["sha256"], data["settings"]["goal"]) == ("VERIFIED", digest, 0.2)
    assert data["synthesis"]["before"]["verdict"] == "FALSIFIED"
    assert len(data["synthesis"]["curve"]) == 5
    files = {file.name: file.read_bytes() for file in report.iterdir()}
    assert set(files) == {"report.md", "result.json", "picture.png", *SYNTHESIS_FILES}
    assert set(files) <= {*REPORT_FILES, *SYNTHESIS_FILES}
    assert all(content.startswith(PNG) for name, content in files.items() if name.endswith(".png"))
    page = files["report.md"].decode()
    assert all(f"]({name})" in page for name in files if name.endswith(".png"))
    assert page.startswith("# test-braking: VERIFIED")
    # the network is good for the problem itself
    assert nnctrl("verify", "test-braking", "--set", "goal=0.2", "--set", f"network={network}").status == 0
    assert nnctrl("verify", "test-braking", "--set", "goal=0.1", "--set", f"network={network}").status == 10


def test_the_status_is_that_of_the_verdict(nnctrl: Nnctrl, tmp_path: Path) -> None:
    network = tmp_path / "bad.onnx"
    ran = nnctrl("synthesize", "test-braking", "--method", "bad", "--output", network, "--quiet")
    assert ran.status == ExitStatus.FALSIFIED
    assert ran.out.startswith("FALSIFIED. ")
    assert len(ran.out.splitlines()) == 1
    assert load_network(network).architecture() == "1-4-1 tanh"
    assert tomllib.loads(network.with_suffix(".toml").read_text())["result"]["verdict"] == "FALSIFIED"


def test_no_network(nnctrl: Nnctrl, tmp_path: Path) -> None:
    network, report = tmp_path / "none.onnx", tmp_path / "report"
    ran = nnctrl("synthesize", "test-braking", "--method", "nothing", "--output", network, "--report", report)
    assert ran.status == ExitStatus.UNKNOWN
    assert "NO NETWORK. it is perfect" in ran.out
    assert not network.exists()
    assert {file.name for file in report.iterdir()} == {"report.md", "result.json", "training.png"}
    assert json.loads((report / "result.json").read_text())["verdict"] is None


def test_an_impossible_task(nnctrl: Nnctrl, tmp_path: Path) -> None:
    far = dataclasses.replace(
        braking_task(),
        spec=Spec((Reach(Box([-90.0], [-80.0]), at=3, name="far"), Stay(Box([-1.5], [1.5]), on=("u1",), name="input"))),
    )

    @dataclass(frozen=True)
    class FarTask(TaskDefinition):
        """Out of reach."""

        id: ClassVar[str] = "test-far"

        def task(self) -> Task:
            return far

    registry.register("problems", FarTask.id)(FarTask)
    figures = tmp_path / "far.json"
    try:
        ran = nnctrl("synthesize", "test-far", "--method", "good", "--json", figures)
    finally:
        registry.unregister("problems", FarTask.id)
    assert (ran.status, ran.err) == (ExitStatus.UNKNOWN, "")
    assert "IMPOSSIBLE. No controller does what is wanted: " in ran.out
    assert "stopped" not in ran.out
    data = json.loads(figures.read_text())
    assert (data["verdict"], data["synthesis"]["impossible"]) == (None, True)


def test_the_network_of_a_problem_plays_no_part(nnctrl: Nnctrl) -> None:
    ran = nnctrl("synthesize", "test-cart", "--set", "hidden=8", "--set", "horizon=4", "--timeout", "60", "--jobs", "1")
    assert (ran.status, ran.err) == (0, "")
    assert "method       cegis: certified training" in ran.out
    assert "2-8-1 tanh, from synthesis for test-cart by cegis" in ran.out


def test_a_task_is_shown_with_the_keys_of_methods(nnctrl: Nnctrl, tmp_path: Path) -> None:
    ran = nnctrl("show", "test-braking", "--set", "goal=0.2")
    assert (ran.status, ran.err) == (0, "")
    assert "keys of the synthesis by nnctrl synthesize" in ran.out
    assert "box_steps" in ran.out
    assert "wanted: a network, by default with hidden layers of 4 neurons (tanh)" in ran.out
    assert "reach x1 in [-0.2, 0.2] at step 3" in ran.out
    network = tmp_path / "brake.onnx"
    nnctrl("synthesize", "test-braking", "--method", "good", "--output", network)
    ran = nnctrl("show", "test-braking", "--set", f"network={network}")
    assert ran.status == 0
    assert "box_steps" not in ran.out
    assert "1-4-1 tanh, from brake.onnx" in ran.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--method", "goo"), "unknown method 'goo'; did you mean 'good'"),
        (("--expert", "test-unwritten"), "the expert 'test-unwritten' has no training recipe"),
        (("--expert", "test-flat"), "give an expert for this plant"),
        (("--expert", "test-brok"), "unknown expert 'test-brok'"),
        (("--output", "brake.pth"), "does not end in .onnx"),
        (("--output", ".onnx"), "--output .onnx has no name before .onnx; give one"),
        (("--set", "praise=x"), "unknown key 'praise'"),
        (("--set", "gaol=1"), "did you mean 'goal'"),
        (("--set", "goal=-1"), "the key 'goal' takes a number > 0"),
        (("--method", "good", "--set", "hidden=0"), "the key 'hidden' takes"),
        (("--method", "good", "--checkpoint", "state"), "the method good keeps no state between runs"),
        (("--timeout", "0"), "it takes a number > 0"),
        (("--json", "a.onnx", "--output", "a.onnx"), "stands in the way of"),
    ],
)
def test_what_is_refused(
    nnctrl: Nnctrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = nnctrl("synthesize", "test-braking", *arguments)
    assert ran.status == ExitStatus.BAD_INPUT
    assert words in ran.err
    assert len(ran.err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("option", "place"),
    [
        ("--json", "state/state.json"),
        ("--json", "link/state.json"),
        ("--output", "state/best.onnx"),
        ("--report", "state/report"),
    ],
)
def test_outputs_among_the_files_of_a_checkpoint_are_refused(
    nnctrl: Nnctrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / STATE_FILE).write_text("kept")
    (tmp_path / "link").symlink_to("state")
    ran = nnctrl("synthesize", "test-braking", "--method", "cegis", "--checkpoint", "state", option, place)
    assert ran.status == ExitStatus.BAD_INPUT
    assert f"{option} {place} lies in the folder of --checkpoint state" in ran.err
    assert [file.name for file in (tmp_path / "state").iterdir()] == [STATE_FILE]
    assert (tmp_path / "state" / STATE_FILE).read_text() == "kept"


def test_keys_that_mean_two_things_are_refused(nnctrl: Nnctrl) -> None:
    ran = nnctrl("synthesize", "test-clashing", "--method", "good")
    assert ran.status == ExitStatus.BAD_INPUT
    assert "the problem's key 'hidden' is a key of the method too" in ran.err


def test_a_fault_in_a_users_file_is_told_as_one(nnctrl: Nnctrl, tmp_path: Path) -> None:
    text = """
from dataclasses import dataclass
from nnctrl.learning.task import TaskDefinition

@dataclass(frozen=True)
class Mine(TaskDefinition):
    id = "mine"

    def task(self):
        return 1 / 0

problem = Mine
"""
    (tmp_path / "mine.py").write_text(text)
    ran = nnctrl("synthesize", tmp_path / "mine.py", "--trust", "--method", "good")
    assert ran.status == ExitStatus.BAD_INPUT
    assert "mine.py, line 10, raises ZeroDivisionError" in ran.err


def test_a_controller_that_synthesis_does_not_make(nnctrl: Nnctrl, tmp_path: Path) -> None:
    text = """
import dataclasses
from nnctrl import Controller, compose
from tests.small_loop import cart_network, cart_problem

whole = cart_problem(cart_network())
loop = compose(whole.closed_loop.plant, Controller(cart_network(), delay=1))
problem = dataclasses.replace(whole, closed_loop=loop)
"""
    (tmp_path / "late.py").write_text(text)
    ran = nnctrl("synthesize", tmp_path / "late.py", "--trust")
    assert ran.status == ExitStatus.BAD_INPUT
    assert "has a delay; synthesis makes networks that read the states" in ran.err


STUBBORN = """
import sys
sys.path.insert(0, {root!r})
from nnctrl.learning.certified import method
from nnctrl.learning.method import Attempt
from nnctrl.cli.main import main
from nnctrl import registry
from tests.cli.test_synthesize import BrakingTask
from tests.learning.synthesis_tasks import braking
import pathlib, time

registry.register("problems", BrakingTask.id)(BrakingTask)
rounds = []

def attempt(self, task, settings, meter, progress, *, expert=None, start=None, focus=None):
    gain = 0.1 * (settings.seed + 1)
    pathlib.Path("seeds.txt").open("a").write(f"{{settings.seed}} {{len(focus.points)}}\\n")
    if settings.seed == 2 and "wait" in sys.argv[0]:
        time.sleep(60)
    return Attempt(braking(gain), "told")

method.CertifiedMethod.attempt = attempt
main()
"""


@pytest.mark.slow
def test_a_killed_process_goes_on(tmp_path: Path) -> None:
    for name in ("wait.py", "run.py"):
        (tmp_path / name).write_text(STUBBORN.format(root=str(Path(__file__).parents[2])))
    command = ["synthesize", "test-braking", "--method", "cegis", "--checkpoint", "state", "--quiet"]
    process = subprocess.Popen([sys.executable, "wait.py", *command], cwd=tmp_path)
    seeds = tmp_path / "seeds.txt"
    deadline = time.monotonic() + 60.0
    while not (seeds.exists() and len(seeds.read_text().splitlines()) == 3):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert (tmp_path / "state" / STATE_FILE).exists()
    again = [sys.executable, "run.py", *command]
    other = subprocess.run([*again, "--set", "goal=0.4"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert other.returncode == ExitStatus.BAD_INPUT
    assert "belongs to another task, or to other settings" in other.stderr
    done = subprocess.run(again, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("VERIFIED")
    lines = [line.split() for line in seeds.read_text().splitlines()]
    # the round that was killed is done again, with what was learned before it
    assert [int(seed) for seed, _ in lines] == [0, 1, 2, 2, 3, 4]
    assert lines[2] == lines[3]
