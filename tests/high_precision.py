"""Evaluation of networks and closed loops with 60 digits: the referee of every soundness test."""

from __future__ import annotations

import mpmath
import numpy as np

from nnctrl.networks.activations import Clip, Identity, Relu, Sigmoid, Softplus, Tanh
from nnctrl.networks.layers import Affine
from nnctrl.networks.network import Block, Network

mpmath.mp.dps = 60


def vector(values: object) -> list[mpmath.mpf]:
    """Doubles as exact multiprecision numbers."""
    return [mpmath.mpf(float(v)) for v in np.asarray(values).ravel()]


def activation(kind: object, z: mpmath.mpf, lane: int) -> mpmath.mpf:
    """phi(z) with 60 digits."""
    if isinstance(kind, Tanh):
        return mpmath.tanh(z)
    if isinstance(kind, Sigmoid):
        return 1 / (1 + mpmath.exp(-z))
    if isinstance(kind, Softplus):
        return mpmath.log1p(mpmath.exp(z)) if z < 50 else z + mpmath.log1p(mpmath.exp(-z))
    if isinstance(kind, Relu):
        return max(z, mpmath.mpf(0))
    if isinstance(kind, Clip):
        low, high = (limit[lane] if isinstance(limit, tuple) else limit for limit in (kind.lower, kind.upper))
        return min(max(z, mpmath.mpf(low)), mpmath.mpf(high))
    assert isinstance(kind, Identity)
    return z


def affine(layer: Affine, x: list[mpmath.mpf]) -> list[mpmath.mpf]:
    """W x + b of the stored numbers."""
    return [
        mpmath.fdot([mpmath.mpf(float(w)) for w in row], x) + mpmath.mpf(float(b))
        for row, b in zip(layer.weight, layer.bias, strict=True)
    ]


def block(part: Block, x: list[mpmath.mpf]) -> list[mpmath.mpf]:
    """One block of the stored numbers."""
    hidden = x
    for layer, kinds in zip(part.affines, part.activations, strict=False):
        z = affine(layer, hidden)
        hidden = [
            activation(kind, z[i], i - lanes.start)
            for kind, lanes in kinds.slices()
            for i in range(lanes.start, lanes.stop)
        ]
    result = affine(part.affines[-1], hidden)
    if part.feedthrough is not None:
        result = [a + b for a, b in zip(result, affine(part.feedthrough, x), strict=True)]
    return result


def network(function: Network, x: list[mpmath.mpf]) -> list[mpmath.mpf]:
    """The network of the stored numbers (radii are ignored: they cover other functions too)."""
    for part in function.blocks:
        x = block(part, x)
    return x


def dot(direction: object, y: list[mpmath.mpf]) -> mpmath.mpf:
    """Exact scalar product of doubles with multiprecision numbers."""
    return mpmath.fdot(vector(direction), y)


def slope(kind: object, z: mpmath.mpf, lane: int) -> mpmath.mpf:
    """phi'(z) with 60 digits; at a kink the slope to the right."""
    if isinstance(kind, Tanh):
        return 1 - mpmath.tanh(z) ** 2
    if isinstance(kind, Sigmoid):
        value = activation(kind, z, lane)
        return value * (1 - value)
    if isinstance(kind, Softplus):
        return 1 / (1 + mpmath.exp(-z))
    if isinstance(kind, Relu):
        return mpmath.mpf(z >= 0)
    if isinstance(kind, Clip):
        low, high = (limit[lane] if isinstance(limit, tuple) else limit for limit in (kind.lower, kind.upper))
        return mpmath.mpf(low <= z < high)
    assert isinstance(kind, Identity)
    return mpmath.mpf(1)


def jacobians(part: Block, x: list[mpmath.mpf]) -> tuple[list[mpmath.matrix], mpmath.matrix]:
    """Jacobians of the pre-activations of every layer of a block, and of its output."""
    value, hidden, inner = x, mpmath.eye(len(x)), []
    for layer, kinds in zip(part.affines, part.activations, strict=False):
        z = affine(layer, value)
        jacobian = mpmath.matrix(layer.weight.tolist()) * hidden
        inner.append(jacobian)
        pairs = [(kind, i, i - lanes.start) for kind, lanes in kinds.slices() for i in range(lanes.start, lanes.stop)]
        value = [activation(kind, z[i], lane) for kind, i, lane in pairs]
        hidden = mpmath.diag([slope(kind, z[i], lane) for kind, i, lane in pairs]) * jacobian
    output = mpmath.matrix(part.affines[-1].weight.tolist()) * hidden
    if part.feedthrough is not None:
        output += mpmath.matrix(part.feedthrough.weight.tolist())
    return inner, output


def operator_norm(matrix: mpmath.matrix, p: float) -> mpmath.mpf:
    """The operator p-norm with 60 digits, p = 1, 2 or infinity."""
    if p == 2.0:
        return max(mpmath.svd_r(matrix, compute_uv=False))
    return mpmath.mnorm(matrix, 1 if p == 1.0 else mpmath.inf)
