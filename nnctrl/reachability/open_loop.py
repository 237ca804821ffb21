"""What a network makes of a set of inputs, without a plant: certified support functions of its image.

The setting of the Hessian paper's section III: maximise d'f(x) over a box, a zonotope, an ellipsoid or a ball of the
1-, 2- or infinity-norm by branch and bound, with any bound of `nnctrl.bounds`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike

from nnctrl._typing import FloatArray
from nnctrl.bounds.ball import InputBall
from nnctrl.bounds.base import AbstractBound
from nnctrl.bounds.taylor import TaylorBound
from nnctrl.bounds.view import NetworkView, tensor
from nnctrl.branching.meter import Exhausted, Meter
from nnctrl.branching.search import maximise
from nnctrl.branching.splitting import Branching
from nnctrl.errors import DimensionError, InputError, what_is
from nnctrl.networks.network import Network
from nnctrl.reachability.parametrisation import parametrise
from nnctrl.sets.base import finite_array
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball, Ellipsoid
from nnctrl.sets.zonotope import Zonotope
from nnctrl.systems.absorb import precede

SAMPLES = 10_000


@dataclass(frozen=True, eq=False)
class NormBall:
    """`{x : |x - centre|_p <= radius}` as a set of inputs; centre [n], p = 1, 2 or infinity."""

    centre: FloatArray
    radius: float
    p: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "centre", finite_array(self.centre, 1, "the centre of a ball"))
        self.in_own_coordinates()

    @property
    def dim(self) -> int:
        """Dimension n."""
        return len(self.centre)

    def in_own_coordinates(self) -> InputBall:
        """As a ball in the coordinates x of the network."""
        return InputBall(tensor(self.centre), float(self.radius), float(self.p))


Inputs = Box | Zonotope | Ball | Ellipsoid | NormBall


@dataclass(frozen=True, eq=False)
class ImageSupport:
    """Per direction: certified `upper` [p] of d'f over the inputs, `attained` [p] at the inputs `points` [p, n] (float
    values), and the work; `stopped` is None if every direction closed to eps.
    """

    upper: FloatArray
    attained: FloatArray
    points: FloatArray
    nodes: int
    branches: int
    stopped: Exhausted | None

    @property
    def gap(self) -> float:
        """Largest difference between bound and attained value."""
        return float((self.upper - self.attained).max())


def support_of_image(
    network: Network,
    inputs: Inputs,
    directions: ArrayLike,
    *,
    eps: float = 1e-2,
    bound: AbstractBound | None = None,
    branching: Branching | None = None,
    meter: Meter | None = None,
    seed: int = 0,
) -> ImageSupport:
    """Bound `max d' network(x)` over the inputs for every row d of `directions` [p, m].

    `bound`: by default the neuron-exact Taylor bound; UnsupportedError if it cannot treat the network. A zonotope or an
    ellipsoid is absorbed into the first layer, with radii; an ellipsoid is then the unit 2-ball, covered by boxes whose
    intersection with it is bounded. `meter`: what may be spent (nothing is limited by default). Cost: see
    `branching.search.maximise`.
    """
    rows = finite_array(directions, 2, "the directions")
    if inputs.dim != network.in_size or rows.shape[1] != network.out_size:
        raise DimensionError(
            f"inputs of dimension {inputs.dim} and directions of {rows.shape[1]} entries were given to a network with "
            f"{network.in_size} inputs and {network.out_size} outputs; they must agree"
        )
    if not eps > 0.0:
        raise InputError(f"the accuracy eps is {eps}; give a number > 0")
    absorbed, lower, upper, ball = _in_coordinates(network, inputs)
    chosen = TaylorBound() if bound is None else bound
    view = NetworkView.of(absorbed)
    chosen.require(view)
    generator = torch.Generator().manual_seed(seed)
    unit = torch.rand(SAMPLES, len(lower), generator=generator, dtype=torch.float64)
    unit[: SAMPLES // 4] = torch.round(unit[: SAMPLES // 4])
    starts = torch.minimum(torch.maximum(lower + unit * (upper - lower), lower), upper)
    found = maximise(
        view,
        lower,
        upper,
        tensor(rows),
        bound=chosen,
        branching=branching or Branching(),
        tolerance=torch.full((len(rows),), float(eps), dtype=torch.float64),
        meter=meter or Meter(),
        starts=starts,
        ball=ball,
    )
    points = found.points.numpy()
    if isinstance(inputs, Zonotope | Ball | Ellipsoid):
        points = parametrise(inputs, lambda affine: affine).to_state(points)
    return ImageSupport(found.upper.numpy(), found.attained.numpy(), points, found.nodes, found.branches, found.stopped)


def _in_coordinates(network: Network, inputs: Inputs) -> tuple[Network, torch.Tensor, torch.Tensor, InputBall | None]:
    """The network in coordinates in which the inputs are a box, or a box and a ball."""
    if isinstance(inputs, NormBall):
        ball = inputs.in_own_coordinates()
        # a box that contains the ball although its corners are rounded
        reach = np.nextafter(inputs.radius, np.inf)
        low = np.nextafter(inputs.centre - reach, -np.inf)
        return network, tensor(low), tensor(np.nextafter(inputs.centre + reach, np.inf)), ball
    if isinstance(inputs, Box):
        return network, tensor(inputs.lower), tensor(inputs.upper), None
    if not isinstance(inputs, Zonotope | Ball | Ellipsoid):
        raise InputError(f"the inputs are {what_is(inputs)}; give a Box, Zonotope, Ball, Ellipsoid or NormBall")
    found = parametrise(inputs, lambda affine: affine)
    unit_ball = InputBall(torch.zeros_like(found.lower), 1.0, 2.0) if isinstance(inputs, Ball | Ellipsoid) else None
    return precede(network, found.to_state), found.lower, found.upper, unit_ball
