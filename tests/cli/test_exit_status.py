"""Every way in which a command ends, and its exit status."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Ran

OBEDIENT = ("test-cart", "--engine", "test-engine")

Nnctrl = Callable[..., Ran]


@pytest.mark.parametrize(
    ("answer", "status", "verdict"),
    [
        ("verified", 0, "VERIFIED"),
        ("falsified", 10, "FALSIFIED"),
        ("unknown", 20, "UNKNOWN"),
        ("candidate", 20, "UNKNOWN"),
    ],
)
def test_verdicts(nnctrl: Nnctrl, tmp_path: Path, answer: str, status: int, verdict: str) -> None:
    ran = nnctrl("verify", *OBEDIENT, "--set", f"answer={answer}", "--json", tmp_path / "r.json")
    assert (ran.status, ran.err) == (status, "")
    written = json.loads((tmp_path / "r.json").read_text())
    assert written["verdict"] == verdict
    assert written["settings"]["answer"] == answer
    assert written["settings"]["wall"] == 2.0
    assert (written["counterexample"] is None) == (answer in ("verified", "unknown"))


@pytest.mark.parametrize(("answer", "status"), [("falsified", 10), ("unknown", 20)])
def test_falsify(nnctrl: Nnctrl, answer: str, status: int) -> None:
    assert nnctrl("falsify", *OBEDIENT, "--set", f"answer={answer}").status == status


@pytest.mark.parametrize(("answer", "status"), [("verified", 0), ("unknown", 20)])
def test_reach_without_the_accuracy_is_unknown(nnctrl: Nnctrl, answer: str, status: int) -> None:
    assert nnctrl("reach", *OBEDIENT, "--set", f"answer={answer}").status == status


@pytest.mark.parametrize(
    ("answer", "expected", "status"),
    [
        ("verified", "VERIFIED", 0),
        ("falsified", "falsified", 10),
        ("unknown", "UNKNOWN", 20),
        ("verified", "FALSIFIED", 4),
        ("falsified", "VERIFIED", 4),
        ("unknown", "VERIFIED", 4),
    ],
)
def test_expectations(nnctrl: Nnctrl, tmp_path: Path, answer: str, expected: str, status: int) -> None:
    file = tmp_path / "r.json"
    ran = nnctrl("verify", *OBEDIENT, "--set", f"answer={answer}", "--expect", expected, "--json", file)
    assert ran.status == status
    assert file.exists()
    if status == 4:
        assert ran.err == f"nnctrl: the verdict is {answer.upper()} but --expect {expected.upper()} was given\n"


def test_a_fault_of_the_program(nnctrl: Nnctrl, tmp_path: Path) -> None:
    ran = nnctrl(
        "verify", *OBEDIENT, "--set", "answer=crash", "--json", tmp_path / "r.json", "--report", tmp_path / "r"
    )
    assert ran.status == 70
    assert "Traceback" not in ran.err
    assert len(ran.err.splitlines()) == 1
    assert "ZeroDivisionError: an injected fault" in ran.err
    assert "NNCTRL_DEBUG=1" in ran.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("answer", ["memory", "torch-memory"])
def test_a_machine_without_memory_is_an_exhausted_budget(nnctrl: Nnctrl, tmp_path: Path, answer: str) -> None:
    for command, verdict, rows in (("verify", "UNKNOWN", 3), ("falsify", "UNKNOWN", 3), ("reach", None, 0)):
        file = tmp_path / f"{command}.json"
        assert nnctrl(command, *OBEDIENT, "--set", f"answer={answer}", "--json", file).status == 20
        written = json.loads(file.read_text())
        assert (written["verdict"], written["reason"]) == (verdict, "memory-budget")
        assert len(written["requirements"]) == rows


def test_other_work_without_memory_is_asked_too_much(nnctrl: Nnctrl, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("nnctrl.report.samples.sample_trajectories", refuse)
    ran = nnctrl("simulate", "test-cart")
    assert ran.status == 2
    assert "not enough memory" in ran.err


def test_debugging_shows_the_traceback(nnctrl: Nnctrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNCTRL_DEBUG", "1")
    ran = nnctrl("verify", *OBEDIENT, "--set", "answer=crash")
    assert ran.status == 70
    assert "Traceback" in ran.err


def test_interruption(nnctrl: Nnctrl, tmp_path: Path) -> None:
    ran = nnctrl("verify", *OBEDIENT, "--set", "answer=interrupt", "--json", tmp_path / "r.json")
    assert ran.status == 130
    assert ran.err.strip() == "nnctrl: interrupted"
    assert list(tmp_path.iterdir()) == []


COMMAND = [sys.executable, "-c", "from nnctrl.cli.main import main; main()"]


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_signals_interrupt_a_real_process(tmp_path: Path, sent: signal.Signals) -> None:
    started = tmp_path / "started"
    (tmp_path / "slow.py").write_text(
        f"import pathlib, time\npathlib.Path({str(started)!r}).touch()\ntime.sleep(60)\nproblem = None\n"
    )
    arguments = ["verify", "slow.py", "--trust", "--json", "r.json"]
    process = subprocess.Popen(
        [*COMMAND, *arguments], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 30.0
    while not started.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(sent)
    out, err = process.communicate(timeout=30.0)
    assert process.returncode == 130
    assert out == ""
    assert err.strip() == "nnctrl: interrupted"
    assert not (tmp_path / "r.json").exists()


def test_a_reader_that_leaves_gets_no_verdict() -> None:
    """A verdict that nobody could read must not end in a status that scripts take for one."""
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.run([*COMMAND, "list"], stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert process.returncode == 130
    assert "Traceback" not in process.stderr


SHELL = " ".join(shlex.quote(part) for part in COMMAND)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("arguments", ["list", "show double-integrator", "--help"])
@pytest.mark.parametrize("output", [">/dev/full", "1</dev/null"])
def test_output_that_cannot_be_written(arguments: str, output: str) -> None:
    process = subprocess.run(
        f"{SHELL} {arguments} {output}", shell=True, stderr=subprocess.PIPE, text=True, check=False
    )
    assert process.returncode == 2
    assert process.stderr.startswith("nnctrl: the output cannot be written: ")
    assert len(process.stderr.splitlines()) == 1


@pytest.mark.parametrize(("arguments", "status"), [("list", 0), ("list nothing", 2)])
@pytest.mark.parametrize("streams", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", "2>/dev/full", ">&- 2>/dev/full"])
def test_streams_that_the_caller_closed_change_no_status(arguments: str, status: int, streams: str) -> None:
    process = subprocess.run(f"{SHELL} {arguments} {streams}", shell=True, capture_output=True, text=True, check=False)
    assert process.returncode == status
    assert "Traceback" not in process.stderr


def test_a_closed_output_does_not_end_up_in_a_file(tmp_path: Path) -> None:
    """The first file that is opened must not get the descriptor that prints go to."""
    (tmp_path / "mine.py").write_text(
        "import os\nfrom tests.small_loop import cart_network, cart_problem\n"
        "kept = open('kept', 'w')\nos.write(1, b'stray')\nproblem = cart_problem(cart_network())\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")])}
    process = subprocess.run(
        f"{SHELL} show mine.py --trust >&-", shell=True, cwd=tmp_path, env=environment, check=False
    )
    assert process.returncode == 0
    assert (tmp_path / "kept").read_text() == ""


NOISY = """
import warnings, casadi, numpy
from tests.small_loop import cart_network, cart_problem
warnings.warn_explicit("a library", UserWarning, "torch.py", 1, module="torch")
x = casadi.SX.sym("x")
quiet = {"ipopt.print_level": 0, "print_time": 0, "ipopt.sb": "yes"}
casadi.nlpsol("s", "ipopt", {"x": x, "f": casadi.log(x)}, quiet)(x0=-1.0)
warnings.warn("my own")
problem = cart_problem(cart_network())
"""


def test_warnings_of_libraries_are_not_shown(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(NOISY)
    place = tmp_path / "mine.py"
    command = [*COMMAND, "show", str(place), "--trust"]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    assert process.stderr.splitlines()[0].endswith("UserWarning: my own")
    assert "library" not in process.stderr
    assert "CasADi" not in process.stderr
    environment = {**os.environ, "NNCTRL_DEBUG": "1"}
    process = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert "a library" in process.stderr
    assert "CasADi" in process.stderr


def test_a_fault_that_is_no_exception_is_one_of_the_program(nnctrl: Nnctrl, monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(*_: object, **__: object) -> None:
        raise GeneratorExit

    monkeypatch.setattr("nnctrl.verification.decide.verify", leave)
    ran = nnctrl("verify", *OBEDIENT)
    assert ran.status == 70
    assert "GeneratorExit" in ran.err
