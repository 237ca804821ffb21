"""Imitation of an expert by a network, with dataset aggregation.

A network fitted to the expert's own trajectories meets states that the expert never visits, because its small errors
lead there. So in every round after the first the network itself runs, the expert says what it would have done in the
states that were visited, and the network is fitted again to all data so far (DAgger: Ross, Gordon and Bagnell, AISTATS
2011). Every round also labels states scattered about the visited ones, so that the fit has the right slope across the
tube and not only along it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import DimensionError, InputError
from nnctrl.learning.dataset import Dataset, initial_states, label, perturbed
from nnctrl.learning.evaluation import Evaluation, evaluate
from nnctrl.networks.activations import Activation
from nnctrl.networks.network import Network, Origin
from nnctrl.progress import Progress, SilentProgress
from nnctrl.sets.base import AbstractSet
from nnctrl.specs.spec import Spec
from nnctrl.systems.controller import Controller
from nnctrl.systems.expert import Expert
from nnctrl.systems.plant import Plant
from nnctrl.systems.simulation import simulate
from nnctrl.threads import single_threaded
from nnctrl.verification.settings import LARGEST_SEED, Settings, setting

if TYPE_CHECKING:
    from nnctrl.learning.imitation_error.largest import ImitationError

INTEGRATED_TOGETHER = 64
"""Trajectories of a continuous plant between two reports of progress."""

MOST_WEIGHTS = 4_000_000
"""L-BFGS keeps a hundred vectors of this many numbers: a few gigabytes."""


@dataclass(frozen=True)
class ImitationSettings(Settings):
    """How a network is trained; the same settings on the same machine give the same weights."""

    hidden: tuple[int, ...] = setting((32, 32), "sizes of the hidden layers", minimum=1, maximum=10_000)
    trajectories: int = setting(100, "initial states that each round starts from", minimum=1, maximum=1_000_000)
    rounds: int = setting(
        2, "fits; before each but the first the network's own trajectories are labelled", minimum=1, maximum=1000
    )
    perturbation: float = setting(
        0.15, "spread of extra states about visited ones, in standard deviations", minimum=0.0, maximum=1000.0
    )
    epochs: int = setting(100, "passes of Adam in the first round", minimum=0, maximum=1_000_000)
    batch: int = setting(256, "states in one step of Adam", minimum=1, maximum=1_000_000_000)
    learning_rate: float = setting(3e-3, "step size of Adam", above=0.0, maximum=1000.0)
    iterations: int = setting(500, "iterations of L-BFGS in every round", minimum=0, maximum=1_000_000)
    weight_decay: float = setting(
        1e-4, "price of squared weights; more of it gives a smoother network", minimum=0.0, maximum=1e6
    )
    evaluations: int = setting(10_000, "initial states that the result is judged from", minimum=1, maximum=1_000_000)
    seed: int = setting(0, "seed of all random numbers", minimum=0, maximum=LARGEST_SEED)


@dataclass(frozen=True)
class ImitationReport:
    """What the training did.

    After each round the loss (mean squared error, scaled) and the number of labelled states; how many states the expert
    refused; the closed loop's evaluation if there was a specification; the largest errors, certified where the expert
    states a law, over the initial set and along the closed loop; seed and wall-clock seconds.
    """

    losses: tuple[float, ...]
    labelled: tuple[int, ...]
    refused: int
    evaluation: Evaluation | None
    errors: tuple[ImitationError, ...]
    seed: int
    wall_s: float


@dataclass(frozen=True, eq=False)
class ImitationResult:
    """The network, which maps states to inputs, and how it came about."""

    network: Network
    report: ImitationReport


def imitate(
    expert: Expert,
    plant: Plant,
    initial_set: AbstractSet,
    horizon: int,
    settings: ImitationSettings,
    spec: Spec | None = None,
    progress: Progress | None = None,
    *,
    activation: Activation | None = None,
) -> ImitationResult:
    """Train a network to act as `expert` does on the trajectories of `horizon` steps from `initial_set`.

    A continuous plant is sampled at the expert's period. `activation` is that of the hidden layers, by default tanh.
    With a `spec` the result is evaluated against it, and its distance from the expert is bounded. Disturbances are
    taken as zero and parameters as their midpoints. Nothing is proved of the closed loop; verification is for that.
    InputError where the expert has no input on a trajectory of its own, or for half of the other states. Cost: 2 *
    rounds * trajectories * horizon questions to the expert and as many data to fit.
    """
    if initial_set.dim != plant.state_size:
        raise DimensionError(
            f"the initial set has {initial_set.dim} coordinates but '{plant.name}' has {plant.state_size} states; "
            "give one coordinate per state"
        )
    if horizon < 1:
        raise InputError(f"the horizon is {horizon}; give at least one step")
    sizes = (plant.state_size, *settings.hidden, plant.input_size)
    weights = sum(before * after for before, after in pairwise(sizes))
    if weights > MOST_WEIGHTS:
        raise InputError(
            f"hidden layers of {', '.join(map(str, settings.hidden))} make {weights} weights; make the key 'hidden' "
            f"smaller, for at most {MOST_WEIGHTS} weights"
        )
    started = time.perf_counter()
    listener = SilentProgress() if progress is None else progress
    with single_threaded():
        network, losses, labelled, refused = _train(expert, plant, initial_set, horizon, settings, activation, listener)
    judged: Evaluation | None = None
    errors: tuple[ImitationError, ...] = ()
    if spec is not None:
        judged, errors = _judged(network, expert, plant, initial_set, horizon, settings, spec, listener)
    wall = time.perf_counter() - started
    return ImitationResult(network, ImitationReport(losses, labelled, refused, judged, errors, settings.seed, wall))


def _judged(
    network: Network,
    expert: Expert,
    plant: Plant,
    initial_set: AbstractSet,
    horizon: int,
    settings: ImitationSettings,
    spec: Spec,
    progress: Progress,
) -> tuple[Evaluation, tuple[ImitationError, ...]]:
    """What the closed loop does on samples, and how far the network is from the expert."""
    from nnctrl.learning.imitation_error.largest import errors_of_imitation

    progress.update("evaluating the closed loop")
    controller = Controller(network, period=expert.period)
    # a seed of its own: the result is not judged from the states that it was trained on
    judged = evaluate(controller, plant, initial_set, spec, horizon, settings.evaluations, settings.seed + 1)
    progress.update("bounding the imitation error")
    with single_threaded():
        errors = errors_of_imitation(
            network, expert, plant, initial_set, horizon, settings.trajectories, settings.seed + 2
        )
    return judged, errors


def _train(
    expert: Expert,
    plant: Plant,
    initial_set: AbstractSet,
    horizon: int,
    settings: ImitationSettings,
    activation: Activation | None,
    progress: Progress,
) -> tuple[Network, tuple[float, ...], tuple[int, ...], int]:
    """The network, losses and sizes of the data by round, and how many states the expert refused."""
    # torch is loaded when a network is trained, not when a recipe is read
    from nnctrl.learning.regression import Regression

    rng = np.random.default_rng(settings.seed)
    origin = Origin(f"imitation of {type(expert).__name__} with seed {settings.seed}")
    data = _demonstrations(expert, plant, initial_states(initial_set, settings.trajectories, rng), horizon, progress)
    reach = settings.perturbation * data.states.std(axis=0)
    data = data.joined(label(expert, perturbed(data.states, reach, rng), progress))
    regression = Regression(data, settings.hidden, settings.weight_decay, rng, activation)
    losses, labelled = [], []
    for number in range(settings.rounds):
        if number == 0:
            regression.adam(data, settings.epochs, settings.batch, settings.learning_rate, rng, progress)
        else:
            start = initial_states(initial_set, settings.trajectories, rng)
            visited = _visited(plant, Controller(regression.network(), period=expert.period), start, horizon)
            states = np.concatenate([visited, perturbed(visited, reach, rng)])
            data = data.joined(label(expert, states, progress))
        regression.lbfgs(data, settings.iterations, progress)
        losses.append(regression.loss(data))
        labelled.append(len(data))
    return regression.network(origin), tuple(losses), tuple(labelled), data.refused


def _demonstrations(expert: Expert, plant: Plant, start: FloatArray, horizon: int, progress: Progress) -> Dataset:
    """States and inputs along the expert's own trajectories; InputError where it has no input."""
    # a continuous plant is integrated as one system for all points, which takes hardly longer than for one
    group = 1 if plant.is_discrete else INTEGRATED_TOGETHER
    states, inputs = [], []
    for first in range(0, len(start), group):
        run = simulate(plant, expert, start[first : first + group], horizon)
        states.append(run.x[:, :-1].reshape(-1, plant.state_size))
        inputs.append(run.u.reshape(-1, plant.input_size))
        progress.update("simulating the expert", min(first + group, len(start)), len(start))
    return Dataset(np.concatenate(states), np.concatenate(inputs))


def _visited(plant: Plant, controller: Controller, start: FloatArray, horizon: int) -> FloatArray:
    """States [count, n] in which the controller acted, without those of trajectories that had diverged."""
    run = simulate(plant, controller, start, horizon)
    states = run.x[:, :-1].reshape(-1, plant.state_size)
    return states[np.isfinite(states).all(axis=1)]
