"""The closed loops of the Hessian paper with the networks published with it, reconstructed from its public
configuration.

The figures of the paper for comparison, accuracy 0.01 and 0.001: double integrator about 680 and 2,250 branches,
quadrotor 930,000 and more.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from nnctrl import (
    Avoid,
    Ball,
    Box,
    Controller,
    Plant,
    Problem,
    ProblemDefinition,
    Reach,
    Spec,
    Zonotope,
    compose,
    load_network,
    setting,
)
from plants.double_integrator import DoubleIntegrator
from plants.quadrotor6d import Quadrotor6D

SOURCE = "published with the paper 'Provable Bounds on the Hessian of Neural Networks', repository o4lc/NNHessianBounds"


def _controller(path: Path) -> Controller:
    """The paper's networks are tanh networks; state dicts do not say so themselves."""
    return Controller(load_network(path, activation=None if path.suffix.lower() == ".onnx" else "tanh"))


@dataclass(frozen=True)
class PaperDoubleIntegrator(ProblemDefinition):
    """Reachable sets of the double integrator from a hexagon (section VII-C of the paper), network 2-10-5-5-1 tanh.

    The paper states no requirement; the one here, to be near the origin after the last step, gives `verify` something
    to decide.
    """

    id: ClassVar[str] = "paper/double-integrator"
    network_files: ClassVar[tuple[str, ...]] = ("doubleIntegratorTanh-2-10-5-5-1.pth",)
    network_source: ClassVar[str] = SOURCE

    network: Path | None = setting(None, "the paper's network, a .pth state dict or ONNX")
    horizon: int = setting(5, "steps", unit="steps", minimum=1)

    def build(self) -> Problem:
        """The paper's plant, hexagon and network."""
        hexagon = Zonotope(np.array([2.5, 0.0]), np.array([[0.1, 0.1, 0.1], [-0.1, 0.0, 0.1]]))
        near = Box(np.full(2, -1.0), np.full(2, 1.0))
        plant: Plant = DoubleIntegrator()
        spec = Spec((Reach(target=near, at=self.horizon, name="near-origin"),))
        loop = compose(plant, _controller(self.required_network()))
        return Problem(loop, hexagon, spec, self.horizon, self.id, views=(("p", "v"),))


@dataclass(frozen=True)
class PaperQuadrotor6D(ProblemDefinition):
    """Reachable sets of the 6-D quadrotor past two unit balls (section VII-C of the paper), network 6-32-32-3 tanh.

    The balls stand over (4, 2) and (2, 4) in the paper, whose text lost their heights: here they are at 2.
    """

    id: ClassVar[str] = "paper/quadrotor6d"
    network_files: ClassVar[tuple[str, ...]] = ("Quad-6-32-32-3.pth",)
    network_source: ClassVar[str] = SOURCE

    network: Path | None = setting(None, "the paper's network, a .pth state dict or ONNX")
    horizon: int = setting(10, "steps of 0.1 s", unit="steps", minimum=1)

    def build(self) -> Problem:
        """The paper's plant, box, balls and network."""
        lower = np.array([3.65, 4.3, 2.95, 2.0, -1e-4, -1e-4])
        upper = np.array([3.75, 4.75, 3.05, 2.1, 1e-4, 1e-4])
        balls = (Ball(np.array([4.0, 2.0, 2.0]), 1.0), Ball(np.array([2.0, 4.0, 2.0]), 1.0))
        position = ("px", "py", "pz")
        spec = Spec(tuple(Avoid(target=b, on=position, name=f"obstacle-{k + 1}") for k, b in enumerate(balls)))
        loop = compose(Quadrotor6D(), _controller(self.required_network()))
        return Problem(
            loop, Box(lower, upper), spec, self.horizon, self.id, views=(("px", "py"), ("px", "pz"), ("t", "pz"))
        )
