"""Sets, requirements and problems in words and numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Context
from itertools import starmap
from typing import TYPE_CHECKING

from nnctrl._typing import FloatArray
from nnctrl.sets.base import AbstractSet
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball, Ellipsoid
from nnctrl.sets.polytope import Polytope
from nnctrl.sets.zonotope import Zonotope
from nnctrl.specs.moving import Moving
from nnctrl.specs.spec import Avoid, Reach, Target
from nnctrl.specs.sublevel import Sublevel
from nnctrl.systems.switched import SwitchedController
from nnctrl.verification.problem import Problem

if TYPE_CHECKING:
    from nnctrl.systems.controller import Controller
    from nnctrl.verification.problem import AnyRequirement
    from nnctrl.verification.verdict import Counterexample

FACES_SHOWN = 6
SIGNIFICANT = 6
HASH_DIGITS = 12


def number(value: float) -> str:
    """Six significant digits at most, the nearest ones."""
    return f"{value:.{SIGNIFICANT}g}"


def number_below(value: float) -> str:
    """Six significant digits at most, not above the value; "none" for what is not finite."""
    return _directed(value, ROUND_FLOOR)


def number_above(value: float) -> str:
    """Six significant digits at most, not below the value; "none" for what is not finite."""
    return _directed(value, ROUND_CEILING)


def _directed(value: float, rounding: str) -> str:
    if not math.isfinite(value):
        return "none"
    rounded = Context(prec=SIGNIFICANT, rounding=rounding).create_decimal(value).normalize()
    return f"{rounded:f}" if -5 <= rounded.adjusted() < SIGNIFICANT else f"{rounded:e}"


def one_line(text: str) -> str:
    """A text without line breaks, which names may contain."""
    return " ".join(text.splitlines())


def numbers(values: Iterable[float]) -> str:
    """Numbers in round brackets."""
    return f"({', '.join(number(float(value)) for value in values)})"


def describe_set(target: Target, names: tuple[str, ...]) -> str:
    """A set over the coordinates `names`, in words."""
    if isinstance(target, Box):
        return " and ".join(
            f"{name} in [{number(low)}, {number(high)}]"
            for name, low, high in zip(names, target.lower, target.upper, strict=True)
        )
    if isinstance(target, Ball):
        return f"ball of radius {number(float(target.radius))} about {_point(names, target.centre)}"
    if isinstance(target, Ellipsoid):
        rows = "; ".join(numbers(row) for row in target.shape)
        return f"ellipsoid about {_point(names, target.centre)} with shape matrix rows {rows}"
    if isinstance(target, Polytope):
        return _faces(target, names)
    if isinstance(target, Zonotope):
        count = target.generators.shape[1]
        return f"zonotope about {_point(names, target.centre)} with {count} generators inside {_hull(target, names)}"
    if isinstance(target, Moving):
        speed = ", ".join(starmap(lambda name, v: f"{name} {number(v)}", zip(names, target.velocity, strict=True)))
        return f"{describe_set(target.base, names)}, moving by {speed} per unit of time"
    if isinstance(target, Sublevel):
        return f"{_expression(target, names)} <= 0"
    return f"{type(target).__name__} inside {_hull(target, names)}"


def describe_enclosure(lower: FloatArray, upper: FloatArray, names: tuple[str, ...]) -> str:
    """A box in words whose printed ends are rounded outward."""
    ends = zip(names, lower, upper, strict=True)
    return " and ".join(f"{name} in [{number_below(low)}, {number_above(high)}]" for name, low, high in ends)


def describe_requirement(requirement: AnyRequirement, problem: Problem) -> str:
    """What is demanded, where and when."""
    target = describe_set(requirement.target, problem.coordinates(requirement))
    return f"{requirement.kind} {target} {_when(requirement, problem)}"


def describe_violation(problem: Problem, point: Counterexample, proved: bool) -> str:
    """By how much a counterexample violates its requirement, and how that is measured where margins are not."""
    if not proved:
        return "in floating point, not proved"
    requirement = dict(problem.requirements()).get(point.requirement)
    target = None if requirement is None or isinstance(requirement, Avoid) else requirement.target
    box = target.base if isinstance(target, Moving) else target
    size = f"by {number_below(point.violation)}"
    if isinstance(box, Box) and box.dim > 1:
        return f"{size} (distance from the box; its margin is that of the worst side)"
    return size


def describe_time(problem: Problem) -> str:
    """What times mean, and that discrete plants are meant at their samples only."""
    if problem.is_discrete:
        return f"steps of {number(problem.closed_loop.plant.dt)} s; requirements are meant at the samples only"
    return "seconds; requirements are meant at all times"


def describe_network(problem: Problem) -> str:
    """Size, origin and hash of the controller's network."""
    parts = [problem.closed_loop.controller.architecture()]
    origin = problem.network_origin
    if origin is not None:
        parts.append(f"from {origin.source}")
        if origin.sha256:
            parts.append(f"sha256 {origin.sha256[:HASH_DIGITS]}")
    return ", ".join(parts)


def describe_problem(problem: Problem) -> list[tuple[str, str]]:
    """Headings and sentences, in the order in which one reads them."""
    plant, controller = problem.closed_loop.plant, problem.closed_loop.controller
    signals = {
        "states": plant.states,
        "inputs": plant.inputs,
        "disturbances": plant.disturbances,
        "outputs": plant.outputs,
    }
    rows = [("problem", problem.name)]
    if problem.description:
        rows.append(("", " ".join(problem.description.split())))
    rows.append(("plant", f"{plant.name}, {'discrete' if problem.is_discrete else 'continuous'} time"))
    rows += [(f"  {kind}", _signals(units, plant.ranges)) for kind, units in signals.items() if units]
    if plant.parameters:
        rows.append(("  parameters", ", ".join(f"{name} {_value(value)}" for name, value in plant.parameters.items())))
    rows.append(("controller", describe_network(problem)))
    rows += [(f"  {name}", text) for name, text in _controller_parts(controller).items()]
    rows.append(("initial set", describe_set(problem.initial_set, tuple(plant.states))))
    rows.append(("horizon", f"{number(problem.horizon)} {'steps' if problem.is_discrete else 's'}"))
    rows.append(("time", describe_time(problem)))
    rows += [(name, describe_requirement(requirement, problem)) for name, requirement in problem.requirements()]
    return rows


def _controller_parts(controller: Controller | SwitchedController) -> dict[str, str]:
    """What a controller has beside its networks."""
    if isinstance(controller, SwitchedController):
        rules = {"input rules": str(len(controller.rules))} if controller.rules else {}
        return {"initial mode": controller.initial, **rules}
    boxes = {"noise": controller.noise, "saturation": controller.saturation}
    parts = {name: _plain_box(box) for name, box in boxes.items() if box is not None}
    if controller.delay:
        parts["delay"] = f"{controller.delay} samples"
    if controller.memory_size:
        parts["memory"] = f"{controller.memory_size} states"
    return parts


def _when(requirement: AnyRequirement, problem: Problem) -> str:
    unit = "step" if problem.is_discrete else "time"
    if isinstance(requirement, Reach):
        if requirement.at is not None:
            return f"at {unit} {number(requirement.at)}"
        return f"at some {unit} up to {number(requirement.within or 0.0)}"
    if requirement.during is None:
        return f"at every {unit}"
    return f"at every {unit} from {number(requirement.during[0])} to {number(requirement.during[1])}"


def _point(names: tuple[str, ...], values: FloatArray) -> str:
    return ", ".join(f"{name} {number(value)}" for name, value in zip(names, values, strict=True))


def _hull(target: AbstractSet, names: tuple[str, ...]) -> str:
    return describe_set(target.bounding_box(), names)


def _faces(target: Polytope, names: tuple[str, ...]) -> str:
    rows = []
    for normal, offset in zip(target.normals, target.offsets, strict=True):
        terms = [f"{number(a)} {name}" for a, name in zip(normal, names, strict=True) if a]
        rows.append(f"{' + '.join(terms) or '0'} <= {number(offset)}")
    hidden = len(rows) - FACES_SHOWN
    return " and ".join(rows[:FACES_SHOWN]) + (f" and {hidden} more inequalities" if hidden > 0 else "")


def _expression(target: Sublevel, names: tuple[str, ...]) -> str:
    import casadi

    return str(target.expression(casadi.vertcat(*(casadi.SX.sym(name) for name in names))))


def _signals(units: Mapping[str, str], ranges: Mapping[str, tuple[float, float]]) -> str:
    return ", ".join(
        name
        + (f" [{unit}]" if unit != "1" else "")
        + (f" in [{number(ranges[name][0])}, {number(ranges[name][1])}]" if name in ranges else "")
        for name, unit in units.items()
    )


def _value(value: float | tuple[float, float]) -> str:
    return f"in [{number(value[0])}, {number(value[1])}]" if isinstance(value, tuple | list) else number(value)


def _plain_box(box: Box) -> str:
    return f"from {numbers(box.lower)} to {numbers(box.upper)}"
