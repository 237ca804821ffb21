"""Random closed loops, and their exact simulation in rational arithmetic.

The simulation repeats the definition of the controller's sample with fractions and shares nothing with the composer. A
composed network is evaluated as what it claims to be: all maps with matrices within the radii, as rational intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.networks.activations import Activation, Clip, Identity, Relu
from nnctrl.networks.layers import ActivationLayer, Affine
from nnctrl.networks.network import Block, Network
from nnctrl.sets.box import Box
from nnctrl.systems.controller import Controller, Memory
from nnctrl.systems.linear_plant import LinearPlant

Vector = list[Fraction]
Ranges = list[tuple[Fraction, Fraction]]


@dataclass(frozen=True)
class Parts:
    """Which parts a random loop has."""

    disturbance: bool = False
    outputs: bool = False
    observation: bool = False
    noise: bool = False
    output: bool = False
    saturation: bool = False
    memory: bool = False
    delay: int = 0
    observes: str = "states"


EVERYTHING = Parts(True, True, True, True, True, True, True, 2)


def random_loop(parts: Parts, activation: Activation, seed: int = 0) -> tuple[LinearPlant, Controller]:
    """A contracting plant with 3 states and 2 inputs, and a controller with the given parts."""
    rng = np.random.default_rng(seed)
    n, m, q = 3, 2, 2 if parts.disturbance else 0
    rows = 2 if parts.outputs else 0
    A = rng.normal(size=(n, n))
    plant = LinearPlant(
        0.9 * A / np.linalg.norm(A, 2),
        rng.normal(size=(n, m)),
        c=0.1 * rng.normal(size=n),
        E=rng.normal(size=(n, q)),
        C=rng.normal(size=(rows, n)) if rows else None,
        D=rng.normal(size=(rows, m)) * (parts.observes == "states" or parts.delay > 0) if rows else None,
        ranges={f"w{k + 1}": (-0.5, 0.25) for k in range(q)},
        dt=0.1,
    )
    observed = n if parts.observes == "states" else rows
    seen = 2 if parts.observation else observed
    s = 2 if parts.memory else 0
    raw = 3 if parts.output else m
    sizes = [seen + s, 5, 4, raw]
    weights = [rng.normal(size=(b, a)) / np.sqrt(a) for a, b in pairwise(sizes)]
    network = Network.from_layers(weights, [0.3 * rng.normal(size=b) for b in sizes[1:]], activation)
    controller = Controller(
        network,
        observation=Affine(rng.normal(size=(seen, observed)), rng.normal(size=seen)) if parts.observation else None,
        noise=Box(-0.1 * np.ones(seen), 0.2 * np.ones(seen)) if parts.noise else None,
        output=Affine(rng.normal(size=(m, raw)), rng.normal(size=m)) if parts.output else None,
        saturation=Box(-0.4 * np.ones(m), np.array([0.3, 0.6])) if parts.saturation else None,
        delay=parts.delay,
        initial_input=rng.normal(size=(parts.delay, m)) if parts.delay else None,
        memory=Memory(0.5 * np.eye(s), rng.normal(size=(s, seen)), rng.normal(size=s)) if parts.memory else None,
        observes=parts.observes,  # type: ignore[arg-type]
    )
    return plant, controller


def rational(values: FloatArray | Sequence[float]) -> Vector:
    """Doubles as the fractions that they are."""
    return [Fraction(float(v)) for v in values]


def times(matrix: FloatArray, vector: Vector) -> Vector:
    """The exact product of a matrix of doubles and a rational vector."""
    return [sum((Fraction(float(a)) * v for a, v in zip(row, vector, strict=True)), Fraction(0)) for row in matrix]


def plus(first: Vector, second: Vector) -> Vector:
    return [a + b for a, b in zip(first, second, strict=True)]


def exact_affine(affine: Affine, x: Vector) -> Vector:
    """An affine map without radii."""
    assert affine.is_exact
    return plus(times(affine.weight, x), rational(affine.bias))


def _apply(activation: Activation, z: Fraction, lane: int) -> Fraction:
    if isinstance(activation, Identity):
        return z
    if isinstance(activation, Relu):
        return max(z, Fraction(0))
    assert isinstance(activation, Clip)
    low, high = ((limit[lane] if isinstance(limit, tuple) else limit) for limit in (activation.lower, activation.upper))
    return min(max(z, Fraction(low)), Fraction(high))


def exact_layer(layer: ActivationLayer, z: Vector) -> Vector:
    """An activation layer of piecewise linear functions."""
    return [
        _apply(activation, value, lane) for activation, lanes in layer.slices() for lane, value in enumerate(z[lanes])
    ]


def exact_network(network: Network, x: Vector) -> Vector:
    """A network of piecewise linear functions without radii."""
    for block in network.blocks:
        hidden = x
        for affine, layer in zip(block.affines, block.activations, strict=False):
            hidden = exact_layer(layer, exact_affine(affine, hidden))
        result = exact_affine(block.affines[-1], hidden)
        x = result if block.feedthrough is None else plus(result, exact_affine(block.feedthrough, x))
    return x


@dataclass
class ExactLoop:
    """The closed loop in rational arithmetic: state, delay line and memory."""

    plant: LinearPlant
    controller: Controller
    x: Vector

    def __post_init__(self) -> None:
        self.line = [rational(row) for row in self.controller.initial_line]
        memory = self.controller.memory
        self.memory: Vector = [] if memory is None else rational(memory.start)

    @property
    def z(self) -> Vector:
        """Composite state."""
        return [*self.x, *(value for row in self.line for value in row), *self.memory]

    def step(self, w: Vector, noise: Vector) -> tuple[Vector, Vector]:
        """One sample; returns the applied input and the outputs."""
        controller, outputs = self.controller, self.plant.output_matrices
        known = self.line[0] if self.line else [Fraction(0)] * self.plant.input_size
        observed = self.x
        if controller.observes == "outputs":
            assert outputs is not None
            observed = exact_affine(outputs, [*self.x, *known, *w])
        view = observed if controller.observation is None else exact_affine(controller.observation, observed)
        view = plus(view, noise) if noise else view
        command = exact_network(controller.network, [*view, *self.memory])
        if controller.output is not None:
            command = exact_affine(controller.output, command)
        if controller.saturation is not None:
            box = controller.saturation
            limits = zip(rational(box.lower), rational(box.upper), strict=True)
            command = [min(max(c, low), high) for c, (low, high) in zip(command, limits, strict=True)]
        if controller.memory is not None:
            self.memory = plus(times(controller.memory.F, self.memory), times(controller.memory.H, view))
        self.line.append(command)
        applied = self.line.pop(0)
        y = [] if outputs is None else exact_affine(outputs, [*self.x, *applied, *w])
        self.x = exact_affine(self.plant.matrices, [*self.x, *applied, *w])
        return applied, y


def point_ranges(x: Vector) -> Ranges:
    return [(v, v) for v in x]


def affine_ranges(affine: Affine, x: Ranges) -> Ranges:
    """All values of an affine map over its radii and a rational box, exactly."""
    result = []
    for row in range(affine.out_size):
        low = high = Fraction(float(affine.bias[row]))
        if affine.bias_radius is not None:
            spread = Fraction(float(affine.bias_radius[row]))
            low, high = low - spread, high + spread
        for column, (a, b) in enumerate(x):
            weight = Fraction(float(affine.weight[row, column]))
            radius = Fraction(0)
            if affine.weight_radius is not None:
                radius = Fraction(float(affine.weight_radius[row, column]))
            if weight == 0 and radius == 0:
                continue
            products = [w * v for w in (weight - radius, weight + radius) for v in (a, b)]
            low, high = low + min(products), high + max(products)
        result.append((low, high))
    return result


def block_ranges(block: Block, x: Ranges) -> Ranges:
    hidden = x
    for affine, layer in zip(block.affines, block.activations, strict=False):
        z = affine_ranges(affine, hidden)
        ends = [exact_layer(layer, [end[k] for end in z]) for k in (0, 1)]
        hidden = list(zip(*ends, strict=True))
    result = affine_ranges(block.affines[-1], hidden)
    if block.feedthrough is None:
        return result
    skip = affine_ranges(block.feedthrough, x)
    return [(a + c, b + d) for (a, b), (c, d) in zip(result, skip, strict=True)]


def network_ranges(network: Network, x: Vector) -> Ranges:
    """At least all values that a network with radii stands for at a rational point; piecewise linear activations."""
    ranges = point_ranges(x)
    for block in network.blocks:
        ranges = block_ranges(block, ranges)
    return ranges


def strip_radii(network: Network) -> Network:
    """The same network with its stored matrices taken for exact."""

    def strip(affine: Affine) -> Affine:
        return Affine(affine.weight, affine.bias)

    return Network(
        tuple(
            Block(tuple(map(strip, b.affines)), b.activations, None if b.feedthrough is None else strip(b.feedthrough))
            for b in network.blocks
        )
    )


def contains(ranges: Ranges, values: Vector) -> bool:
    """Whether every value lies in its range."""
    return all(low <= value <= high for (low, high), value in zip(ranges, values, strict=True))
