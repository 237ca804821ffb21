"""The variables of LMI (32) and their way back to weights: the loop transformation of a two-layer network.

With S = (alpha + beta) / 2 and T = (beta - alpha) / 2 of the sector about 0, a network W1 phi(W0 x + b0) + b1 + D x is
N~_Psix x + N~_Psix1 x~ + b1~, |x~_i| <= |(W0 x + b0)_i|, with

    N~_Psix1 = W1 T,   N~_Psix = W1 S W0 + D,   b1~ = b1 + W1 (S b0 + phi(0)).

Because of the feedthrough D this is one to one; the paper prints C2, which is 0 here, for C4 in b1~.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import InputError, UnsupportedError
from nnctrl.learning.lmi.analysis import Multipliers
from nnctrl.learning.lmi.conditions import Condition, Pair, conditions_of, sizes_of
from nnctrl.learning.lmi.sectors import Sectors, sectors, single_block
from nnctrl.networks.activations import Activation
from nnctrl.networks.layers import ActivationLayer
from nnctrl.networks.network import Network, Origin

LEAST_Q = 1e-3
"""Q1 is at least this, for the scale of the hidden layer is free."""

LEAST_WIDTH = 1e-6
"""Neurons whose sector is narrower than this cannot be recovered: W1 = L2 Q1^-1 T^-1."""


KEPT = 0.999
"""Pre-activations are kept within this share of their limit, so that rounding does not carry them beyond it."""


@dataclass(frozen=True, eq=False)
class Hidden:
    """The activation of the hidden layer and its sectors about 0; `limit` bounds |v0| (None: sectors for all v0)."""

    layer: ActivationLayer
    sector: Sectors
    limit: float | None

    @staticmethod
    def of(activation: Activation, width: int, limit: float | None = None) -> Hidden:
        """`width` neurons; with a limit the sectors hold for |v0| <= limit only, and are narrower."""
        if width < 1 or (limit is not None and not limit > 0.0):
            raise InputError(f"a hidden layer of {width} neurons with |v0| <= {limit} is asked for; give positive ones")
        layer = ActivationLayer(((activation, width),))
        end = np.full(width, np.inf if limit is None else limit)
        found = sectors(layer, -end, end, np.zeros(width))
        if not (found.half >= LEAST_WIDTH).all():
            raise UnsupportedError(
                f"the sector of '{activation.name}' has no width for these pre-activations, so that weights cannot be "
                "recovered; widen the limit"
            )
        return Hidden(layer, found, limit)


class Variables:
    """The variables of LMI (32) and what they have to fulfil."""

    def __init__(self, pairs: Sequence[Pair], hidden: Hidden) -> None:
        import cvxpy

        nx, ny = sizes_of(pairs)
        width = hidden.layer.size
        self.q1 = cvxpy.Variable(width)
        self.l2 = cvxpy.Variable((ny, width))
        self.w0 = cvxpy.Variable((width, nx))
        self.b0 = cvxpy.Variable((width, 1))
        self.inner = cvxpy.Variable((ny, nx))
        self.b1 = cvxpy.Variable((ny, 1))
        self.conditions = conditions_of(pairs)
        self.slack = cvxpy.Variable()
        self.constraints: list[Any] = [self.q1 >= LEAST_Q]
        for pair, group in zip(pairs, self.conditions, strict=True):
            v, h = through(pair, self.w0, self.b0), through(pair, self.inner, self.b1)
            self.constraints += [one.in_q(self.q1, v, h, self.l2, self.slack) for one in group]
            if hidden.limit is not None:
                limits = np.full(width, KEPT * hidden.limit)
                self.constraints += within(pair, v, -limits, limits)

    def distance(self, target: Target) -> Any:
        """The square of the distance to an imitation network, `|L2 - N1* Q1|` among it: convex, and 0 at the target."""
        import cvxpy

        parts = (
            self.l2 - target.outer @ cvxpy.diag(self.q1),
            self.w0 - target.w0,
            self.b0 - target.b0[:, None],
            self.inner - target.inner,
            self.b1 - target.b1[:, None],
        )
        return sum(cvxpy.sum_squares(part) for part in parts)

    def network(self, hidden: Hidden) -> Network:
        """The network of the current values, with its feedthrough."""
        w0, b0 = np.asarray(self.w0.value), np.asarray(self.b0.value)[:, 0]
        w1 = np.asarray(self.l2.value) / (np.asarray(self.q1.value) * hidden.sector.half)
        skip = np.asarray(self.inner.value) - (w1 * hidden.sector.middle) @ w0
        b1 = np.asarray(self.b1.value)[:, 0] - w1 @ (hidden.sector.middle * b0 + hidden.sector.value)
        return two_layers(hidden.layer, w0, b0, w1, b1, skip)

    def multipliers(self, hidden: Hidden) -> list[list[Multipliers]]:
        """The multipliers of the analysis condition: lam, and mu = M / T^2."""
        mu = 1.0 / (np.maximum(np.asarray(self.q1.value), LEAST_Q) * hidden.sector.half**2)
        return [[Multipliers(values_of(one), mu) for one in group] for group in self.conditions]


@dataclass(frozen=True, eq=False)
class Target:
    """An imitation network in the transformed parameters, N1* = W1* T among them."""

    outer: FloatArray
    w0: FloatArray
    b0: FloatArray
    inner: FloatArray
    b1: FloatArray

    @staticmethod
    def of(network: Network, hidden: Hidden) -> Target:
        """The transformed parameters of a network with this hidden layer; InputError if it has another one."""
        block = single_block(network)
        if block.activations != (hidden.layer,):
            raise InputError(
                f"the network to stay close to is {network.architecture()}; give one with the hidden layer that is "
                "synthesised"
            )
        (first, last), s = block.affines, hidden.sector
        inner, b1 = (last.weight * s.middle) @ first.weight, last.bias + last.weight @ (s.middle * first.bias + s.value)
        if block.feedthrough is not None:
            inner, b1 = inner + block.feedthrough.weight, b1 + block.feedthrough.bias
        return Target(last.weight * s.half, first.weight, first.bias, inner, b1)


def through(pair: Pair, weight: Any, bias: Any) -> Any:
    """`W x + b` [m, q + 1] on (xi, 1), for expressions W [m, n] and b [m, 1]."""
    count = pair.inputs.coefficients
    return weight @ pair.inputs.point.middle + bias @ np.eye(count + 1)[count:]


def within(pair: Pair, rows: Any, lower: FloatArray, upper: FloatArray) -> list[Any]:
    """Cones for lower <= rows (xi, 1) <= upper over a set with coefficients in a ball or cube."""
    import cvxpy

    if pair.inputs.is_implicit:
        raise UnsupportedError(
            "local sectors need an input set with coefficients; give an ellipsoid, a box or a zonotope"
        )
    spread = cvxpy.norm(rows[:, :-1], 2 if pair.inputs.is_round else 1, axis=1)
    return [rows[:, -1] + spread <= upper, rows[:, -1] - spread >= lower]


def two_layers(
    layer: ActivationLayer,
    w0: FloatArray,
    b0: FloatArray,
    w1: FloatArray,
    b1: FloatArray,
    skip: FloatArray | None,
) -> Network:
    """The network W1 phi(W0 x + b0) + b1 (+ D x)."""
    ((activation, _),) = layer.segments
    return Network.from_layers(
        [w0, w1], [b0, b1], activation, feedthrough=skip, origin=Origin("synthesised by linear matrix inequalities")
    )


def values_of(condition: Condition) -> FloatArray:
    """The multipliers of the input set, clipped at 0."""
    return np.maximum(0.0, np.asarray(condition.lam.value, dtype=np.float64))
