"""`list` and `--help` answer at once: they load nothing heavy."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from nnctrl.cli.main import COMMANDS

HEAVY = ("numpy", "scipy", "torch", "casadi", "control", "cvxpy", "matplotlib", "onnx", "networkx", "rich")

ALLOWED_SECONDS = 1.5
"""A loaded machine gets some grace; on an idle one the answer takes a tenth of a second."""

LIGHT = [["list"], ["list", "problems"], ["--help"], ["--version"], *([command, "--help"] for command in COMMANDS)]


@pytest.mark.parametrize("arguments", LIGHT, ids=" ".join)
def test_light_commands_load_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from nnctrl.cli.main import run; "
        f"status = run({arguments!r}); "
        f"loaded = [m for m in {HEAVY!r} if m in sys.modules]; "
        "sys.exit(f'{status} {loaded}' if status or loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_library_itself_is_light() -> None:
    code = f"import sys, nnctrl; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("arguments", [["list"], ["--help"], ["verify", "--help"]], ids=" ".join)
def test_light_commands_are_quick(arguments: list[str]) -> None:
    command = [sys.executable, "-c", "from nnctrl.cli.main import main; main()", *arguments]
    seconds = []
    for _ in range(3):
        started = time.monotonic()
        subprocess.run(command, capture_output=True, check=True)
        seconds.append(time.monotonic() - started)
    assert min(seconds) < ALLOWED_SECONDS


def test_verifying_without_a_picture_loads_no_plotting() -> None:
    code = (
        "import sys; from nnctrl import registry; from tests.small_loop import CartProblem; "
        "registry.register('problems', 'test-cart')(CartProblem); "
        "from nnctrl.cli.main import run; status = run(['verify', 'test-cart', '--quiet']); "
        "loaded = [m for m in ('matplotlib', 'cvxpy', 'control') if m in sys.modules]; "
        "sys.exit(f'{status} {loaded}' if status or loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
