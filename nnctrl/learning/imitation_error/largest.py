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
from nnctrl.branching.meter import BudgetSpentError, Exhausted, Meter
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
from nnctrl.systems.expert import Expert, Law
from nnctrl.systems.plant import Plant
from nnctrl.systems.simulation import simulate
from nnctrl.systems.tape import Tape

SAMPLES = 500
"""States at which the expert is asked."""

TOLERANCE = 0.02
"""How far a certified error may stay above an attained one, as a share of it."""

STARTS = 256
"""Points of the set that the search begins with."""

LEAST, NOTHING = 1e-9, 1e-200
"""Errors are not told apart closer than this, in units of the network's largest output, and in any unit."""

NODES, SECONDS = 20_000, 5.0
"""What the report of a training may spend on one set."""

NO_STATE = "not certified: no state was found at which the law has an input"

NO_LAW = "not certified: the expert states no law that can be bounded"


@dataclass(frozen=True, eq=False)
class ImitationError:
    """The largest error of every input over the states in the union of `regions`, which is what `about` says.

    `certified`: no state there, at which the law has an input, has a larger error; `attained`: some state there, at
    which it has one, has at least this error; both proved, and None where one of them is not. `sampled`: the largest
    difference from what the expert's program returned at `samples` states; None if it refused half of them or more.
    `remark`: why nothing is certified, why the bound is not as tight as wanted, and whether the law was missing
    somewhere ("": the bound is proved to be tight, and no state without a law was seen).
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
    or when `meter`, by default of 5 s from when the expert was asked, is spent: what is certified then holds as well.
    Cost: a question to the expert for each of the `states`, and one Taylor form of network and law for every node.
    DimensionError for a network that does not fit, InputError for a law that is not one column over one argument.
    """
    given: tuple[AbstractSet, ...] = (region,) if isinstance(region, AbstractSet) else tuple(region)
    regions = tuple(item.bounding_box() if isinstance(item, Polytope) else item for item in given)
    if not regions or any(item.dim != network.in_size for item in regions):
        raise DimensionError(
            f"a network of {network.in_size} inputs is compared with an expert over sets of the dimensions "
            f"{', '.join(str(item.dim) for item in regions) or 'of no set'}; give sets of the network's inputs"
        )
    law = expert.law()
    if law is not None:
        _check_fit(network, law)
    if any(isinstance(item, Polytope) for item in given):
        about = f"bounding box of the {about}"
    asked = initial_states(regions[0], SAMPLES, np.random.default_rng(seed)) if states is None else states
    data = _answers(expert, asked)
    sampled = None if data is None else np.abs(network(data.states) - data.inputs).max(axis=0)
    found = ImitationError(about, regions, None, None, _row(sampled), 0 if data is None else len(data), NO_LAW)
    if law is None:
        return found
    watched = meter or Meter(SECONDS, allowed_nodes=NODES)
    try:
        view = ExpressionView(law) if isinstance(law, Tape) else ProgramView(law, watched)
        search = _search(network, view, regions, tolerance, watched)
    except UnsupportedError as error:
        return dataclasses.replace(found, remark=f"not certified: {error}")
    except BudgetSpentError as error:
        return dataclasses.replace(found, remark=_unbounded(error.reason))
    if not bool(torch.isfinite(search.upper).all()):
        return dataclasses.replace(found, remark=_unbounded(search.stopped))
    if search.attained is None:
        return dataclasses.replace(found, remark=NO_STATE)
    certified, attained = _row(search.upper.numpy()), _row(search.attained.numpy())
    return dataclasses.replace(found, certified=certified, attained=attained, remark=_remark(search))


def _unbounded(stopped: Exhausted | None) -> str:
    """Why nothing is certified, if the search found no bound."""
    if stopped is None:
        return "not certified: no finite bound was found"
    return f"not certified: no finite bound was found before the {stopped} was spent"


def _remark(search: LargestError) -> str:
    """What is to be said about a bound."""
    said = []
    if not search.close:
        ended = f"the search ended by its {search.stopped}"
        small = "there are parts too small to be split whose bound is not tight"
        said.append(f"could be tighter: {small if search.stopped is None else ended}")
    if search.partial:
        said.append("at some states of the set the law seems to have no input, and the bound leaves those out")
    return "; ".join(said)


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


def _check_fit(network: Network, law: Law) -> None:
    """InputError for a law that is not a column over one argument, DimensionError for one of another size."""
    if isinstance(law, Tape):
        if len(law.in_sizes) != 1 or len(law.out_shapes) != 1 or law.out_shapes[0][1] != 1:
            raise InputError(
                f"the law '{law.name}' has arguments of the sizes {law.in_sizes} and outputs of the shapes "
                f"{law.out_shapes}; give one over the state alone with one column of inputs"
            )
        states, inputs = law.in_sizes[0], law.out_shapes[0][0]
    else:
        states, inputs = law.F.shape[1], law.outputs
    if inputs != network.out_size:
        raise DimensionError(
            f"a network of {network.out_size} outputs is compared with a law of {inputs}; give one per input"
        )
    if states != network.in_size:
        raise DimensionError(
            f"a network of {network.in_size} inputs is compared with a law of {states} states; give one per state"
        )


def _search(
    network: Network, law: AbstractLawView, regions: tuple[AbstractSet, ...], tolerance: float, meter: Meter
) -> LargestError:
    """The search over one set, or over all boxes at once."""
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
        absolute=(LEAST * size).clamp(min=NOTHING),
        meter=meter,
        starts=starts,
        ball=ball,
    )


def _row(values: FloatArray | None) -> tuple[float, ...] | None:
    return None if values is None else tuple(float(value) for value in values)
