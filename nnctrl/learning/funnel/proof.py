"""What a funnel claims, and the outward-rounded checks that prove all of it (see `checks`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import InputError
from nnctrl.learning.funnel.checks import Coordinates, slack_around, slack_inside, slack_outside
from nnctrl.learning.funnel.limits import Limit
from nnctrl.learning.funnel.motion import Motion
from nnctrl.learning.funnel.nominal import Nominal
from nnctrl.learning.lmi.chain import chain
from nnctrl.learning.lmi.conditions import Pair
from nnctrl.learning.lmi.enclosed import Enclosed
from nnctrl.networks.layers import Affine
from nnctrl.sets.base import AbstractSet
from nnctrl.sets.ellipsoid import Ellipsoid
from nnctrl.sets.rounding import widen_down


@dataclass(frozen=True, eq=False)
class Funnel:
    """Proved: from anywhere in `sets[t]`, a set of the sequence E_0, ..., E_T, any input within `tolerances[t]` of
    `gains[t] x + offsets[t]` is within the limits and leads into `sets[t + 1]`; the initial set of the task is in
    `sets[0]`, and every set is where its requirements want it.

    `gains` [T, m, n], `offsets` [T, m], `tolerances` [T, m]. `margin`: the least tolerance, in units of `input_scale`
    [m]. `clearance`: the least slack with which a set respects a requirement, in units of the state (of the radius for
    balls and ellipsoids to be in).
    """

    sets: tuple[Ellipsoid, ...]
    gains: FloatArray
    offsets: FloatArray
    tolerances: FloatArray
    input_scale: FloatArray
    margin: float
    clearance: float
    motion: Motion
    limits: tuple[Limit, ...]

    @property
    def steps(self) -> int:
        """T."""
        return len(self.gains)

    def pairs(self) -> list[Pair]:
        """One pair a step: from its set into the next, within the limits of the inputs.

        The pairs are about the middle of the plant's matrices only: for parameters in ranges what they say of the next
        set holds for the middle matrices, where the funnel itself is proved for all.
        """
        steps = chain(self.sets, self.motion.A, self.motion.B, self.motion.c)
        found = []
        for step, pair in enumerate(steps):
            wanted = pair.specification
            for limit in self.limits:
                if limit.of_input and step in limit.steps:
                    wanted = wanted.both(limit.specification(step, self.motion.B.shape[0], self.motion.B.shape[1]))
            found.append(Pair(pair.inputs, wanted))
        return found

    def controls(self, step: int, states: FloatArray) -> FloatArray:
        """K_t x + k_t [count, m] for `states` [count, n]."""
        return np.asarray(states @ self.gains[step].T + self.offsets[step])


def proved_funnel(
    dynamics: Affine,
    motion: Motion,
    limits: Sequence[Limit],
    initial: AbstractSet,
    nominal: Nominal,
    tube: FloatArray,
    gains: FloatArray,
) -> Funnel | None:
    """The funnel with shapes Q_t `tube` [T + 1, n, n] and `gains` [T, m, n] about a trajectory; None unless every claim
    is proved, for the matrices of `dynamics` with their radii.
    """
    offsets = nominal.inputs - np.einsum("tij,tj->ti", gains, nominal.states[:-1])
    try:
        sets = tuple(Ellipsoid(c, np.linalg.cholesky(q)) for c, q in zip(nominal.states, tube, strict=True))
        shares = [_share(dynamics, motion, limits, sets[t : t + 2], gains[t], offsets[t], t) for t in range(len(gains))]
        slacks = [slack_around(sets[0], initial)]
    except (np.linalg.LinAlgError, InputError):
        # a shape that is not finite, or too flat for its inverse to be trusted, proves nothing
        return None
    ones = np.ones(len(motion.A))
    for limit in limits:
        if not limit.of_input:
            slacks += [_slack(limit, step, *_shadow(sets[step], limit.picks), ones) for step in limit.steps]
    margin, clearance = float(np.min(shares)), float(np.min(slacks))
    # written so that nan fails; a tube that touches an obstacle does not avoid it
    if not (margin > 0.0 and clearance > 0.0):
        return None
    tolerances = widen_down(np.array(shares)[:, None] * motion.input_scale[None], 4.0)
    return Funnel(sets, gains, offsets, tolerances, motion.input_scale, margin, clearance, motion, tuple(limits))


def _share(
    dynamics: Affine,
    motion: Motion,
    limits: Sequence[Limit],
    sets: Sequence[Ellipsoid],
    gain: FloatArray,
    offset: FloatArray,
    step: int,
) -> float:
    """Proved share e: inputs within e times their scale of K x + k lead from the one set into the other, in limits."""
    m, n = gain.shape
    weight, bias = _enclosed(dynamics.weight, dynamics.weight_radius), _enclosed(dynamics.bias, dynamics.bias_radius)
    shape, centre = Enclosed.exact(sets[0].shape), Enclosed.exact(sets[0].centre[:, None])
    controlled = Enclosed.exact(gain).times(shape)
    control = Enclosed.exact(gain).times(centre).plus(Enclosed.exact(offset[:, None]))
    by_state = Enclosed(weight.middle[:, :n], weight.radius[:, :n])
    by_input = Enclosed(weight.middle[:, n : n + m], weight.radius[:, n : n + m])
    moved = by_state.times(centre).plus(by_input.times(control)).plus(bias.transposed)
    errors = by_input.times(Enclosed.exact(np.diag(motion.input_scale)))
    spread = by_state.times(shape).plus(by_input.times(controlled))
    shares = [Coordinates(sets[1]).share(moved, spread, errors)]
    for limit in limits:
        if limit.of_input and step in limit.steps:
            picks = list(limit.picks)
            part = Enclosed(control.middle[picks], control.radius[picks])
            rows = Enclosed(controlled.middle[picks], controlled.radius[picks])
            shares.append(_slack(limit, step, part, rows, motion.input_scale))
    return float(np.min(shares))


def _enclosed(middle: FloatArray, radius: FloatArray | None) -> Enclosed:
    """A matrix, or a vector as a row, with its radius."""
    rows = np.atleast_2d(middle)
    return Enclosed.exact(rows) if radius is None else Enclosed(rows, np.atleast_2d(radius))


def _shadow(of: Ellipsoid, picks: tuple[int, ...]) -> tuple[Enclosed, Enclosed]:
    """The shadow of an ellipsoid on some coordinates."""
    return Enclosed.exact(of.centre[list(picks), None]), Enclosed.exact(of.shape[list(picks)])


def _slack(limit: Limit, step: int, centre: Enclosed, shape: Enclosed, scale: FloatArray) -> float:
    """Proved slack of {centre + shape v} in a limit: a distance from obstacles, a share of `scale` in other sets."""
    still = centre.minus(limit.shift(step))
    if limit.is_obstacle:
        return slack_outside(still, shape, limit.target)
    return slack_inside(still, shape, limit.target, scale[list(limit.picks)])
