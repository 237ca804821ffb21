"""Which questions about an affine plant are asked: every goal when it is due, and the sets to stay in by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nnctrl.learning.impossibility.linear import Proof, prove
from nnctrl.learning.impossibility.motion import SampledMotion, sampled_motion
from nnctrl.learning.impossibility.pieces import Piece, piece_of, sample_of, staying
from nnctrl.learning.impossibility.words import not_kept, not_reached
from nnctrl.learning.lmi.enclosed import Enclosed
from nnctrl.learning.task import Task
from nnctrl.sets.box import Box
from nnctrl.sets.polytope import Polytope
from nnctrl.specs.spec import Reach


def out_of_reach(task: Task) -> str | None:
    """The sentence that proves that no inputs do what is asked; None without a proof, or if the plant is not affine."""
    motion = sampled_motion(task)
    if motion is None:
        return None
    kept = list(staying(task))
    for id, requirement in task.spec.items():
        if isinstance(requirement, Reach):
            sentence = _goal(task, motion, id, requirement, kept)
            if sentence is not None:
                return sentence
    if any(not piece.of_input for piece in kept):
        proof = prove(motion, task.initial_set, kept, task.samples)
        if proof is not None:
            return not_kept(task, proof)
    return None


def _goal(task: Task, motion: SampledMotion, id: str, goal: Reach, kept: Sequence[Piece]) -> str | None:
    """A goal at its sample; for discrete plants also within a number of steps, from one state at every step.

    A continuous plant may pass a goal between samples, so that nothing is said of those within a time.
    """
    first, due = (sample_of(task, time) for time in goal.window(task.horizon))
    within = first != due
    if due > task.samples or (within and not task.plant.is_discrete) or (not within and due != int(due)):
        return None
    last = int(due)
    proof = _at(task, motion, id, goal, kept, last, None)
    if proof is None:
        return None
    if within:
        for step in range(last - 1, -1, -1):
            if _at(task, motion, id, goal, kept, step, proof.start) is None:
                return None
    simple = _one_wall(task, motion, id, goal, kept, last, proof.start)
    return not_reached(task, id, proof if simple is None else simple, last, within)


def _one_wall(
    task: Task, motion: SampledMotion, id: str, goal: Reach, kept: Sequence[Piece], step: int, start: Enclosed
) -> Proof | None:
    """A proof about one wall of the goal and the inputs only, which makes a simpler sentence."""
    piece = piece_of(task, id, goal, range(step, step + 1))
    if piece is None or not isinstance(piece.target, Box | Polytope):
        return None
    inputs = [one for one in kept if one.of_input]
    for normal, offset in piece.walls():
        wall = replace(piece, target=Polytope.half_space(normal, offset))
        proof = prove(motion, task.initial_set, [*inputs, wall], step, start)
        if proof is not None:
            return proof
    return None


def _at(
    task: Task,
    motion: SampledMotion,
    id: str,
    goal: Reach,
    kept: Sequence[Piece],
    step: int,
    start: Enclosed | None,
) -> Proof | None:
    """A proof about the goal at one sample."""
    piece = piece_of(task, id, goal, range(step, step + 1))
    if piece is None or piece.of_input:
        return None
    # first without the other sets of states: the sentence is then about the goal alone
    inputs = [one for one in kept if one.of_input]
    proof = prove(motion, task.initial_set, [*inputs, piece], step, start)
    if proof is None and len(inputs) < len(kept):
        proof = prove(motion, task.initial_set, [*kept, piece], step, start)
    return proof
