"""Runs on the small random networks of section VII-B: support functions of their images in several directions."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from benchmarks.hessian_paper_suite.methods import DEFAULT, Clock, Cost, Method, budget, first_order, zeroth_order
from nnctrl._typing import FloatArray
from nnctrl.bounds.crown import CrownBound
from nnctrl.bounds.view import NetworkView, tensor
from nnctrl.bounds.zonotope import ZonotopeBound
from nnctrl.branching.splitting import Branching
from nnctrl.networks.load import load_network
from nnctrl.networks.network import Network
from nnctrl.plotting.chart import Outline
from nnctrl.plotting.shapes import projection_polygon
from nnctrl.reachability.open_loop import support_of_image
from nnctrl.sets.box import Box
from nnctrl.sets.polytope import Polytope
from nnctrl.suite import Conditions, Expectation, Row
from nnctrl.threads import single_threaded

EPS = 1e-2

INPUTS = Box(-np.ones(2), np.ones(2))
"""The input set, which the paper's text has lost: that of its public configuration."""


def _uniform_directions(count: int) -> FloatArray:
    angles = 2.0 * np.pi * np.arange(count) / count
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


DIRECTIONS = {f"{count} directions": _uniform_directions(count) for count in (4, 16)}
"""The paper's direction vectors: the unit vectors with both signs, and sixteen that are uniformly spaced."""

METHODS = (
    DEFAULT,
    first_order(),
    zeroth_order("LipLT"),
    Method("crown", CrownBound(), Branching()),
    Method("zonotope", ZonotopeBound(), Branching()),
)
"""In the place of the tools that the paper compares with, the relaxations that they are built on: CROWN and DeepZ."""

SAMPLES, DRAWN = 10_000, 200
"""Sampled inputs that test the bounds, and how many of their outputs pictures show."""


@dataclass(frozen=True, eq=False)
class ImageBounds:
    """Bounds [p] of the support function of an image in `directions` [p, 2]: of the whole set at once, and after the
    search.
    """

    directions: FloatArray
    at_once: FloatArray
    searched: FloatArray
    gap: float
    cost: Cost

    def row(self) -> Row:
        """Cost and areas of the polygons that the bounds cut out."""
        return {
            "branches": self.cost.branches,
            "nodes": self.cost.nodes,
            "time_s": self.cost.time_s,
            "lipschitz_s": self.cost.lipschitz_s,
            "gap": self.gap,
            "area": area(polygon(self.directions, self.searched)),
            "area_at_once": area(polygon(self.directions, self.at_once)),
            "ended_by": self.cost.stopped,
        }


def published_network(name: str, activation: str, conditions: Conditions) -> Network:
    """The published network `name`, which does not say its activation itself."""
    return load_network(conditions.network(name), activation)


def sampled_outputs(network: Network, count: int = SAMPLES) -> FloatArray:
    """Outputs [count, 2] of uniform points of the input set."""
    return network(INPUTS.sample(np.random.default_rng(0), count))


@single_threaded()
def bound_image(network: Network, method: Method, directions: FloatArray) -> ImageBounds:
    """Bound the image of the input set in `directions` [p, 2] to `EPS`."""
    clock, view = Clock(), NetworkView.of(network)
    timed, rows = method.timed(clock), tensor(directions)
    lower, upper = (tensor(end).expand(len(rows), -1) for end in (INPUTS.lower, INPUTS.upper))
    at_once = method.bound.upper(view, lower, upper, rows).upper.numpy()
    started = time.perf_counter()
    found = support_of_image(
        network, INPUTS, directions, eps=EPS, bound=timed.bound, branching=timed.branching, meter=budget()
    )
    seconds = time.perf_counter() - started
    cost = Cost(found.branches, found.nodes, seconds, clock.seconds, found.stopped)
    return ImageBounds(directions, at_once, found.upper, found.gap, cost)


def polygon(directions: FloatArray, offsets: FloatArray) -> FloatArray:
    """Vertices [v, 2] of `directions x <= offsets`, in floating point."""
    found = projection_polygon(Polytope(directions, offsets), 0, 1)
    if found is None:
        raise ValueError("the bounds of an image enclose nothing")
    return found


def area(vertices: FloatArray) -> float:
    """Area of a polygon with its vertices in order, in the units of the outputs squared."""
    x, y = vertices.T
    return float(0.5 * abs((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()))


def outlines(found: dict[str, ImageBounds], *, searched: bool) -> list[Outline]:
    """The polygons of the methods, after the search or at once."""
    return [
        Outline(label, polygon(bounds.directions, bounds.searched if searched else bounds.at_once))
        for label, bounds in found.items()
    ]


def samples_contained(network: Network, found: dict[str, ImageBounds], where: str) -> Expectation:
    """No sampled output lies outside what any method claims."""
    outputs = sampled_outputs(network)
    holds = all(bool((outputs @ b.directions.T <= b.searched).all()) for b in found.values())
    return Expectation(f"no sampled output of {where} is outside of any polygon", holds)


def fewer_nodes(found: dict[str, ImageBounds], factor: float, where: str, *, binding: bool = True) -> Expectation:
    """The default bound takes `factor` times fewer nodes than the first-order one."""
    ratio = found["first order"].cost.nodes / found[DEFAULT.label].cost.nodes
    sentence = f"on {where} the default bound takes {factor:g} times fewer nodes than first order ({ratio:.1f})"
    return Expectation(sentence, ratio >= factor, binding)


def first_below_zeroth(found: dict[str, ImageBounds], where: str) -> Expectation:
    """First order needs fewer branches than zeroth order."""
    first, zeroth = found["first order"].cost, found["zeroth order"].cost
    sentence = f"on {where} first order takes fewer branches ({first.branches}) than zeroth ({zeroth.branches})"
    return Expectation(sentence, first.stopped is None and first.branches < zeroth.branches)
