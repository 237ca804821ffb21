"""Goals out of reach of an affine plant whose inputs are limited, from some initial state, whatever the controller.

For the weights that a linear program finds the worst initial state is the farthest one against the gradient of their
bound, and for that state the program is solved again; round sets get more half-spaces where its answer is outside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.branching.meter import Meter
from nnctrl.errors import UnsupportedError
from nnctrl.learning.impossibility.motion import SampledMotion
from nnctrl.learning.impossibility.pieces import HalfSpace, Piece, Wall
from nnctrl.learning.impossibility.points import extreme_point
from nnctrl.learning.impossibility.weights import HalfSpaces, Question, Weights, bound, propose
from nnctrl.learning.lmi.enclosed import Enclosed
from nnctrl.sets.base import AbstractSet
from nnctrl.sets.polytope import Polytope

MOST_INPUTS = 1000
"""Numbers of inputs up to the time in question for which linear programs are solved."""

MOST_ENTRIES = 2_500_000
"""Inequalities times inputs of one program, for which it is solved within about a second."""

ROUNDS = 8
"""At most so many programs for one question, each about a worse initial state or with more half-spaces."""

SHARES = (0.9, 1e-2, 1e-4, 1e-7)
"""Weights below such a share of the greatest are left out, for a shorter sentence, if the proof holds without them."""


@dataclass(frozen=True, eq=False)
class Proof:
    """From the initial state `start` [n, 1] on the weighted sum of the requirements is at least `value` > 0."""

    question: Question
    weights: Weights
    start: Enclosed
    value: float

    @property
    def owners(self) -> set[str]:
        """The requirements on states that it is about."""
        weighted = zip(self.question.states.owners, self.weights.states, strict=True)
        return {owner for owner, weight in weighted if weight > 0.0}

    def direction(self, id: str) -> FloatArray:
        """The weighted sum [n] of the normals of one requirement."""
        chosen = np.array([owner == id for owner in self.question.states.owners])
        return np.asarray(self.weights.states[chosen] @ self.question.states.normals[chosen])


def prove(
    motion: SampledMotion,
    initial: AbstractSet,
    pieces: Sequence[Piece],
    samples: int,
    meter: Meter,
    start: Enclosed | None = None,
) -> Proof | None:
    """A proof that from some state of `initial`, or from `start`, no inputs meet all `pieces` up to sample `samples`.

    None if none is found before `meter` is exhausted, and for programs that are too large. The search for the state
    begins in the middle and at the farthest states along the axes. Cost: at most `ROUNDS` linear programs for each.
    """
    if samples * motion.B.shape[1] > MOST_INPUTS:
        return None
    known = [piece.walls() for piece in pieces]
    walls = [{step: list(some) for step in piece.counted(samples)} for piece, some in zip(pieces, known, strict=True)]
    if start is not None:
        return _ascend(motion, initial, pieces, walls, samples, start.middle[:, 0], meter, start)
    for middle in _starts(initial):
        proof = _ascend(motion, initial, pieces, walls, samples, middle, meter, None)
        if proof is not None:
            return proof
    return None


def _ascend(
    motion: SampledMotion,
    initial: AbstractSet,
    pieces: Sequence[Piece],
    walls: Sequence[dict[int, list[Wall]]],
    samples: int,
    middle: FloatArray,
    meter: Meter,
    start: Enclosed | None,
) -> Proof | None:
    """The proof from `start`, or from states that are worse and worse, from `middle` [n] on; more `walls` are added."""
    point = start
    for _ in range(ROUNDS):
        if meter.exhausted() is not None:
            return None
        question = _question(motion, pieces, walls, samples)
        rows = len(question.states) + len(question.inputs)
        if not len(question.states) or rows * samples * motion.B.shape[1] > MOST_ENTRIES:
            return None
        weights = propose(question, middle)
        if weights is None:
            return None
        found = bound(question, weights)
        if start is None:
            point = extreme_point(initial, found.gradient.middle[0])
        if point is None:
            return None
        value = found.at(point)
        if value > 0.0:
            return _shortened(Proof(question, weights, point, value))
        is_moved = start is None and not np.array_equal(point.middle[:, 0], middle)
        if not (_refine(pieces, walls, weights) or is_moved):
            return None
        middle = point.middle[:, 0]
    return None


def _starts(initial: AbstractSet) -> Iterator[FloatArray]:
    """States at which the search for the worst one begins."""
    yield _middle(initial)
    for direction in np.concatenate([np.eye(initial.dim), -np.eye(initial.dim)]):
        point = extreme_point(initial, direction)
        if point is not None:
            yield point.middle[:, 0]


def _middle(of: AbstractSet) -> FloatArray:
    return of.interior_point if isinstance(of, Polytope) else of.bounding_box().centre


def _question(
    motion: SampledMotion, pieces: Sequence[Piece], walls: Sequence[dict[int, list[Wall]]], samples: int
) -> Question:
    """The half-spaces of all pieces; inputs are besides in the boxes about their sets."""
    n, m = motion.B.shape
    lower, upper = np.full((samples, m), -np.inf), np.full((samples, m), np.inf)
    states: list[HalfSpace] = []
    inputs: list[HalfSpace] = []
    for piece, chosen in zip(pieces, walls, strict=True):
        for step, some in chosen.items():
            if piece.of_input:
                inputs += [piece.placed(wall, step, m) for wall in some]
                if not piece.velocity.any():
                    _narrow(piece, lower[step], upper[step])
            else:
                states += [piece.placed(wall, step, n) for wall in some]
    return Question(motion, HalfSpaces.of(states, n), HalfSpaces.of(inputs, m), lower, upper)


def _narrow(piece: Piece, lower: FloatArray, upper: FloatArray) -> None:
    """Intersect the box of one input with that of a piece."""
    try:
        box = piece.target.bounding_box()
    except UnsupportedError:
        return
    picks = list(piece.picks)
    lower[picks], upper[picks] = np.maximum(lower[picks], box.lower), np.minimum(upper[picks], box.upper)


def _refine(pieces: Sequence[Piece], walls: Sequence[dict[int, list[Wall]]], weights: Weights) -> bool:
    """Add walls where the proposed states and inputs are outside round sets; whether there were any."""
    added = False
    for piece, chosen in zip(pieces, walls, strict=True):
        values = weights.controls if piece.of_input else weights.trajectory
        for step, some in chosen.items():
            wall = piece.cut(values[step, list(piece.picks)], step)
            if wall is not None:
                some.append(wall)
                added = True
    return added


def _shortened(proof: Proof) -> Proof:
    for share in SHARES:
        y = proof.weights.states
        weights = replace(proof.weights, states=np.where(y >= share * y.max(), y, 0.0))
        value = bound(proof.question, weights).at(proof.start)
        if value > 0.0:
            return replace(proof, weights=weights, value=value)
    return proof
