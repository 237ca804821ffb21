"""Synthesis by matrix inequalities: a funnel into the goal, and a two-layer network that follows it.

The funnel's controllers are affine maps, another one at every step, and they are imitated on samples of its sets. If
one affine map does for all steps, the network comes from LMI (32); otherwise the imitating network is refined with
local sectors until every pair of the funnel is certified, where these programs are small enough. What comes out is
worth verifying in any case: the funnel's tolerances say by how much a network may miss.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from nnctrl._typing import FloatArray
from nnctrl.branching.meter import Meter
from nnctrl.learning.dataset import Dataset
from nnctrl.learning.funnel.find import NoFunnelError, find_funnel, funnel_objection
from nnctrl.learning.funnel.proof import Funnel
from nnctrl.learning.lmi.conditions import Pair
from nnctrl.learning.lmi.local import refine
from nnctrl.learning.lmi.synthesis import Synthesis, SynthesisStatus, affine_map, synthesise
from nnctrl.learning.lmi.transformed import Hidden
from nnctrl.learning.method import AbstractMethod, Attempt, SynthesisSettings
from nnctrl.learning.regression import Regression
from nnctrl.learning.task import Task
from nnctrl.networks.activations import Activation
from nnctrl.networks.network import Network, Origin
from nnctrl.progress import Progress
from nnctrl.systems.expert import Expert

SAMPLES, MOST_PER_SET = 3600, 300
"""States of all sets of a funnel together, and at most in each; half of them on the boundary."""

WEIGHT_DECAY = 1e-5
"""A price on curvature: local sectors of smooth networks are narrow."""

LARGEST_PROGRAM = 1e8
"""Number of inequalities times the fourth power of the rows of each, up to which networks are refined: a step takes
about half a minute there.
"""


class LmiMethod(AbstractMethod):
    """A funnel, then a network with one hidden layer, the last one of those that are asked for."""

    id: ClassVar[str] = "lmi"
    settings_type: ClassVar[type[SynthesisSettings]] = SynthesisSettings

    def objection(self, task: Task) -> str | None:
        """What is not treated: continuous and nonlinear plants, disturbances, unusual sets."""
        reason = funnel_objection(task)
        return None if reason is None else f"{reason}; use the method certified instead"

    def attempt(
        self,
        task: Task,
        settings: SynthesisSettings,
        meter: Meter,
        progress: Progress,
        *,
        expert: Expert | None = None,
        start: Network | None = None,
    ) -> Attempt:
        """See the class. What is imitated are the funnel's controllers: `expert` has no part in it, and `start` is
        returned where there is no funnel.
        """
        layers = task.hidden if settings.hidden is None else settings.hidden
        try:
            funnel = find_funnel(task, settings.seed, progress, meter)
        except NoFunnelError as error:
            return Attempt(start, str(error))
        notes = [
            f"a funnel of {funnel.steps} steps is proved: inputs may miss its controllers by {funnel.margin:.3g} of "
            "their scale"
        ]
        imitating = imitate(funnel, layers[-1], task.activation, settings.seed, progress)
        pairs, worst = funnel.pairs(), miss(funnel, imitating, settings.seed + 1)
        notes.append(f"on samples the imitating network misses by at most {worst:.2f} of what the funnel tolerates")
        if program_size(pairs, layers[-1]) > LARGEST_PROGRAM:
            reason = (
                f"the network imitates the funnel; its matrix inequalities, {funnel.steps} pairs with {layers[-1]} "
                "neurons, are too large to be refined"
            )
            return Attempt(imitating, reason, notes=tuple(notes))
        if meter.exhausted() is not None:
            reason = "the network imitates the funnel; the time ran out before it was refined"
            return Attempt(imitating, reason, notes=tuple(notes))
        found, how = _certified(pairs, imitating, layers[-1], task.activation, progress)
        if found.network is not None:
            return Attempt(found.network, f"every pair of the funnel is certified, {how}", notes=tuple(notes))
        reason = f"the network imitates the funnel; refining it ended with '{found.status.value}'"
        return Attempt(imitating, reason, notes=tuple(notes))


def imitate(funnel: Funnel, width: int, activation: Activation, seed: int, progress: Progress) -> Network:
    """A two-layer network fitted to the controllers of a funnel on samples of its sets.

    It promises nothing. Cost: two to five seconds for 60 sets in six dimensions.
    """
    rng = np.random.default_rng(seed)
    states, inputs, _ = _samples(funnel, rng)
    data = Dataset(states, inputs)
    fit = Regression(data, [width], WEIGHT_DECAY, rng, activation)
    fit.adam(data, epochs=30, batch=128, rate=0.01, rng=rng, progress=progress)
    fit.lbfgs(data, iterations=600, progress=progress)
    return fit.network(Origin(f"fitted to a funnel of {funnel.steps} steps, seed {seed}"))


def miss(funnel: Funnel, network: Network, seed: int) -> float:
    """The greatest error of `network` on fresh samples of the sets, as a share of the tolerance at that step."""
    states, inputs, steps = _samples(funnel, np.random.default_rng(seed))
    return float((abs(network(states) - inputs) / funnel.tolerances[steps]).max())


def program_size(pairs: Sequence[Pair], width: int) -> float:
    """Number of inequalities times the fourth power of their rows."""
    return float(sum(len(pair.specification.forms) * (1 + pair.inputs.coefficients + width) ** 4 for pair in pairs))


def _certified(
    pairs: Sequence[Pair], start: Network, width: int, activation: Activation, progress: Progress
) -> tuple[Synthesis, str]:
    """LMI (32) where an affine map does, local sectors elsewhere; and which of them it was."""
    progress.update("looking for one affine map")
    if affine_map(pairs).status is SynthesisStatus.SYNTHESISED:
        progress.update("solving LMI (32)")
        found = synthesise(pairs, Hidden.of(activation, width), start)
        if found.status is SynthesisStatus.SYNTHESISED:
            return found, "by LMI (32), with a feedthrough"
    return refine(pairs, start, progress=progress), "with local sectors"


def _samples(funnel: Funnel, rng: np.random.Generator) -> tuple[FloatArray, FloatArray, NDArray[np.int64]]:
    """States [count, n], the funnel's inputs [count, m] there, and the steps [count] that they belong to."""
    count = max(2, min(MOST_PER_SET, SAMPLES // funnel.steps))
    states, inputs = [], []
    for step, region in enumerate(funnel.sets[:-1]):
        edge = region.support_vector(rng.standard_normal((count // 2, region.dim)))
        points = np.concatenate([edge, region.sample(rng, count - count // 2)])
        states.append(points)
        inputs.append(funnel.controls(step, points))
    return np.concatenate(states), np.concatenate(inputs), np.repeat(np.arange(funnel.steps), count)
