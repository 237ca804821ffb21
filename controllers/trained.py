"""The trained networks that come with the project, as controllers; their cards say how each was made."""

from __future__ import annotations

import tomllib
from pathlib import Path

from nnctrl import Controller
from nnctrl.networks.onnx_import import read_onnx

FOLDER = Path(__file__).parent / "networks"
DEMO = FOLDER / "demo"
"""Small networks for continuous plants, one for each family of the ARCH-COMP category AINNCS but VCAS."""


def double_integrator() -> Controller:
    """2-10-5-5-1 tanh: brings the double integrator near the origin in five steps, past a ball in its state space."""
    return Controller(read_onnx(FOLDER / "double-integrator.onnx"))


def quadrotor6d_obstacles() -> Controller:
    """6-32-32-3 tanh: flies the quadrotor past two unit balls and to the origin in six seconds."""
    return Controller(read_onnx(FOLDER / "quadrotor6d-obstacles.onnx"))


def demo_acc() -> Controller:
    """6-16-16-1 relu: keeps its distance from a braking car, sampled every 0.1 s."""
    return _demo("acc")


def demo_airplane() -> Controller:
    """12-24-24-6 tanh: levels the airplane, too gently, sampled every 0.1 s."""
    return _demo("airplane")


def demo_attitude() -> Controller:
    """6-20-20-3 tanh: brings a turning body nearly to rest, sampled every 0.1 s."""
    return _demo("attitude")


def demo_cartpole() -> Controller:
    """4-16-16-1 relu: balances a pole on a cart, sampled every 0.02 s."""
    return _demo("cartpole")


def demo_docking() -> Controller:
    """4-10-10-2 tanh: approaches another spacecraft slowly, sampled every second."""
    return _demo("docking")


def demo_double_pendulum() -> Controller:
    """4-20-20-2 tanh: brings the double pendulum upright, sampled every 0.05 s."""
    return _demo("double-pendulum")


def demo_nav() -> Controller:
    """4-24-24-2 tanh: backs the car around an obstacle to the origin, sampled every 0.2 s."""
    return _demo("nav")


def demo_quad() -> Controller:
    """12-16-16-3 tanh: lets the quadrotor climb to 1 m, sampled every 0.1 s."""
    return _demo("quad")


def demo_single_pendulum() -> Controller:
    """2-20-20-1 tanh: catches a falling pendulum, sampled every 0.05 s."""
    return _demo("single-pendulum")


def demo_tora() -> Controller:
    """4-20-20-1 sigmoid: stills a cart by turning an arm, sampled every second."""
    return _demo("tora")


def demo_unicycle() -> Controller:
    """4-20-20-2 tanh: drives the unicycle to the origin, sampled every 0.2 s."""
    return _demo("unicycle")


def _demo(name: str) -> Controller:
    """The network with the period of the expert that it imitates."""
    card = tomllib.loads((DEMO / f"{name}.toml").read_text(encoding="utf-8"))
    return Controller(read_onnx(DEMO / f"{name}.onnx"), period=card["expert"]["period"])
