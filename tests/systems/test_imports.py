"""What a user waits for at import: the heavy libraries stay out until they are needed."""

from __future__ import annotations

import json
import subprocess
import sys

CODE = """
import json, sys
import numpy as np
import nnctrl.systems.absorb, nnctrl.systems.check, nnctrl.systems.unroll
from nnctrl.networks.network import Network
from nnctrl.systems.composer import compose
from nnctrl.systems.controller import Controller
from nnctrl.systems.linear_plant import LinearPlant
from nnctrl.systems.simulation import simulate
heavy = {"torch", "casadi", "control", "cvxpy", "matplotlib", "onnx", "networkx", "scipy"}
plant = LinearPlant(np.eye(2), np.eye(2), dt=1.0)
controller = Controller(Network.from_layers([-0.5 * np.eye(2)], [np.zeros(2)], []))
simulate(plant, controller, np.ones(2), 3)
print(json.dumps(sorted(heavy & set(sys.modules))))
compose(plant, controller)
print(json.dumps(sorted(heavy & set(sys.modules))))
"""


def test_linear_plants_are_simulated_and_composed_without_heavy_imports() -> None:
    result = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    before, after = result.stdout.splitlines()
    assert before == "[]"
    assert set(json.loads(after)) <= {"networkx", "scipy"}
