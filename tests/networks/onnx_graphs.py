"""Chains of ONNX operators over a common set of constants, and their import."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nnctrl.networks.network import Network
from nnctrl.networks.onnx_import import read_onnx
from tests.networks.onnx_models import Nodes, model, save

RNG = np.random.default_rng(7)
W34 = RNG.normal(size=(3, 4))
W43 = RNG.normal(size=(4, 3))
B3 = RNG.normal(size=3)
B4 = RNG.normal(size=4)

TENSORS = {
    "W34": W34,
    "W43": W43,
    "B3": B3,
    "B4": B4,
    "v4": RNG.normal(size=4),
    "row": RNG.normal(size=(1, 3)),
    "column": RNG.normal(size=(3, 1)),
    "half": np.array(0.5),
    "third": np.array([1.0 / 3.0]),
    "tenths": np.array([0.1, -0.3, 0.7, 10.0]),
    "powers": np.array([2.0, -0.5, 4.0, 1.0]),
    "low": np.array(-0.4),
    "high": np.array(0.6),
    "lows": np.array([-1.0, -0.5, -0.25, 0.0]),
    "highs": np.array([1.0, 0.5, 0.25, 0.125]),
    "ones": np.ones((1, 1, 1, 4)),
    "kernel": RNG.normal(size=(3, 1, 1, 4)),
    "kernel1d": RNG.normal(size=(2, 2, 2)),
    "point": RNG.normal(size=(2, 3, 1, 1)),
    "keep": np.array([0, -1]),
    "fold": np.array([-1, 4]),
    "square": np.array([1, 2, 2]),
    "axis0": np.array([0]),
    "axes12": np.array([1, 2]),
    "E22": RNG.normal(size=(2, 2)),
    "B1": np.array([0.3]),
}
BATCH = ("N", 4)


def graph(*steps: tuple[Any, ...]) -> Nodes:
    """Nodes one after another: (operator, other inputs, attributes); '_' stands for the signal, which comes first
    otherwise.
    """
    nodes, before = [], "x"
    for index, step in enumerate(steps):
        operator, others, attributes = step
        after = "y" if index == len(steps) - 1 else f"t{index}"
        inputs = [before if name == "_" else name for name in others] if "_" in others else [before, *others]
        nodes.append((operator, inputs, [after], attributes))
        before = after
    return nodes


def read(tmp_path: Path, nodes: Nodes, shape: tuple[int | str, ...] = BATCH, **options: Any) -> Network:
    """The import of a model that uses TENSORS."""
    used = {i for _, inputs, _, _ in nodes for i in inputs}
    return read_onnx(
        save(tmp_path / "n.onnx", model(nodes, {k: v for k, v in TENSORS.items() if k in used}, shape, **options))
    )
