"""Random networks, boxes and points for soundness tests: ordinary ones and those that break careless bounds."""

from __future__ import annotations

import itertools

import numpy as np

from nnctrl.networks.activations import Activation, Clip, Identity, Relu, Sigmoid, Softplus, Tanh
from nnctrl.networks.layers import ActivationLayer, Affine
from nnctrl.networks.network import Block, Network

KINDS: tuple[Activation, ...] = (Tanh(), Sigmoid(), Softplus(), Relu(), Clip(-0.7, 0.4))


SMOOTH: tuple[Activation, ...] = (Tanh(), Sigmoid(), Softplus())
"""The kinds that have a second derivative."""


def random_network(
    rng: np.random.Generator,
    *,
    blocks: int = 1,
    scale: float | None = None,
    kinds: tuple[Activation, ...] = KINDS,
    deepest: int = 3,
) -> Network:
    """1 to `deepest` hidden layers of up to 5 lanes with mixed activations, sometimes a feedthrough; weights from mild
    to saturating.
    """
    gain = scale if scale is not None else float(rng.choice([0.3, 1.0, 3.0, 20.0]))
    size = int(rng.integers(1, 4))
    parts = []
    for _ in range(blocks):
        hidden = [int(rng.integers(1, 6)) for _ in range(int(rng.integers(1, deepest + 1)))]
        out = int(rng.integers(1, 4))
        widths = [size, *hidden, out]
        affines = tuple(
            Affine(gain * rng.normal(size=(b, a)) / np.sqrt(a), gain * rng.normal(size=b))
            for a, b in itertools.pairwise(widths)
        )
        layers = tuple(random_layer(rng, width, kinds) for width in hidden)
        skip = Affine(rng.normal(size=(out, size)), rng.normal(size=out)) if rng.random() < 0.5 else None
        parts.append(Block(affines, layers, skip))
        size = out
    return Network(tuple(parts))


def random_layer(rng: np.random.Generator, width: int, kinds: tuple[Activation, ...] = KINDS) -> ActivationLayer:
    """One activation for all lanes, or a nonlinear one beside identity lanes."""
    kind = kinds[int(rng.integers(len(kinds)))]
    if width > 1 and rng.random() < 0.3:
        return ActivationLayer(((kind, width - 1), (Identity(), 1)))
    return ActivationLayer(((kind, width),))


def random_box(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper corners: ordinary, flat in some coordinates, a point, tiny at a large offset, or huge."""
    kind = rng.choice(["ordinary", "flat", "point", "tiny", "offset", "huge", "lopsided"])
    centre = rng.normal(size=size)
    radius = rng.random(size)
    if kind == "flat":
        radius[int(rng.integers(size))] = 0.0
    elif kind == "point":
        radius[:] = 0.0
    elif kind == "tiny":
        radius *= 10.0 ** float(rng.integers(-15, -4))
    elif kind == "offset":
        centre *= 1e6
        radius *= 10.0 ** float(rng.integers(-9, 1))
    elif kind == "huge":
        radius *= 10.0 ** float(rng.integers(2, 9))
    elif kind == "lopsided":
        radius *= 10.0 ** rng.integers(-12, 3, size=size).astype(float)
    return centre - radius, centre + radius


def points_of_box(rng: np.random.Generator, lower: np.ndarray, upper: np.ndarray, count: int) -> np.ndarray:
    """Centre, corners, points on faces and inside, [count, n]; all within the box exactly."""
    unit = rng.random((count, len(lower)))
    unit[: count // 3] = np.round(unit[: count // 3])
    face = slice(count // 3, 2 * count // 3)
    column = rng.integers(len(lower), size=len(unit[face]))
    unit[face][np.arange(len(column)), column] = np.round(unit[face][np.arange(len(column)), column])
    points = lower + unit * (upper - lower)
    points[-1] = 0.5 * lower + 0.5 * upper
    return np.clip(points, lower, upper)
