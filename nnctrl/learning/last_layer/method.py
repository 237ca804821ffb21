"""The method "last-layer": a funnel into the goal, and a network of any depth that follows it, certified pair by pair.

The network begins by imitating the funnel's affine controllers, another one at every step. The program of the last
layer and gradient steps then go on until every set of the funnel is proved to be taken into the next one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nnctrl.branching.meter import Meter
from nnctrl.errors import InputError, UnsupportedError
from nnctrl.learning.funnel.find import NoFunnelError, find_funnel, funnel_objection
from nnctrl.learning.last_layer.alternation import alternate
from nnctrl.learning.last_layer.weights import Weights
from nnctrl.learning.lmi.start import fitted
from nnctrl.learning.method import AbstractMethod, Attempt, SynthesisSettings
from nnctrl.learning.task import Task
from nnctrl.networks.network import Network
from nnctrl.progress import Progress
from nnctrl.systems.expert import Expert
from nnctrl.verification.settings import setting


@dataclass(frozen=True)
class LastLayerSettings(SynthesisSettings):
    """What the method "last-layer" takes."""

    rounds: int = setting(8, "times that gradient steps and the last layer take turns", minimum=0, maximum=1000)


class LastLayerMethod(AbstractMethod):
    """Networks of any depth for discrete plants that are linear and free of disturbances."""

    id: ClassVar[str] = "last-layer"
    settings_type: ClassVar[type[SynthesisSettings]] = LastLayerSettings

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
        """See the class. Begins with `start` if one is given; `expert` has no part in it, since a funnel comes with
        controllers of its own. Where nothing is certified, the network that it began with is returned.
        """
        if not isinstance(settings, LastLayerSettings):
            raise InputError(f"the method last-layer was given {type(settings).__name__}; give LastLayerSettings")
        if start is not None:
            try:
                Weights.of(start, feedthrough=True)
            except UnsupportedError as error:
                return Attempt(start, str(error))
        try:
            funnel = find_funnel(task, settings.seed, progress)
        except NoFunnelError as error:
            return Attempt(start, str(error))
        notes = (
            f"a funnel of {funnel.steps} steps is proved: inputs may miss its controllers by {funnel.margin:.3g} of "
            "their scale",
        )
        if meter.exhausted() is not None:
            return Attempt(start, "the time ran out when the funnel was found", notes=notes)
        pairs = funnel.pairs()
        hidden = task.hidden if settings.hidden is None else settings.hidden
        begun = start or fitted(pairs, hidden, task.activation, settings.seed, funnel.controls, progress)
        passed = any(block.feedthrough is not None for block in begun.blocks)
        found = alternate(pairs, begun, settings.rounds, feedthrough=passed, meter=meter, progress=progress)
        if found.network is not None:
            margin = min(float(np.min(one.margins)) for one in found.certificates)
            reason = f"every pair of the funnel is certified, the least margin is {margin:.3g}"
            return Attempt(found.network, reason, notes=notes)
        begins = "the network is the one that was given" if start else "the network imitates the funnel"
        return Attempt(begun, f"{begins}; going on from it ended with '{found.status.value}'", notes=notes)
