"""The sentences of proofs."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.learning.impossibility.linear import Proof
from nnctrl.learning.impossibility.pieces import period_of
from nnctrl.learning.impossibility.points import listed, told_exactly
from nnctrl.learning.lmi.enclosed import Enclosed
from nnctrl.learning.task import Task

MOST_DIGITS = 17
"""Digits of what is needed and what is reached; doubles have no more."""


def not_reached(task: Task, id: str, proofs: Sequence[Proof], step: int, within: bool) -> str:
    """The one wall of the goal `id` that `proofs` are about, the first for sample `step`, cannot be passed at it, or at
    any up to it; without numbers where none of usual length tell what is asked from what there is.
    """
    proof = proofs[0]
    spaces, y = proof.question.states, proof.weights.states
    index = spaces.owners.index(id)
    row, weight = spaces.normals[index], Fraction(float(y[index]))
    # the other terms of the sum are not positive for whoever meets the other requirements
    needed = Fraction(float(spaces.bounds[index]))
    least = needed + Fraction(proof.value) / weight
    used = np.flatnonzero(row)
    sign = 1 if row[used[0]] > 0.0 else -1
    unit = abs(Fraction(float(row[used[0]]))) if len(used) == 1 else Fraction(1)
    what = _combination(list(task.plant.states), sign * row / float(unit))
    numbers = _told(needed / unit, least / unit, sign)
    if what is None or numbers is None:
        return not_entered(task, id, proofs, step, within)
    wanted, got = numbers
    relation, far = ("<=", "at least") if sign > 0 else (">=", "at most")
    when, last = (
        (f"by {_time(task, step)}", f"at {_time(task, step)}") if within else (f"at {_time(task, step)}", "there")
    )
    return (
        f"{_beginning(task, id, proofs)} reaches {what} {relation} {wanted}, which '{id}' asks for, {when}: {what} is "
        f"{far} {got} {last}{_aside(proof)}"
    )


def not_entered(task: Task, id: str, proofs: Sequence[Proof], step: int, within: bool) -> str:
    """The goal `id` cannot be entered at sample `step`, or by `proofs` for all samples at any up to it."""
    when = "by" if within else "at"
    return f"{_beginning(task, id, proofs)} enters the set of '{id}' {when} {_time(task, step)}{_aside(proofs[0])}"


def not_kept(task: Task, proof: Proof) -> str:
    """The requirements with weights cannot all be met."""
    spaces, y = proof.question.states, proof.weights.states
    last = int(spaces.steps[y > 0.0].max())
    return (
        f"{_from(task, proof.start)} no input sequence within the limits meets {_quoted(sorted(proof.owners))} at all "
        f"times up to {_time(task, last)}{_aside(proof)}"
    )


def _beginning(task: Task, id: str, proofs: Sequence[Proof]) -> str:
    """Where inputs begin and what they keep, without the goal `id`."""
    others = sorted(set().union(*(proof.owners for proof in proofs)) - {id})
    also = f" and in {_quoted(others)}" if others else ""
    return f"{_from(task, proofs[0].start)} no input sequence within the limits{also}"


def _from(task: Task, start: Enclosed) -> str:
    return f"from {listed(list(task.plant.states), start, 'state').removeprefix('the state ')}"


def _aside(proof: Proof) -> str:
    held = proof.question.motion.disturbance
    return " (with disturbances held in the middle of their ranges)" if len(held) else ""


def _time(task: Task, step: int) -> str:
    seconds = None if task.plant.is_discrete else told_exactly(step * period_of(task))
    return f"step {step}" if seconds is None else f"{seconds} s"


def _quoted(names: Sequence[str]) -> str:
    return " and ".join(f"'{name}'" for name in names)


def _combination(names: Sequence[str], direction: FloatArray) -> str | None:
    """`0.6 p + 0.8 v`; None for coefficients that are too long."""
    terms = []
    for name, value in zip(names, direction, strict=True):
        size = told_exactly(abs(float(value)))
        if size is None:
            return None
        if value != 0.0:
            terms.append(f"{'-' if value < 0.0 else '+'} {'' if size == '1' else f'{size} '}{name}")
    return " ".join(terms).removeprefix("+ ")


def _told(needed: Fraction, least: Fraction, sign: int) -> tuple[str, str] | None:
    """What is needed, exactly if that is short or rounded up, and what there is at least, rounded down, both times
    `sign`, with as few digits, from four on, as tell them apart; None if `MOST_DIGITS` do not.
    """
    exact = told_exactly(float(needed)) if Fraction(float(needed)) == needed else None
    for digits in range(4, MOST_DIGITS + 1):
        above = _rounded(needed, digits, ROUND_CEILING) if exact is None else Decimal(exact)
        below = _rounded(least, digits, ROUND_FLOOR)
        # an exact number stands for the double that it is read as, which may be greater than the decimal
        if max(Fraction(above), Fraction(float(above))) < Fraction(below):
            return _text(sign * above), _text(sign * below)
    return None


def _rounded(value: Fraction, digits: int, rounding: str) -> Decimal:
    """In the given direction: a quotient of whole numbers is rounded once."""
    return Context(prec=digits, rounding=rounding).divide(Decimal(value.numerator), Decimal(value.denominator))


def _text(value: Decimal) -> str:
    """With all its digits, however few, and with an exponent where it is very large or small."""
    plain = value.normalize(Context(prec=MOST_DIGITS))
    return f"{plain:f}" if -5 <= plain.adjusted() < MOST_DIGITS else f"{plain:e}"
