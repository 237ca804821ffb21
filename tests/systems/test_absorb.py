"""Absorbing a set: the network in the set's own coordinates, within its radii."""

from __future__ import annotations

import numpy as np
import pytest

from nnctrl.errors import DimensionError
from nnctrl.networks.activations import Relu
from nnctrl.sets.zonotope import Zonotope
from nnctrl.systems.absorb import absorb
from nnctrl.systems.composer import compose
from nnctrl.systems.unroll import unroll
from tests.systems.loops import (
    Parts,
    contains,
    network_ranges,
    plus,
    random_loop,
    rational,
    strip_radii,
    times,
)


@pytest.mark.parametrize("steps", [1, 2])
def test_absorbed_network_contains_the_exact_image(steps: int) -> None:
    plant, controller = random_loop(Parts(saturation=True), Relu())
    step = compose(plant, controller).step
    network = unroll(step, steps)
    rng = np.random.default_rng(0)
    zonotope = Zonotope(rng.normal(size=3), rng.normal(size=(3, 5)))
    absorbed = absorb(network, zonotope)
    assert absorbed.in_size == 5
    misses = 0
    for _ in range(5):
        xi = rng.uniform(-1, 1, 5)
        x = plus(rational(zonotope.centre), times(zonotope.generators, rational(xi)))
        np.testing.assert_allclose(absorbed(xi), network(np.array([float(v) for v in x])), rtol=1e-10, atol=1e-12)
        # the composed network stands for all matrices within its radii; absorbing must not lose any of them
        inner = network_ranges(strip_radii(network), x)
        outer = network_ranges(absorbed, rational(xi))
        assert contains(outer, [low for low, _ in inner])
        misses += not contains(network_ranges(strip_radii(absorbed), rational(xi)), [low for low, _ in inner])
    assert misses > 0


def test_dimensions_are_checked() -> None:
    plant, controller = random_loop(Parts(), Relu())
    with pytest.raises(DimensionError, match="the set has dimension 2 but the network takes 3 inputs"):
        absorb(compose(plant, controller).step.network, Zonotope(np.zeros(2), np.eye(2)))
