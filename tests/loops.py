"""Small closed loops for tests, and their exact simulation with 60 digits from the parts (not from the composed
network).
"""

from __future__ import annotations

import itertools

import mpmath
import numpy as np

from nnctrl.networks.activations import Tanh
from nnctrl.networks.layers import Affine
from nnctrl.networks.network import Network
from nnctrl.sets.box import Box
from nnctrl.systems.closed_loop import ClosedLoop
from nnctrl.systems.composer import compose
from nnctrl.systems.controller import Controller
from nnctrl.systems.linear_plant import LinearPlant
from tests import high_precision

Vector = list[mpmath.mpf]


def small_network(inputs: int, outputs: int, seed: int = 0, gain: float = 0.8) -> Network:
    """A two-hidden-layer tanh network."""
    rng = np.random.default_rng(seed)
    sizes = [inputs, 6, 5, outputs]
    weights = [gain * rng.normal(size=(b, a)) for a, b in itertools.pairwise(sizes)]
    return Network.from_layers(weights, [0.3 * rng.normal(size=len(w)) for w in weights], Tanh())


def integrator_loop(seed: int = 0, *, disturbed: bool = False, delay: int = 0, saturated: bool = False) -> ClosedLoop:
    """The double integrator with dt = 0.2 under a small network."""
    plant = LinearPlant(
        A=[[1.0, 0.2], [0.0, 1.0]],
        B=[[0.02], [0.2]],
        E=[[0.0], [0.1]] if disturbed else None,
        disturbances={"push": "m/s^2"} if disturbed else None,
        ranges={"push": (-0.1, 0.2)} if disturbed else None,
        states={"p": "m", "v": "m/s"},
        inputs={"u": "m/s^2"},
        dt=0.2,
    )
    controller = Controller(
        small_network(2, 1, seed),
        output=Affine(np.array([[1.5]]), np.array([-0.1])),
        saturation=Box(np.array([-0.6]), np.array([0.5])) if saturated else None,
        delay=delay,
    )
    return compose(plant, controller)


def simulate_exactly(loop: ClosedLoop, x0: np.ndarray, w: np.ndarray) -> tuple[list[Vector], list[Vector]]:
    """States 0 .. K and applied inputs 0 .. K-1 of a loop made by `integrator_loop`, w [K, w]."""
    plant, controller = loop.plant, loop.controller
    dynamics = plant.affine()
    x = high_precision.vector(x0)
    line = [[mpmath.mpf(0)] * plant.input_size for _ in range(controller.delay)]
    states, inputs = [x], []
    for disturbance in w:
        command = high_precision.affine(controller.output, high_precision.network(controller.network, x))
        if controller.saturation is not None:
            box = controller.saturation
            command = [
                min(max(c, mpmath.mpf(float(low))), mpmath.mpf(float(high)))
                for c, low, high in zip(command, box.lower, box.upper, strict=True)
            ]
        line.append(command)
        u = line.pop(0)
        x = high_precision.affine(dynamics.state, [*x, *u, *high_precision.vector(disturbance)])
        states.append(x)
        inputs.append(u)
    return states, inputs
