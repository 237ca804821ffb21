"""The sentences of proofs."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_FLOOR, Context, Decimal

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.learning.impossibility.linear import Proof
from nnctrl.learning.impossibility.pieces import period_of
from nnctrl.learning.impossibility.points import listed
from nnctrl.learning.lmi.enclosed import Enclosed
from nnctrl.learning.task import Task

ROUNDING = 1e-12
"""Share by which numbers are moved to the safe side before they are told."""


def not_reached(task: Task, id: str, proof: Proof, step: int, within: bool) -> str:
    """The goal `id` cannot be entered at sample `step`, or at any up to it."""
    spaces, y = proof.question.states, proof.weights.states
    of_goal = np.array([owner == id for owner in spaces.owners])
    direction = y[of_goal] @ spaces.normals[of_goal]
    needed = float(y[of_goal] @ spaces.bounds[of_goal])
    if not direction.any():
        # what contradicts itself are the other requirements, or the goal's own walls
        return not_kept(task, proof)
    alone = np.count_nonzero(direction) == 1
    unit = float(np.linalg.norm(direction))
    least = (needed + proof.value) / unit - ROUNDING * (abs(needed) + abs(proof.value)) / unit
    others = sorted({owner for owner, weight in zip(spaces.owners, y, strict=True) if weight > 0.0} - {id})
    also = f" and in {_quoted(others)}" if others else ""
    sign = float(np.sign(direction[np.flatnonzero(direction)[0]]))
    what = _combination(list(task.plant.states), sign * direction / unit)
    wanted, got = _told(needed / unit, least, sign)
    relation, far = ("<=", "at least") if sign > 0.0 else (">=", "at most")
    when, last = f"at {_time(task, step)}", "there"
    if within:
        when, last = f"by {_time(task, step)}", f"at {_time(task, step)}"
    return (
        f"{_from(task, proof.start)} no input sequence within the limits{also} reaches {what} {relation} {wanted}, "
        f"which '{id}' asks for, {when}: {what} is {far} {got} {last}"
        f"{'' if alone else ' (coefficients rounded)'}{_aside(proof)}"
    )


def not_kept(task: Task, proof: Proof) -> str:
    """The requirements with weights cannot all be met."""
    spaces, y = proof.question.states, proof.weights.states
    owners = sorted({owner for owner, weight in zip(spaces.owners, y, strict=True) if weight > 0.0})
    last = int(spaces.steps[y > 0.0].max())
    return (
        f"{_from(task, proof.start)} no input sequence within the limits meets {_quoted(owners)} at all times up to "
        f"{_time(task, last)}{_aside(proof)}"
    )


def _from(task: Task, start: Enclosed) -> str:
    return f"from {listed(list(task.plant.states), start.middle[:, 0])}"


def _aside(proof: Proof) -> str:
    held = proof.question.motion.disturbance
    return " (with disturbances held in the middle of their ranges)" if len(held) else ""


def _time(task: Task, step: int) -> str:
    return f"step {step}" if task.plant.is_discrete else f"{step * period_of(task):g} s"


def _quoted(names: Sequence[str]) -> str:
    return " and ".join(f"'{name}'" for name in names)


def _combination(names: Sequence[str], direction: FloatArray) -> str:
    """`0.6 p + 0.8 v`."""
    terms = []
    for name, value in zip(names, direction, strict=True):
        if value != 0.0:
            size = "" if abs(abs(value) - 1.0) < ROUNDING else f"{abs(value):.6g} "
            terms.append(f"{'-' if value < 0.0 else '+'} {size}{name}")
    return " ".join(terms).removeprefix("+ ")


def _told(needed: float, least: float, sign: float) -> tuple[str, str]:
    """What is needed and what there is at least (times `sign`: at most), with as few digits, from four on, as tell them
    apart; the latter rounded towards the former.
    """
    for digits in range(4, 18):
        floor = Decimal(least).normalize(Context(prec=digits, rounding=ROUND_FLOOR))
        near = Decimal(needed).normalize(Context(prec=digits))
        if near < floor:
            break
    return f"{sign * float(near):.{digits}g}", f"{sign * float(floor):.{digits}g}"
