"""TORA: one controller that keeps the cart in bounds, and two that bring it to a goal in five seconds.

The sigmoid network has two published scalings that are different controllers: u = 11 N in the repository of 2025 and
u = 22 (N - 1/2) before; both end in the goal, and both are instances here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from benchmarks.arch.competition import CompetitionProblem, box
from nnctrl import Controller, Problem, Reach, Spec, Stay, compose, load_network
from nnctrl.errors import InputError
from nnctrl.networks.layers import Affine
from nnctrl.networks.text_import import read_layer_text
from plants.tora import Tora

FOLDER = "Tora_Heterogeneous"
SIGMOID_FILES = (f"{FOLDER}/nn_tora_sigmoid.mat", f"{FOLDER}/nn_tora_sigmoid.txt")

GOAL = box((-0.1, 0.2), (-0.9, -0.6))

VIEWS = (("x1", "x2"), ("x3", "x4"))


@dataclass(frozen=True)
class ToraRemain(CompetitionProblem):
    """TORA, remain: all states in [-2, 2] at all times up to 20 s, ReLU network; expected VERIFIED.

    Sampled every 1 s; u = N(x) - 10.
    """

    id: ClassVar[str] = "arch/tora-remain"
    network_files: ClassVar[tuple[str, ...]] = (
        "Benchmark9-Tora/controllerTora.onnx",
        "Benchmark9-Tora/controllerTora.mat",
    )

    def build(self) -> Problem:
        """The competition's instance."""
        network = load_network(self.required_network())
        controller = Controller(network, output=Affine(np.eye(1), np.array([-10.0])), period=1.0)
        return Problem(
            compose(Tora(), controller),
            box((0.6, 0.7), (-0.7, -0.6), (-0.4, -0.3), (0.5, 0.6)),
            Spec((Stay(box(*[(-2.0, 2.0)] * 4), name="bounds"),)),
            20.0,
            self.id,
            views=VIEWS,
        )


def _reach(name: str, path: Path, activations: tuple[str, ...], offset: float, scale: float) -> Problem:
    """The loop with u = scale (N - offset): a layer text says so itself, which must be the same; other files do not."""
    output = None
    if path.suffix.lower() == ".txt":
        text = read_layer_text(path)
        if (text.offset, text.scale) != (offset, scale):
            raise InputError(
                f"'{path.name}' has the outputs (N - {text.offset:g}) {text.scale:g} but the problem '{name}' means "
                f"(N - {offset:g}) {scale:g}; give the file of the year that has it, or the .mat file"
            )
        network = text.network(activations if text.activations is None else None)
    else:
        network, output = load_network(path), Affine(np.array([[scale]]), np.array([-scale * offset]))
    return Problem(
        compose(Tora(), Controller(network, output=output, period=0.5)),
        box((-0.77, -0.75), (-0.45, -0.43), (0.51, 0.54), (-0.3, -0.28)),
        Spec((Reach(GOAL, at=5.0, on=("x1", "x2"), name="goal"),)),
        5.0,
        name,
        views=VIEWS,
    )


@dataclass(frozen=True)
class ToraTanh(CompetitionProblem):
    """TORA, reach-tanh: (x1, x2) in [-0.1, 0.2] x [-0.9, -0.6] at 5 s, u = 11 N(x); expected VERIFIED.

    Sampled every 0.5 s. The network, of ReLU with tanh outputs, is in a .mat or .txt file; an ONNX file must not scale
    its outputs.
    """

    id: ClassVar[str] = "arch/tora-tanh"
    network_files: ClassVar[tuple[str, ...]] = (f"{FOLDER}/nn_tora_relu_tanh.mat", f"{FOLDER}/nn_tora_relu_tanh.txt")

    def build(self) -> Problem:
        """The competition's instance."""
        return _reach(self.id, self.required_network(), ("relu", "relu", "relu", "tanh"), 0.0, 11.0)


@dataclass(frozen=True)
class ToraSigmoid(CompetitionProblem):
    """TORA, reach-sigmoid: the same goal at 5 s with the sigmoid network and u = 11 N(x); expected VERIFIED.

    Sampled every 0.5 s. The scaling of 2025, with which u is never negative and the arm spins. Files as for tora-tanh.
    """

    id: ClassVar[str] = "arch/tora-sigmoid"
    network_files: ClassVar[tuple[str, ...]] = SIGMOID_FILES

    def build(self) -> Problem:
        """The competition's instance."""
        return _reach(self.id, self.required_network(), ("sigmoid",) * 4, 0.0, 11.0)


@dataclass(frozen=True)
class ToraSigmoidSymmetric(CompetitionProblem):
    """TORA, reach-sigmoid: the same goal at 5 s with the sigmoid network and u = 22 (N(x) - 1/2); expected VERIFIED.

    Sampled every 0.5 s. The scaling until 2024, with which the network seems to have been trained.
    """

    id: ClassVar[str] = "arch/tora-sigmoid-symmetric"
    network_files: ClassVar[tuple[str, ...]] = SIGMOID_FILES

    def build(self) -> Problem:
        """The instance of the years before 2025."""
        return _reach(self.id, self.required_network(), ("sigmoid",) * 4, 0.5, 22.0)
