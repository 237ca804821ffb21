"""What a picture shows, and which pairs of coordinates it shows it in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nnctrl._typing import FloatArray
from nnctrl.reachability.flowpipe import Flowpipe
from nnctrl.verification.problem import TIME, Problem
from nnctrl.verification.verdict import Counterexample, Verdict

LARGEST_DEFAULT_VIEWS = 6

View = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Tracks:
    """Trajectories: `times` [k+1] in the problem's unit; by name [batch, k+1] (inputs and outputs one shorter)."""

    times: FloatArray
    signals: Mapping[str, FloatArray]

    def curve(self, view: View) -> tuple[FloatArray, FloatArray] | None:
        """Both coordinates of a view, [k] or [batch, k] each, or None if one of them is not known."""
        if any(name != TIME and name not in self.signals for name in view):
            return None
        first, second = (self.times if name == TIME else self.signals[name] for name in view)
        length = min(first.shape[-1], second.shape[-1])
        return first[..., :length], second[..., :length]


@dataclass(frozen=True, eq=False)
class Scene:
    """A problem with what is known about it."""

    problem: Problem
    verdict: Verdict | None = None
    flowpipe: Flowpipe | None = None
    samples: Tracks | None = None
    counterexample: Counterexample | None = None

    @property
    def views(self) -> tuple[View, ...]:
        """The problem's own views, or a choice."""
        return self.problem.views or default_views(self.problem)

    @property
    def witness(self) -> Tracks | None:
        """The counterexample as a track."""
        point = self.counterexample
        if point is None:
            return None
        plant = self.problem.closed_loop.plant
        states = {name: point.x[None, :, k] for k, name in enumerate(plant.states)}
        inputs = {name: point.u[None, :, k] for k, name in enumerate(plant.inputs)}
        return Tracks(point.t, {**states, **inputs})


def default_views(problem: Problem) -> tuple[View, ...]:
    """Pairs of the states that the requirements name most, then those and other named signals over time."""
    states = tuple(problem.closed_loop.plant.states)
    units = problem.signal_units()
    named = [name for _, item in problem.requirements() for name in problem.coordinates(item)]
    signals = [name for name in dict.fromkeys(named) if name not in states]
    # most often named first; the order of the states decides between equals
    ranked = sorted(states, key=lambda name: (-named.count(name), states.index(name)))
    wanted = [name for name in ranked if name in named]
    shown = wanted if len(wanted) > 1 else ranked
    first, others = shown[0], shown[1:]
    alike = [name for name in others if units[name] == units[first]] or others
    planes = [(first, second) for second in alike[:2]]
    over_time = [(TIME, name) for name in [first, *alike[:2], *signals]]
    return tuple([*planes, *over_time][:LARGEST_DEFAULT_VIEWS])
