"""Multi-step reachability of discrete closed loops by branch and bound (the Hessian paper's algorithm, sections II and
VI).

Per-step mode is the paper's: bound the next state in the principal directions of sampled trajectories and start the
next step from the rotated box that these bounds enclose. It wraps: every step is solved to accuracy but over a set
that has grown. K-step mode bounds step k from the initial set through the unrolled network. Combined mode takes the
per-step bound first and asks the unrolled network only in those directions in which it is not accurate against states
that are really attained, so the set the next step starts from stays tight.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from nnctrl._typing import FloatArray
from nnctrl.bounds.base import AbstractBound
from nnctrl.bounds.interval import midpoint_radius
from nnctrl.bounds.view import View, tensor
from nnctrl.branching.meter import Exhausted, Meter
from nnctrl.branching.search import SupportSearch, maximise
from nnctrl.branching.splitting import Branching
from nnctrl.networks.layers import Affine
from nnctrl.progress import Progress
from nnctrl.reachability.chain import disturbance_bounds
from nnctrl.reachability.flowpipe import FlowpipeStep
from nnctrl.reachability.parametrisation import Parametrisation, image_of_box
from nnctrl.reachability.rotation import enclosing_coordinates, principal_directions
from nnctrl.reachability.sampled import SampledStates
from nnctrl.reachability.views import view_from
from nnctrl.sets.rounding import UNIT_ROUNDOFF, matmul_enclosure, sum_up, widen_up
from nnctrl.sets.zonotope import Zonotope
from nnctrl.systems.closed_loop import AbstractStepMap

Mode = Literal["per-step", "k-step", "combined"]


@dataclass(frozen=True)
class DiscreteReachSettings:
    """`eps`: accuracy of every support value against an attained one. `width_share`: in the modes that know attained
    states, the bound of a direction may exceed the attained value by at most this share of the attained width, too.
    `directions` [p, n]: directions of the plant's states to bound in every step besides the principal ones.
    """

    mode: Mode
    eps: float
    bound: AbstractBound
    branching: Branching
    directions: FloatArray | None = None
    width_share: float = 0.4
    samples: int = 10_000
    seed: int = 0


@dataclass(frozen=True, eq=False)
class StepBounds:
    """Bounds of one step in `directions` [p, n], the first 2n of which are V and -V, V the principal ones.

    `upper` [p]: certified. `attained` [p]: values at points of the set that the step was bounded from; in per-step mode
    that is an enclosure of the states before. `reached` [p]: values on simulated trajectories from the initial set.
    """

    directions: FloatArray
    upper: FloatArray
    attained: FloatArray
    reached: FloatArray

    @property
    def widths(self) -> FloatArray:
        """Certified widths [n] along the rows of V."""
        return self._along_principal(self.upper)

    @property
    def reached_widths(self) -> FloatArray:
        """Widths [n] along the rows of V that simulated trajectories have."""
        return self._along_principal(self.reached)

    def _along_principal(self, values: FloatArray) -> FloatArray:
        n = self.directions.shape[1]
        return np.asarray(values[:n] + values[n : 2 * n])


@dataclass(frozen=True, eq=False)
class DiscreteReach:
    """The flowpipe's steps, the bounds they came from, and the work: pairs bounded and boxes made (`SupportSearch`)."""

    steps: list[FlowpipeStep]
    bounds: list[StepBounds]
    nodes: int
    branches: int
    gap: float
    stopped: Exhausted | None


class DiscreteReachability:
    """Runs the steps; one object per run."""

    def __init__(
        self,
        step: AbstractStepMap,
        plant_size: int,
        initial: Parametrisation,
        settings: DiscreteReachSettings,
        meter: Meter,
    ) -> None:
        self.step, self.plant_size, self.initial = step, plant_size, initial
        self.settings, self.meter = settings, meter
        self.size, self.noise_size = step.state_size, step.disturbance_size
        self.noise = disturbance_bounds(step)

    def run(self, steps: int, progress: Progress) -> DiscreteReach:
        """Bound the states of steps 1 .. `steps`, of fewer where time or memory run out or the states overflow."""
        sampled = SampledStates(
            self.step,
            self.initial,
            self.settings.samples,
            self.settings.seed,
            history=self.settings.mode != "per-step",
        )
        current, result = self.initial, []
        bounds: list[StepBounds] = []
        nodes, branches, gap, stopped = 0, 0, 0.0, None
        given = self._given_directions()
        previous: FloatArray | None = None
        for k in range(1, steps + 1):
            progress.update(f"step {k} of {steps}", k - 1, steps)
            if self.meter.exhausted() in ("time-budget", "memory-budget"):
                stopped = stopped or self.meter.exhausted()
                break
            sampled.advance()
            if not bool(torch.isfinite(sampled.now).all()):
                break
            V = principal_directions(sampled.now.numpy())
            directions = np.concatenate([V, -V, given])
            found, searches = self._bound_step(k, current, previous, sampled, directions)
            nodes += sum(search.nodes for search in searches)
            branches += sum(search.branches for search in searches)
            gap = max(gap, float(np.nan_to_num(found.upper - found.attained, nan=np.inf, posinf=np.inf).max()))
            stopped = stopped or next((search.stopped for search in searches if search.stopped), None)
            bounds.append(found)
            if not np.isfinite(found.upper).all():
                break
            rotated = enclosing_coordinates(V, -found.upper[self.size : 2 * self.size], found.upper[: self.size])
            result.append(self._flowpipe_step(k, found, *rotated))
            current = image_of_box(*rotated, Affine.linear(V.T))
            previous = V
        return DiscreteReach(result, bounds, nodes, branches, gap if bounds else np.nan, stopped)

    def _bound_step(
        self,
        k: int,
        current: Parametrisation,
        previous: FloatArray | None,
        sampled: SampledStates,
        directions: FloatArray,
    ) -> tuple[StepBounds, list[SupportSearch]]:
        """Bounds in `directions` [p, n] after step k, and the searches that gave them."""
        mode, eps = self.settings.mode, self.settings.eps
        values = sampled.now.numpy() @ directions.T
        reached = values.max(axis=0)
        share = self.settings.width_share * (reached - values.min(axis=0))
        tight = np.minimum(eps, np.maximum(share, 1e-9 * (1.0 + np.abs(reached))))
        if mode == "k-step":
            search = self._search(
                self._unrolled(k), self._inputs(k), sampled.parameters, sampled.noise, directions, tight
            )
            attained = search.attained.numpy()
            return StepBounds(directions, search.upper.numpy(), attained, np.maximum(reached, attained)), [search]
        starts = sampled.parameters if previous is None else sampled.before @ tensor(previous).T
        tolerance = tight if mode == "combined" and k == 1 else np.full(len(directions), eps)
        search = self._search(
            view_from(self.step, current.to_state, 1, outputs=False),
            self._boxes(current, 1),
            starts,
            sampled.last_noise,
            directions,
            tolerance,
        )
        upper, attained = search.upper.numpy(), search.attained.numpy()
        if k == 1:
            reached = np.maximum(reached, attained)
        if mode == "per-step" or k == 1:
            return StepBounds(directions, upper, attained, reached), [search]
        loose = np.flatnonzero(~(upper - reached <= tight))
        if not len(loose) or self.meter.exhausted():
            return StepBounds(directions, upper, reached, reached), [search]
        again = self._search(
            self._unrolled(k), self._inputs(k), sampled.parameters, sampled.noise, directions[loose], tight[loose]
        )
        upper[loose] = np.minimum(upper[loose], again.upper.numpy())
        reached[loose] = np.maximum(reached[loose], again.attained.numpy())
        return StepBounds(directions, upper, reached, reached), [search, again]

    def _search(
        self,
        view: View,
        box: tuple[Tensor, Tensor],
        starts: Tensor,
        noise: Tensor,
        directions: FloatArray,
        tolerance: FloatArray,
    ) -> SupportSearch:
        """Branch and bound over [coordinates; disturbances], the outputs being the composite state (and more,
        ignored).
        """
        padding = view.out_size - self.size
        padded = torch.nn.functional.pad(tensor(directions), (0, padding))
        points = torch.cat([starts, noise.reshape(len(noise), -1)], -1)
        return maximise(
            view,
            *box,
            padded,
            bound=self.settings.bound,
            branching=self.settings.branching,
            tolerance=tensor(tolerance),
            meter=self.meter,
            starts=torch.minimum(torch.maximum(points, box[0]), box[1]),
        )

    def _unrolled(self, k: int) -> View:
        return view_from(self.step, self.initial.to_state, k, outputs=False)

    def _inputs(self, k: int) -> tuple[Tensor, Tensor]:
        return self._boxes(self.initial, k)

    def _boxes(self, start: Parametrisation, steps: int) -> tuple[Tensor, Tensor]:
        low, high = self.noise
        return torch.cat([start.lower, low.repeat(steps)]), torch.cat([start.upper, high.repeat(steps)])

    def _flowpipe_step(self, k: int, bounds: StepBounds, lower: FloatArray, upper: FloatArray) -> FlowpipeStep:
        """The rotated box `{V' y : lower <= y <= upper}`, its plant states only where the composite state has more."""
        centre, radius = (part.numpy() for part in midpoint_radius(tensor(lower), tensor(upper)))
        rows = bounds.directions[: self.size].T[: self.plant_size]
        middle, slack = matmul_enclosure(rows, centre[:, None])
        generators = np.concatenate(
            [rows * radius, np.diag(widen_up(slack[:, 0] + sum_up(abs(rows * radius)) * 4.0 * UNIT_ROUNDOFF))], 1
        )
        # directions that look at delay lines or memories say nothing of the plant alone
        own = ~bounds.directions[:, self.plant_size :].any(axis=1)
        template = bounds.directions[own, : self.plant_size], bounds.upper[own]
        return FlowpipeStep(
            (float(k), float(k)), (Zonotope(middle[:, 0], generators),), template if own.any() else None
        )

    def _given_directions(self) -> FloatArray:
        """The directions that were asked for, over the composite state [p, size]."""
        given = np.zeros((0, self.plant_size)) if self.settings.directions is None else self.settings.directions
        return np.pad(given, ((0, 0), (0, self.size - self.plant_size)))
