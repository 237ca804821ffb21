"""Small switched loops for tests, and their exact simulation in rational numbers from the parts."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from nnctrl.networks.activations import Relu
from nnctrl.networks.layers import Affine
from nnctrl.networks.network import Network
from nnctrl.systems.composer import compose
from nnctrl.systems.linear_plant import LinearPlant
from nnctrl.systems.plant import Plant
from nnctrl.systems.switched import InputRule, SwitchedController, SwitchedLoop

Vector = list[Fraction]


def dyadic(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> np.ndarray:
    """Random multiples of 2^-6 times `scale`: exact in short sums."""
    return scale * rng.integers(-64, 65, shape) / 64.0


def random_controller(seed: int, *, scale: float = 1.0) -> SwitchedController:
    """Three modes over two states, each with a network of two hidden layers, and rules of every kind."""
    rng = np.random.default_rng(seed)
    names = ("a", "b", "c")
    networks = {
        name: Network.from_layers(
            [dyadic(rng, 6, 2), dyadic(rng, 5, 6), dyadic(rng, 3, 5)],
            [dyadic(rng, n, scale=0.5) for n in (6, 5, 3)],
            Relu(),
        )
        for name in names
    }
    rules = (
        InputRule(dyadic(rng, 2), 0.125, [0.25], previous="b", next="a"),
        InputRule(dyadic(rng, 2), 0.0, [-0.125], next="b"),
        InputRule(dyadic(rng, 2), -0.5, [0.5]),
    )
    observation = Affine(dyadic(rng, 2, 2), dyadic(rng, 2))
    inputs = dict(zip(names, scale * np.array([[-0.5], [0.125], [0.75]]), strict=True))
    return SwitchedController(networks, inputs, "b", rules, observation)


def linear_plant(*, disturbed: bool = False) -> LinearPlant:
    """A slowly turning plant with entries that are exact."""
    return LinearPlant(
        A=[[0.9375, 0.25], [-0.125, 0.875]],
        B=[[0.125], [0.5]],
        c=[0.0, 0.0625],
        E=[[0.0], [0.125]] if disturbed else None,
        disturbances={"push": "1"} if disturbed else None,
        ranges={"push": (-0.25, 0.5)} if disturbed else None,
        states={"p": "1", "v": "1"},
        inputs={"u": "1"},
        dt=1.0,
    )


class BentPlant(Plant):
    """Not affine, with an uncertain parameter and an output that is not affine either."""

    states: ClassVar[dict[str, str]] = {"p": "1", "v": "1"}
    inputs: ClassVar[dict[str, str]] = {"u": "1"}
    disturbances: ClassVar[dict[str, str]] = {"push": "1"}
    outputs: ClassVar[dict[str, str]] = {"y": "1"}
    parameters: ClassVar[dict[str, tuple[float, float]]] = {"k": (0.125, 0.1875)}
    ranges: ClassVar[dict[str, tuple[float, float]]] = {"push": (-0.0625, 0.125)}
    dt = 1.0

    def dynamics(self, x: Any, u: Any, w: Any, p: Any) -> Any:
        return x[0] + 0.25 * x[1], x[1] + 0.25 * u[0] - p["k"] * x[0] * x[1] + w[0]

    def output(self, x: Any, u: Any) -> Any:
        return (x[0] * u[0],)


def exactly(values: object) -> Vector:
    """Doubles as rational numbers."""
    return [Fraction(float(v)) for v in np.asarray(values).ravel()]


def _affine(layer: Affine, x: Vector) -> Vector:
    assert layer.is_exact
    return [
        sum((Fraction(float(w)) * v for w, v in zip(row, x, strict=True)), Fraction(float(b)))
        for row, b in zip(layer.weight, layer.bias, strict=True)
    ]


def exact_scores(controller: SwitchedController, mode: str, x: Vector) -> Vector:
    """The scores of the network of `mode` (ReLU)."""
    v = x if controller.observation is None else _affine(controller.observation, x)
    (block,) = controller.networks[mode].blocks
    for layer in block.affines[:-1]:
        v = [max(z, Fraction(0)) for z in _affine(layer, v)]
    return _affine(block.affines[-1], v)


def exact_choice(controller: SwitchedController, mode: str, x: Vector) -> tuple[str, Vector]:
    """The next mode and the input: the definition, in order."""
    scores = exact_scores(controller, mode, x)
    following = controller.modes[scores.index(max(scores))]
    for rule in controller.rules:
        if rule.previous not in (None, mode) or rule.next not in (None, following):
            continue
        if sum(a * b for a, b in zip(exactly(rule.normal), x, strict=True)) <= Fraction(float(rule.bound)):
            return following, exactly(rule.input)
    return following, exactly(controller.inputs[following])


def exact_run(
    loop: SwitchedLoop, x0: object, steps: int, w: np.ndarray | None = None, k: object = 0.125
) -> tuple[list[Vector], list[Vector], list[str]]:
    """States 0 .. K, inputs and modes of every step; `w` [K, 1], `k` the parameter of `BentPlant` ([K] or a number)."""
    controller, plant = loop.controller, loop.plant
    mode, states = controller.initial, [exactly(x0)]
    parameters = np.broadcast_to(np.asarray(k, dtype=np.float64), (steps,))
    inputs, modes = [], []
    for step in range(steps):
        x = states[-1]
        mode, u = exact_choice(controller, mode, x)
        push = exactly(w[step]) if w is not None else [Fraction(0)] * plant.disturbance_size
        if isinstance(plant, LinearPlant):
            states.append(_affine(plant.matrices, [*x, *u, *push]))
        else:
            bend = Fraction(float(parameters[step])) * x[0] * x[1]
            states.append([x[0] + x[1] / 4, x[1] + u[0] / 4 - bend + push[0]])
        inputs.append(u)
        modes.append(mode)
    return states, inputs, modes


def threshold_controller(
    threshold: float, low: float, high: float, *, rules: tuple[InputRule, ...] = ()
) -> SwitchedController:
    """Over one state: mode "low" where it is at most the threshold (a tie goes to the first mode), else "high"."""
    network = Network.from_layers([[[0.0], [1.0]]], [[threshold, 0.0]], [])
    return SwitchedController({"low": network, "high": network}, {"low": [low], "high": [high]}, "low", rules)


def counter(gain: float = 1.0) -> LinearPlant:
    """p+ = p + gain u."""
    return LinearPlant(A=[[1.0]], B=[[gain]], states={"p": "1"}, inputs={"u": "1"}, dt=1.0)


def threshold_loop(*args: Any, **more: Any) -> SwitchedLoop:
    return compose(counter(), threshold_controller(*args, **more))
