"""Networks of any depth to start from: fitted to wanted outputs on samples of every pair's input set."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.learning.dataset import Dataset
from nnctrl.learning.lmi.conditions import Pair
from nnctrl.learning.lmi.specification import Specification
from nnctrl.learning.regression import Regression
from nnctrl.networks.activations import Activation
from nnctrl.networks.network import Network, Origin
from nnctrl.progress import Progress, SilentProgress
from nnctrl.threads import single_threaded

SAMPLES = 120
"""Inputs per pair, half of them on the boundary."""

WEIGHT_DECAY = 1e-6
"""Small, so that the network is nearly constant on each set: saturated neurons have narrow local sectors."""

Wanted = Callable[[int, FloatArray], FloatArray]
"""The outputs [count, m] that pair number `i` wants for inputs [count, n]."""


@single_threaded()
def fitted(
    pairs: Sequence[Pair],
    hidden: Sequence[int],
    activation: Activation,
    seed: int,
    wanted: Wanted | None = None,
    progress: Progress | None = None,
) -> Network:
    """A network with these hidden layers fitted to `wanted`, by default the deepest outputs of every pair.

    It promises nothing. Cost: about half a second for three pairs in the plane.
    """
    report = progress or SilentProgress()
    rng = np.random.default_rng(seed)
    states, outputs = [], []
    for number, pair in enumerate(pairs):
        source = pair.inputs.source
        edge = source.support_vector(rng.standard_normal((SAMPLES // 2, source.dim)))
        points = np.concatenate([edge, source.sample(rng, SAMPLES // 2)])
        states.append(points)
        outputs.append(
            deepest_outputs(pair.specification, points) if wanted is None else np.asarray(wanted(number, points))
        )
    data = Dataset(np.concatenate(states), np.concatenate(outputs))
    fit = Regression(data, hidden, WEIGHT_DECAY, rng, activation)
    fit.adam(data, epochs=100, batch=60, rate=0.03, rng=rng, progress=report)
    fit.lbfgs(data, iterations=400, progress=report)
    return fit.network(Origin(f"fitted to the wanted outputs of {len(pairs)} pairs, seed {seed}"))


def deepest_outputs(specification: Specification, x: FloatArray) -> FloatArray:
    """The y [..., ny] that minimises the sum of the inequalities at `x` [..., nx], which has to be convex in y.

    For one ellipsoid that is its centre. Of several minima the one of least norm.
    """
    nx, ny = specification.in_size, specification.out_size
    total = np.asarray(sum(form.middle for form in specification.forms))
    linear = x @ total[:nx, nx : nx + ny] + total[-1, nx : nx + ny]
    result: FloatArray = -linear @ np.linalg.pinv(total[nx : nx + ny, nx : nx + ny])
    return result
