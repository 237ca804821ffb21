"""Figure 6: Hessian norms of random networks from the naive constants, LipLT and LipSDP, and what they cost.

200 networks with 2 to 11 layers, 32 neurons in every hidden layer. The paper's text has lost the input and output
dimensions and says neither how the networks are drawn nor over which set they are bounded; chosen here: two inputs and
two outputs, as the other random networks of the paper have, tanh, torch's default initialisation (uniform in
+-1/sqrt(inputs of the layer), biases too), the box [-1, 1]^2, the first output.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np
import torch

from benchmarks.hessian_paper_suite.methods import LIPSCHITZ
from nnctrl.bounds.hessian import hessian_norm
from nnctrl.bounds.layered import LayeredView
from nnctrl.bounds.view import NetworkView
from nnctrl.networks.activations import Tanh
from nnctrl.networks.network import Network
from nnctrl.plotting.chart import Chart, Curve, charts_png
from nnctrl.suite import AbstractExperiment, Conditions, Drawing, Expectation, Findings, Row
from nnctrl.threads import single_threaded

NEURONS = 32

PER_SEED = 4
"""Networks of every depth for each seed: five seeds make the paper's 200."""


@dataclass(frozen=True)
class Fig6(AbstractExperiment):
    """Every kind of constants on random networks with `depths` layers.

    The semidefinite programs of the deepest networks take 12 s each, so LipSDP treats the first network of every seed
    only; the relation to the others is checked network by network.
    """

    depths: tuple[int, ...] = tuple(range(2, 12))

    id: ClassVar[str] = "fig6"
    title: ClassVar[str] = "Hessian norms of random networks by kind of Lipschitz constants (Figure 6)"

    @single_threaded()
    def run(self, conditions: Conditions) -> Findings:
        """See `AbstractExperiment.run`."""
        rows: list[Row] = []
        ordered = True
        for depth in self.depths:
            found: dict[str, list[Measured]] = {name: [] for name in LIPSCHITZ}
            for number in range(PER_SEED * conditions.seeds):
                conditions.progress.update(f"fig6, {depth} layers, network {number + 1}")
                net = LayeredView.of(NetworkView.of(random_network(depth, number)))
                for name in LIPSCHITZ:
                    if name != "LipSDP" or number % PER_SEED == 0:
                        found[name].append(measure(net, name))
            ordered &= _is_ordered(found)
            rows += [_row(depth, name, found) for name in LIPSCHITZ]
        claim = Expectation("LipSDP is at most LipLT and LipLT at most naive on every network", ordered)
        return Findings(
            tuple(rows),
            (Drawing("fig6", "Means over the networks of every depth, and their time.", lambda: _picture(rows)),),
            (claim,),
            ("`of_naive` is the mean over the same networks of the Hessian norm divided by that from naive constants",),
        )


@dataclass(frozen=True)
class Measured:
    """The Hessian norm of one network with one kind of constants: a certified upper bound, and its time."""

    norm: float
    time_s: float


def random_network(depth: int, number: int) -> Network:
    """The `number`-th network with `depth` layers: depth - 1 hidden ones."""
    rng = np.random.default_rng([depth, number])
    sizes = [2, *[NEURONS] * (depth - 1), 2]
    layers = [
        (rng.uniform(-1.0, 1.0, (after, before)) / np.sqrt(before), rng.uniform(-1.0, 1.0, after) / np.sqrt(before))
        for before, after in pairwise(sizes)
    ]
    return Network.from_layers([weight for weight, _ in layers], [bias for _, bias in layers], Tanh())


def measure(net: LayeredView, name: str) -> Measured:
    """The Hessian norm of the first output over [-1, 1]^2 from the constants called `name`."""
    started = time.perf_counter()
    ones, direction = torch.ones(1, 2, dtype=torch.float64), torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    norm = hessian_norm(net, net.ranges(-ones, ones), direction, LIPSCHITZ[name], "least")
    return Measured(float(norm), time.perf_counter() - started)


def _is_ordered(found: Mapping[str, list[Measured]]) -> bool:
    naive, liplt = ([item.norm for item in found[name]] for name in ("naive", "LipLT"))
    lipsdp = [item.norm for item in found["LipSDP"]]
    # each norm is rounded outward by its own operations
    slack = 1.0 + 1e-9
    return all(a <= b * slack for a, b in zip(liplt, naive, strict=True)) and all(
        a <= b * slack for a, b in zip(lipsdp, liplt[::PER_SEED], strict=True)
    )


def _row(depth: int, name: str, found: Mapping[str, list[Measured]]) -> Row:
    own = found[name]
    naive = found["naive"][:: PER_SEED if name == "LipSDP" else 1]
    norms = [item.norm for item in own]
    return {
        "layers": depth,
        "lipschitz": name,
        "networks": len(own),
        "hessian_norm": statistics.fmean(norms),
        "hessian_norm_std": statistics.pstdev(norms),
        "of_naive": statistics.fmean(a.norm / b.norm for a, b in zip(own, naive, strict=True)),
        "time_s": statistics.fmean(item.time_s for item in own),
    }


def _picture(rows: list[Row]) -> bytes:
    def curves(column: str) -> list[Curve]:
        made = []
        for name in LIPSCHITZ:
            own = [row for row in rows if row["lipschitz"] == name]
            x, y = (np.array([row[key] for row in own], dtype=np.float64) for key in ("layers", column))
            made.append(Curve(name, x, y))
        return made

    return charts_png(
        [
            Chart("Hessian norm", "layers", "upper bound", curves("hessian_norm"), scale="log"),
            Chart("against naive constants", "layers", "share of the naive bound", curves("of_naive")),
            Chart("time", "layers", "seconds per network", curves("time_s"), scale="log"),
        ]
    )
