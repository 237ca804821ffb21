"""States labelled by an expert: what an imitating network is fitted to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import InputError
from nnctrl.progress import Progress
from nnctrl.sets.base import AbstractSet
from nnctrl.systems.expert import Expert

MOST_EXTREME = 1000
REPORT_EVERY = 100


@dataclass(frozen=True, eq=False)
class Dataset:
    """States [count, n] and the expert's inputs [count, m] for them; `refused` states had none and were left out."""

    states: FloatArray
    inputs: FloatArray
    refused: int = 0

    def __len__(self) -> int:
        return len(self.states)

    def joined(self, other: Dataset) -> Dataset:
        """This and the other, in this order."""
        return Dataset(
            np.concatenate([self.states, other.states]),
            np.concatenate([self.inputs, other.inputs]),
            self.refused + other.refused,
        )


def label(expert: Expert, states: FloatArray, progress: Progress | None = None) -> Dataset:
    """The expert's inputs for `states` [count, n]; states that it has none for (InputError) are left out and counted.

    InputError if that happens to half of them or more: then the states, not the odd infeasible one, are the problem.
    """
    kept: list[FloatArray] = []
    inputs: list[FloatArray] = []
    complaint = ""
    for number, state in enumerate(states):
        if progress is not None and number % REPORT_EVERY == 0:
            progress.update("asking the expert", number, len(states))
        try:
            inputs.append(np.asarray(expert.control(state), dtype=np.float64))
        except InputError as error:
            complaint = complaint or str(error)
            continue
        kept.append(state)
    refused = len(states) - len(kept)
    if 2 * refused >= len(states):
        raise InputError(
            f"the expert has no input for {refused} of {len(states)} states that it should label; perturb less or "
            f"start closer (the first time it said: {complaint})"
        )
    return Dataset(np.array(kept), np.array(inputs), refused)


def perturbed(states: FloatArray, reach: FloatArray, rng: np.random.Generator) -> FloatArray:
    """States [count, n] about `states`, at most `reach` [n] away in each coordinate, denser near them."""
    size = rng.uniform(0.0, 1.0, (len(states), 1))
    return states + size * reach * rng.uniform(-1.0, 1.0, states.shape)


def initial_states(initial_set: AbstractSet, count: int, rng: np.random.Generator) -> FloatArray:
    """`count` states [count, n] of the set: half, at most 1000, extreme ones in random directions; then inner ones."""
    extreme = min(count // 2, MOST_EXTREME)
    directions = rng.standard_normal((extreme, initial_set.dim))
    return np.concatenate([initial_set.support_vector(directions), initial_set.sample(rng, count - extreme)])
