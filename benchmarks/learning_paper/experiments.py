"""What the methods make of the two experiments."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from benchmarks.learning_paper.data import SAMPLES, Experiment
from nnctrl._typing import FloatArray
from nnctrl.learning.lmi.local import synthesise_local
from nnctrl.learning.lmi.synthesis import Synthesis, affine_map, synthesise
from nnctrl.learning.lmi.transformed import Hidden
from nnctrl.networks.activations import Activation, Tanh

AFFINE, JOINT = "affine map", "LMI (32), feedthrough"
LOCAL, PASSING = "local sectors, no feedthrough", "local sectors, feedthrough"


@dataclass(frozen=True, eq=False)
class Row:
    """One method on one experiment: what it says, its wall time in seconds, starting network included."""

    synthesis: Synthesis
    seconds: float


@dataclass(frozen=True, eq=False)
class Outcome:
    """An affine map, LMI (32), and local sectors without and with a feedthrough.

    `samples` are inputs [pairs, 500, 2] and `images` what the network without feedthrough makes of them (None without
    one), for a figure; the certificates are the proof.
    """

    experiment: Experiment
    rows: dict[str, Row]
    samples: FloatArray
    images: FloatArray | None


def run(experiment: Experiment, activation: Activation | None = None, seed: int = 0) -> Outcome:
    """All rows of one experiment; the activation is tanh by default. Cost: some seconds."""
    kind = Tanh() if activation is None else activation
    pairs = experiment.pairs
    methods = {
        AFFINE: lambda: affine_map(pairs),
        JOINT: lambda: synthesise(pairs, Hidden.of(kind, experiment.neurons)),
        LOCAL: lambda: synthesise_local(pairs, experiment.neurons, kind),
        PASSING: lambda: synthesise_local(pairs, experiment.neurons, kind, feedthrough=True),
    }
    rows = {}
    for name, method in methods.items():
        start = time.perf_counter()
        result = method()
        rows[name] = Row(result, time.perf_counter() - start)
    rng = np.random.default_rng(seed)
    samples = np.stack([pair.inputs.source.sample(rng, SAMPLES) for pair in pairs])
    network = rows[LOCAL].synthesis.network
    return Outcome(experiment, rows, samples, None if network is None else network(samples))
