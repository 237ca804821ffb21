"""Closed loop with a linear plant: chains of given ellipsoids from the initial set to the goal.

For `x+ = F x + G u + c` and given ellipsoids E_0, ..., E_T, a controller that takes every E_t into E_{t+1} reaches the
last one after T steps from anywhere in the first, and is in E_t at step t. That is a set of pairs like any other, for
what is an ellipsoid in x+ is convex in u: `[x; F x + G u + c; 1]` is linear in (x, u, 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from numpy.typing import ArrayLike

from nnctrl.errors import InputError
from nnctrl.learning.lmi.conditions import Pair
from nnctrl.learning.lmi.input_set import InputSet
from nnctrl.learning.lmi.specification import Specification
from nnctrl.sets.ellipsoid import Ball, Ellipsoid


def chain(
    sets: Sequence[Ball | Ellipsoid],
    state: ArrayLike,
    control: ArrayLike,
    offset: ArrayLike,
    limits: ArrayLike | None = None,
) -> list[Pair]:
    """One pair for every step from `sets[t]` into `sets[t + 1]`; its outputs are the inputs u [m] of the plant.

    `state` F [n, n], `control` G [n, m], `offset` c [n]; `limits` [m]: |u_i| <= limits_i on all sets but the last.
    A set that maps into itself is given twice: the controller then keeps the state there for ever. That the sets avoid
    what is to be avoided is for the caller to see to.
    """
    if len(sets) < 2:
        raise InputError(f"a chain has {len(sets)} sets; give at least a first and a last one")
    pairs = []
    for now, after in pairwise(sets):
        wanted = Specification.reach(after, now.dim).through(state, control, offset)
        if limits is not None:
            wanted = wanted.both(Specification.bounded(limits, now.dim))
        pairs.append(Pair(InputSet.of(now), wanted))
    return pairs
