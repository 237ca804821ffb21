"""Zero-tolerance containment of the real function in a bound, at the points where bounds are hit first."""

from __future__ import annotations

import re

import mpmath
import numpy as np
import pytest
import torch

from nnctrl.bounds.base import AbstractBound
from nnctrl.bounds.view import NetworkView
from nnctrl.errors import UnsupportedError
from nnctrl.networks.network import Network
from tests import high_precision
from tests.random_networks import SMOOTH, points_of_box, random_box, random_network


def ascend(
    view: NetworkView, lower: np.ndarray, upper: np.ndarray, direction: np.ndarray, start: np.ndarray
) -> np.ndarray:
    """The point after some projected sign-gradient steps: where bounds are hit first."""
    low, high, d = (torch.tensor(part) for part in (lower, upper, direction))
    point, step = torch.tensor(start), 0.5
    for _ in range(12):
        variable = point.clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(view(variable) @ d, variable)
        point = torch.clamp(point + step * (high - low) * torch.sign(gradient), low, high)
        step *= 0.6
    return point.detach().numpy()


def random_direction(rng: np.random.Generator, size: int) -> np.ndarray:
    """A random direction, in three of ten cases that of an axis."""
    direction = rng.normal(size=size)
    return np.eye(size)[int(rng.integers(size))] if rng.random() < 0.3 else direction


def both_ways(
    bound: AbstractBound, view: NetworkView, lower: np.ndarray, upper: np.ndarray, direction: np.ndarray
) -> tuple[float, float]:
    """Lower and upper bound of `direction' f` over one box."""
    pair = (torch.tensor(np.stack([part, part])) for part in (lower, upper))
    found = bound.upper(view, *pair, torch.tensor(np.stack([direction, -direction])))
    return -float(found.upper[1]), float(found.upper[0])


def network_for(
    bound: AbstractBound, rng: np.random.Generator, *, blocks: int = 1, scale: float | None = None
) -> Network:
    """A random network that the bound treats: smooth or shallow where it objects to others. The refusal is checked."""
    network = random_network(rng, blocks=blocks, scale=scale)
    objection = bound.objection(NetworkView.of(network))
    if objection is None:
        return network
    nothing = torch.zeros(1, network.in_size, dtype=torch.float64)
    with pytest.raises(UnsupportedError, match=re.escape(objection)):
        bound.upper(NetworkView.of(network), nothing, nothing, torch.ones(1, network.out_size, dtype=torch.float64))
    smooth = random_network(rng, blocks=blocks, scale=scale, kinds=SMOOTH)
    if bound.objection(NetworkView.of(smooth)) is None:
        return smooth
    shallow = random_network(rng, scale=scale, kinds=SMOOTH, deepest=1)
    assert bound.objection(NetworkView.of(shallow)) is None
    return shallow


def assert_contains(bound: AbstractBound, network: Network, rng: np.random.Generator) -> None:
    """Bounds over a random box in a random direction hold at vertices, faces, the centre, inside and after ascent."""
    lower, upper = random_box(rng, network.in_size)
    assert_contains_over(bound, network, lower, upper, rng)


def assert_contains_over(
    bound: AbstractBound, network: Network, lower: np.ndarray, upper: np.ndarray, rng: np.random.Generator
) -> None:
    """The same over a given box."""
    view = NetworkView.of(network)
    direction = random_direction(rng, network.out_size)
    low, high = both_ways(bound, view, lower, upper, direction)
    points = points_of_box(rng, lower, upper, 6)
    points = np.concatenate([points, [ascend(view, lower, upper, direction, points[0])]])
    for point in points:
        value = high_precision.dot(direction, high_precision.network(network, high_precision.vector(point)))
        assert not high < value, (network.architecture(), lower, upper, point)
        assert not low > value, (network.architecture(), lower, upper, point)


def assert_contains_rotated(
    bound: AbstractBound,
    network: Network,
    absorbed: Network,
    centre: np.ndarray,
    generators: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Bounds of `absorbed` over the unit box hold for `network` at the points `centre + generators xi`."""
    view, ones = NetworkView.of(absorbed), np.ones(generators.shape[1])
    direction = random_direction(rng, network.out_size)
    low, high = both_ways(bound, view, -ones, ones, direction)
    points = points_of_box(rng, -ones, ones, 6)
    points = np.concatenate([points, [ascend(view, -ones, ones, direction, points[0])]])
    for xi in points:
        x = [
            mpmath.mpf(float(c)) + high_precision.dot(row, high_precision.vector(xi))
            for c, row in zip(centre, generators, strict=True)
        ]
        value = high_precision.dot(direction, high_precision.network(network, x))
        assert not high < value
        assert not low > value
