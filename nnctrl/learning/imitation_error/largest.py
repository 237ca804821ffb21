"""How far an imitating network is from its expert: at most, over a set of states, and as far as samples show.

The largest error `|network(x)_j - u(x)_j|` over a set is certified by branch and bound on the difference, where the
expert states its law u (`Expert.law`). It is a statement about the real function that the network stands for and the
real law; what the expert's program returns differs from its law by rounding and by the tolerance of its solver. Of an
expert without a law nothing can be certified, and the report says so.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from nnctrl._typing import FloatArray
from nnctrl.bounds.ball import InputBall
from nnctrl.bounds.view import NetworkView
from nnctrl.branching.meter import Meter
from nnctrl.errors import DimensionError, InputError, UnsupportedError
from nnctrl.learning.dataset import Dataset, initial_states, label
from nnctrl.learning.imitation_error.programs import ProgramView
from nnctrl.learning.imitation_error.search import LargestError, largest_error
from nnctrl.learning.imitation_error.views import AbstractLawView, DifferenceView, ExpressionView
from nnctrl.networks.network import Network
from nnctrl.reachability.parametrisation import parametrise
from nnctrl.sets.base import AbstractSet
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball, Ellipsoid
from nnctrl.sets.polytope import Polytope
from nnctrl.systems.controller import Controller
from nnctrl.systems.expert import Expert
from nnctrl.systems.plant import Plant
from nnctrl.systems.simulation import simulate
from nnctrl.systems.tape import Tape

SAMPLES = 500
"""States at which the expert is asked."""

TOLERANCE = 0.02
"""How far a certified error may stay above an attained one, as a share of it."""

STARTS = 256
"""Points of the set that the search begins with."""

LEAST = 1e-9
"""Errors are not told apart closer than this, in units of the input's size."""

NODES, SECONDS = 20_000, 5.0
"""What the report of a training may spend on one set."""

NO_LAW = "not certified: the expert states no law that can be bounded"


@dataclass(frozen=True, eq=False)
class ImitationError:
    """The largest error of every input over the states in the union of `regions`, which is what `about` says.

    `certified`: no state there, at which the law has an input, has a larger error; `attained`: some state there has at
    least this one; both proved, and None where nothing is. `sampled`: the largest difference from what the expert's
    program returned at `samples` states; None if it refused half of them or more. `remark`: why nothing is certified,
    or why the bound is not as tight as wanted ("": it is).
    """

    about: str
    regions: tuple[AbstractSet, ...]
    certified: tuple[float, ...] | None
    attained: tuple[float, ...] | None
    sampled: tuple[float, ...] | None
    samples: int
    remark: str


def imitation_error(
    network: Network,
    expert: Expert,
    region: AbstractSet | Sequence[Box],
    about: str,
    *,
    states: FloatArray | None = None,
    tolerance: float = TOLERANCE,
    meter: Meter | None = None,
    seed: int = 0,
) -> ImitationError:
    """Bound the error of `network` over `region`: a box, zonotope, ball or ellipsoid, the box about a polytope, or the
    union of several boxes.

    `states` [count, n] are those that the expert is asked about, by default extreme and inner ones of the (first)
    region drawn with `seed`. The search ends where every certified error is within `tolerance` times an attained one,
    or when `meter` is spent: what is certified then holds as well. Cost: a question to the expert for each of the
    `states`, and one Taylor form of network and law for every node. DimensionError for a network that does not fit.
    """
    given: tuple[AbstractSet, ...] = (region,) if isinstance(region, AbstractSet) else tuple(region)
    regions = tuple(item.bounding_box() if isinstance(item, Polytope) else item for item in given)
    if not regions or any(item.dim != network.in_size for item in regions):
        raise DimensionError(
            f"a network of {network.in_size} inputs is compared with an expert over sets of the dimensions "
            f"{', '.join(str(item.dim) for item in regions) or 'of no set'}; give sets of the network's inputs"
        )
    asked = initial_states(regions[0], SAMPLES, np.random.default_rng(seed)) if states is None else states
    data = _answers(expert, asked)
    sampled = None if data is None else np.abs(network(data.states) - data.inputs).max(axis=0)
    found = ImitationError(about, regions, None, None, _row(sampled), 0 if data is None else len(data), NO_LAW)
    try:
        law = _law_view(expert)
        if law is None:
            return found
        search = _search(network, law, regions, tolerance, meter or Meter(SECONDS, allowed_nodes=NODES))
    except UnsupportedError as error:
        return dataclasses.replace(found, remark=f"not certified: {error}")
    if not bool(torch.isfinite(search.upper).all()):
        return dataclasses.replace(found, remark="not certified: no finite bound was found")
    remark = "" if search.stopped is None else f"could be tighter: the search ended by its {search.stopped}"
    certified, attained = _row(search.upper.numpy()), _row(search.attained.numpy())
    return dataclasses.replace(found, certified=certified, attained=attained, remark=remark)


def errors_of_imitation(
    network: Network,
    expert: Expert,
    plant: Plant,
    initial_set: AbstractSet,
    horizon: int,
    trajectories: int,
    seed: int,
) -> tuple[ImitationError, ...]:
    """The errors over the initial set, and over the boxes about the states that the network's own loop visits.

    There is one box for every sample, about the states of so many `trajectories` at it: all states of a loop at once
    have a hull whose corners are far from any trajectory. Trajectories that diverge are left out.
    """
    rng = np.random.default_rng(seed)
    first = imitation_error(network, expert, initial_set, "initial set", seed=seed)
    start = initial_states(initial_set, trajectories, rng)
    run = simulate(plant, Controller(network, period=expert.period), start, horizon)
    kept = run.x[np.isfinite(run.x).all(axis=(1, 2)), :-1]
    if not len(kept):
        return (first,)
    tube = [Box(states.min(axis=0), states.max(axis=0)) for states in kept.swapaxes(0, 1)]
    visited = kept.reshape(-1, plant.state_size)
    asked = visited[rng.permutation(len(visited))[:SAMPLES]]
    about = f"boxes about the states of {len(kept)} trajectories at each of {horizon} samples"
    return first, imitation_error(network, expert, tube, about, states=asked)


def _answers(expert: Expert, states: FloatArray) -> Dataset | None:
    """What the expert returns; None if it refuses half of the states or more."""
    try:
        return label(expert, states)
    except InputError:
        return None


def _law_view(expert: Expert) -> AbstractLawView | None:
    law = expert.law()
    if law is None:
        return None
    return ExpressionView(law) if isinstance(law, Tape) else ProgramView(law)


def _search(
    network: Network, law: AbstractLawView, regions: tuple[AbstractSet, ...], tolerance: float, meter: Meter
) -> LargestError:
    """The search over one set, or over all boxes at once."""
    if law.out_size != network.out_size:
        raise DimensionError(
            f"a network of {network.out_size} outputs is compared with a law of {law.out_size}; give one per input"
        )
    if len(regions) > 1 and not all(isinstance(item, Box) for item in regions):
        raise UnsupportedError("several sets are bounded together only if they are boxes; ask about one at a time")
    parts = [parametrise(item, lambda to_state: to_state) for item in regions]
    first = parts[0]
    ball = InputBall(first.inside, 1.0, 2.0) if isinstance(regions[0], Ball | Ellipsoid) else None
    view = DifferenceView(first.view, NetworkView.of(network), law)
    generator = torch.Generator().manual_seed(0)
    starts = torch.cat([part.sample(generator, 1 + STARTS // len(parts)) for part in parts])
    with torch.no_grad():
        size = view.network(view.to_state(starts)).abs().amax(0)
    return largest_error(
        view,
        torch.stack([part.lower for part in parts]),
        torch.stack([part.upper for part in parts]),
        tolerance=tolerance,
        absolute=LEAST * size,
        meter=meter,
        starts=starts,
        ball=ball,
    )


def _row(values: FloatArray | None) -> tuple[float, ...] | None:
    return None if values is None else tuple(float(value) for value in values)
