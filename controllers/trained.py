"""The trained networks that come with the project, as controllers; their cards say how each was made."""

from __future__ import annotations

from pathlib import Path

from nnctrl import Controller
from nnctrl.networks.onnx_import import read_onnx

FOLDER = Path(__file__).parent / "networks"


def double_integrator() -> Controller:
    """2-10-5-5-1 tanh: brings the double integrator near the origin in five steps, past a ball in its state space."""
    return Controller(read_onnx(FOLDER / "double-integrator.onnx"))


def quadrotor6d_obstacles() -> Controller:
    """6-32-32-3 tanh: flies the quadrotor past two unit balls and to the origin in six seconds."""
    return Controller(read_onnx(FOLDER / "quadrotor6d-obstacles.onnx"))
