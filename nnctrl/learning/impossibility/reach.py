"""Which questions about an affine plant are asked: every goal when it is due, and the sets to stay in by themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.branching.meter import Meter
from nnctrl.errors import UnsupportedError
from nnctrl.learning.impossibility.linear import Proof, prove
from nnctrl.learning.impossibility.motion import SampledMotion, sampled_motion
from nnctrl.learning.impossibility.pieces import Piece, Wall, piece_of, sample_of, staying
from nnctrl.learning.impossibility.words import not_entered, not_kept, not_reached
from nnctrl.learning.lmi.enclosed import Enclosed
from nnctrl.learning.task import Task
from nnctrl.sets.box import Box
from nnctrl.sets.polytope import Polytope
from nnctrl.specs.spec import Reach

COEFFICIENT_DIGITS = 3
"""Digits of the coefficients of walls that are not the goal's own."""


def out_of_reach(task: Task, meter: Meter) -> str | None:
    """The sentence that proves that no inputs do what is asked; None without a proof, or if the plant is not affine."""
    motion = sampled_motion(task)
    if motion is None:
        return None
    kept = list(staying(task))
    for id, requirement in task.spec.items():
        if isinstance(requirement, Reach):
            sentence = _goal(task, motion, id, requirement, kept, meter)
            if sentence is not None:
                return sentence
    if any(not piece.of_input for piece in kept):
        proof = prove(motion, task.initial_set, kept, task.samples, meter)
        if proof is not None:
            return not_kept(task, proof)
    return None


def _goal(task: Task, motion: SampledMotion, id: str, goal: Reach, kept: Sequence[Piece], meter: Meter) -> str | None:
    """A goal at its sample; for discrete plants also within a number of steps, from one state at every step.

    A continuous plant may pass a goal between samples, so that nothing is said of those within a time.
    """
    first, due = (sample_of(task, time) for time in goal.window(task.horizon))
    within = first != due
    if due > task.samples or (within and not task.plant.is_discrete) or (not within and due != int(due)):
        return None
    last = int(due)
    proof = _at(task, motion, id, goal, kept, last, None, meter)
    if proof is None:
        return None
    if id not in proof.owners:
        # what contradicts itself are the other requirements
        return not_kept(task, proof)
    # a wall that serves at every sample proves as much as one proof after another
    steps = [last, *range(last)] if within else [last]
    proofs = _one_wall(task, motion, id, goal, kept, proof, steps, meter)
    if proofs:
        return not_reached(task, id, proofs, last, within)
    proofs = [proof]
    for step in steps[1:]:
        other = _at(task, motion, id, goal, kept, step, proof.start, meter)
        if other is None:
            return None
        proofs.append(other)
    return not_entered(task, id, proofs, last, within)


def _one_wall(
    task: Task,
    motion: SampledMotion,
    id: str,
    goal: Reach,
    kept: Sequence[Piece],
    proof: Proof,
    steps: Sequence[int],
    meter: Meter,
) -> list[Proof]:
    """Proofs about one and the same wall of the goal, beyond which the state is at all `steps`; or none."""
    piece = piece_of(task, id, goal, range(steps[0], steps[0] + 1))
    if piece is None or (len(steps) > 1 and piece.velocity.any()):
        return []
    # other sets of states only where the proof was about them
    others = [one for one in kept if one.of_input or not proof.owners <= {id}]
    for normal, offset in _walls(piece, proof):
        wall = replace(piece, target=Polytope.half_space(normal, offset))
        found: list[Proof] = []
        for step in steps:
            placed = [*others, replace(wall, steps=range(step, step + 1))]
            one = prove(motion, task.initial_set, placed, step, meter, proof.start)
            if one is None or id not in one.owners:
                break
            found.append(one)
        if len(found) == len(steps):
            return found
    return []


def _walls(piece: Piece, proof: Proof) -> Iterator[Wall]:
    """The goal's own walls if it has any, and one in about the direction of a proof."""
    if not piece.is_round:
        # those of a box as they are, where its support is rounded
        own = Polytope.from_box(piece.target) if isinstance(piece.target, Box) else piece.target
        yield from (wall for wall in replace(piece, target=own).walls() if wall[0].any())
    direction = proof.direction(piece.id)[list(piece.picks)]
    size = abs(direction).max()
    if size > 0.0:
        # what is told is about these coefficients themselves
        normal: FloatArray = np.array([float(f"{value:.{COEFFICIENT_DIGITS}g}") for value in direction / size])
        try:
            offset = float(piece.target.support(normal))
        except UnsupportedError:
            return
        if np.isfinite(offset):
            yield normal, offset


def _at(
    task: Task,
    motion: SampledMotion,
    id: str,
    goal: Reach,
    kept: Sequence[Piece],
    step: int,
    start: Enclosed | None,
    meter: Meter,
) -> Proof | None:
    """A proof about the goal at one sample."""
    piece = piece_of(task, id, goal, range(step, step + 1))
    if piece is None or piece.of_input:
        return None
    # first without the other sets of states: the sentence is then about the goal alone
    inputs = [one for one in kept if one.of_input]
    proof = prove(motion, task.initial_set, [*inputs, piece], step, meter, start)
    if proof is None and len(inputs) < len(kept):
        proof = prove(motion, task.initial_set, [*kept, piece], step, meter, start)
    return proof
