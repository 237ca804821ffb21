"""`list` and `--help` answer at once: they load nothing heavy."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from nnctrl.cli.main import COMMANDS

HEAVY = ("numpy", "scipy", "torch", "casadi", "control", "cvxpy", "matplotlib", "onnx", "networkx", "numba", "rich")

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


PENDULUM = """
import casadi
import numpy as np
from nnctrl import Box, Controller, Network, Plant, Problem, Spec, Stay, compose
from nnctrl.networks.activations import Tanh

class Pendulum(Plant):
    states = {"angle": "rad", "rate": "rad/s"}
    inputs = {"torque": "N m"}

    def dynamics(self, x, u):
        return x[1], casadi.sin(x[0]) + u[0]

network = Network.from_layers([np.array([[-2.0, -1.0]]), np.array([[2.0]])], [np.zeros(1), np.zeros(1)], Tanh())
loop = compose(Pendulum(), Controller(network, period=0.1))
problem = Problem(
    loop, Box([0.1, 0.0], [0.2, 0.1]), Spec((Stay(Box([-1.0, -1.0], [1.0, 1.0])),)), 1.0, "pendulum",
)
"""


def test_verifying_a_continuous_plant_loads_nothing_that_only_other_tasks_need(tmp_path: Path) -> None:
    (tmp_path / "pendulum.py").write_text(PENDULUM)
    code = (
        "import sys; from nnctrl.cli.main import run; status = run(['verify', 'pendulum.py', '--trust', '--quiet']); "
        "loaded = [m for m in ('torch', 'cvxpy', 'control', 'matplotlib', 'onnx') if m in sys.modules]; "
        "sys.exit(f'{status} {loaded}' if status or loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("VERIFIED")
