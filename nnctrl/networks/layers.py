"""The two kinds of layers: affine maps (with certified radii if they were composed) and elementwise activations."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nnctrl._typing import Array, FloatArray, namespace
from nnctrl.arrays import float_array
from nnctrl.errors import DimensionError, InputError
from nnctrl.networks.activations import Activation, Identity
from nnctrl.sets.rounding import TINY, UNIT_ROUNDOFF, affine_enclosure, gamma, matmul_enclosure


def frozen_array(values: object, ndim: int, what: str) -> FloatArray:
    """A read-only float64 copy of `values` with `ndim` dimensions and finite entries."""
    array = float_array(values, what)
    if array.ndim != ndim:
        raise DimensionError(f"{what} has {array.ndim} dimensions; give an array with {ndim}")
    if not np.isfinite(array).all():
        raise InputError(f"{what} contains nan or inf; give finite numbers")
    return array


@dataclass(frozen=True, eq=False)
class Affine:
    """`W x + b` with W `weight` [out, in], b `bias` [out].

    A matrix that was composed in floating point (B W, an unrolled product, a scaling) stands for the real product by
    carrying a radius: the real map is one with |W - weight| <= weight_radius and |b - bias| <= bias_radius,
    elementwise. None means exact.
    """

    weight: FloatArray
    bias: FloatArray
    weight_radius: FloatArray | None = None
    bias_radius: FloatArray | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", frozen_array(self.weight, 2, "a weight matrix"))
        object.__setattr__(self, "bias", frozen_array(self.bias, 1, "a bias vector"))
        if self.bias.shape[0] != self.weight.shape[0]:
            raise DimensionError(
                f"a weight matrix with {self.weight.shape[0]} rows has a bias of {self.bias.shape[0]} entries; "
                "give one bias entry per row"
            )
        for name, partner in (("weight_radius", self.weight), ("bias_radius", self.bias)):
            radius = getattr(self, name)
            if radius is None:
                continue
            radius = frozen_array(radius, partner.ndim, name)
            if radius.shape != partner.shape or (radius < 0.0).any():
                raise DimensionError(f"{name} has shape {radius.shape} or negative entries; give {partner.shape}, >= 0")
            object.__setattr__(self, name, radius if radius.any() else None)

    @staticmethod
    def identity(size: int) -> Affine:
        """The identity map on `size` lanes."""
        return Affine(np.eye(size), np.zeros(size))

    @staticmethod
    def linear(weight: object, weight_radius: FloatArray | None = None) -> Affine:
        """`W x` without a bias."""
        matrix = frozen_array(weight, 2, "a matrix")
        return Affine(matrix, np.zeros(matrix.shape[0]), weight_radius)

    @property
    def in_size(self) -> int:
        """Number of inputs."""
        return int(self.weight.shape[1])

    @property
    def out_size(self) -> int:
        """Number of outputs."""
        return int(self.weight.shape[0])

    def __call__(self, x: FloatArray) -> FloatArray:
        """`W x + b` in floating point; `x` [..., in]."""
        return x @ self.weight.T + self.bias

    def enclose(self, centre: FloatArray, radius: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Midpoint and radius of the image of the box |x - centre| <= radius, rounded outward."""
        return affine_enclosure(centre, radius, self.weight, self.bias, self.weight_radius, self.bias_radius)

    def then(self, after: Affine) -> Affine:
        """The composition `after(self(x))`, one matrix with radii that cover the rounding.

        Entries that need no rounding get no radius: selections, scalings by powers of two, one product of numbers
        with short mantissas (weights that were float32), a sum that is representable. Cost: two matrix products, up
        to two more with radii.
        """
        if after.in_size != self.out_size:
            raise DimensionError(f"a map with {self.out_size} outputs is followed by one with {after.in_size} inputs")
        if self.is_identity:
            return after
        if after.is_identity:
            return self
        weight, weight_radius = _product(after.weight, self.weight, after.weight_radius, self.weight_radius)
        column = None if self.bias_radius is None else self.bias_radius[:, None]
        moved, moved_radius = _product(after.weight, self.bias[:, None], after.weight_radius, column)
        bias, bias_radius = _sum(moved[:, 0], after.bias, moved_radius[:, 0], after.bias_radius)
        return Affine(weight, bias, weight_radius, bias_radius)

    def plus(self, other: Affine) -> Affine:
        """The sum `self(x) + other(x)`, with radii for the entries whose sum is not representable."""
        if (other.in_size, other.out_size) != (self.in_size, self.out_size):
            raise DimensionError(
                f"a map of {self.in_size} to {self.out_size} values is added to one of {other.in_size} to "
                f"{other.out_size}; they must agree"
            )
        weight, weight_radius = _sum(self.weight, other.weight, self.weight_radius, other.weight_radius)
        bias, bias_radius = _sum(self.bias, other.bias, self.bias_radius, other.bias_radius)
        return Affine(weight, bias, weight_radius, bias_radius)

    @property
    def is_exact(self) -> bool:
        """True when the stored numbers are the map (no radius)."""
        return self.weight_radius is None and self.bias_radius is None

    @property
    def is_identity(self) -> bool:
        """True for the exact map x -> x."""
        square = self.in_size == self.out_size and self.is_exact and not self.bias.any()
        return square and np.array_equal(self.weight, np.eye(self.in_size))

    def rows(self, index: slice | FloatArray) -> Affine:
        """The outputs in `index` only."""
        return Affine(
            self.weight[index],
            self.bias[index],
            None if self.weight_radius is None else self.weight_radius[index],
            None if self.bias_radius is None else self.bias_radius[index],
        )


def _product(
    a: FloatArray, b: FloatArray, a_radius: FloatArray | None, b_radius: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """The matrix product and its radius, without a rounding part in entries that one exact multiplication gives."""
    product, spread = matmul_enclosure(a, b, a_radius, b_radius)
    terms = _count(a) @ _count(b)
    exact = terms == 0.0
    if _powers_of_two(a) or _powers_of_two(b) or (_short(a) and _short(b)):
        # far from underflow, where a product of short numbers would round
        exact = exact | ((terms == 1.0) & (abs(product) > 1e-290))
    carried = np.zeros_like(product)
    for left, right in ((a_radius, abs(b)), (abs(a), b_radius), (a_radius, b_radius)):
        if left is not None and right is not None:
            # the last term pays for products that underflow
            carried = carried + left @ right + TINY * (_count(left) @ _count(right) > 0.0)
    return product, np.where(exact, carried * (1.0 + 2.0 * gamma(2 * a.shape[-1] + 8)), spread)


def _sum(
    x: FloatArray, y: FloatArray, x_radius: FloatArray | None, y_radius: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """`x + y` and its radius; the rounding of the sum is known exactly (Knuth's TwoSum)."""
    total = x + y
    part = total - x
    radius = abs((x - (total - part)) + (y - part))
    for carried in (x_radius, y_radius):
        radius = radius if carried is None else radius + carried
    return total, radius * (1.0 + 8.0 * UNIT_ROUNDOFF)


def _count(matrix: FloatArray) -> FloatArray:
    return (matrix != 0.0).astype(np.float64)


def _powers_of_two(matrix: FloatArray) -> bool:
    """Whether every nonzero entry is a power of two, up to its sign: multiplying by it rounds nothing."""
    mantissa, _ = np.frexp(matrix)
    return bool(np.isin(abs(mantissa), (0.0, 0.5)).all())


def _short(matrix: FloatArray) -> bool:
    """Whether every entry has at most 26 significant bits (as float32 has): a product of two such numbers rounds
    nothing.
    """
    mantissa, _ = np.frexp(matrix)
    scaled = mantissa * 2.0**26
    return bool((scaled == np.floor(scaled)).all())


@dataclass(frozen=True)
class ActivationLayer:
    """Activations on consecutive lanes: `segments` are (activation, number of lanes)."""

    segments: tuple[tuple[Activation, int], ...]
    size: int = field(init=False)

    def __post_init__(self) -> None:
        if not self.segments:
            raise InputError("an activation layer has no segments; give at least one activation with its lanes")
        for activation, width in self.segments:
            if activation.lanes not in (None, width):
                raise DimensionError(
                    f"'{activation.name}' has limits for {activation.lanes} lanes but is applied to {width}; the two "
                    "must agree"
                )
        object.__setattr__(self, "size", sum(width for _, width in self.segments))

    def slices(self) -> list[tuple[Activation, slice]]:
        """Each activation with its lanes."""
        result, start = [], 0
        for activation, width in self.segments:
            result.append((activation, slice(start, start + width)))
            start += width
        return result

    def __call__(self, z: Array) -> Array:
        """Apply to the last axis of `z` (NumPy or torch)."""
        if len(self.segments) == 1:
            return self.segments[0][0].value(z)
        xp = namespace(z)
        return xp.concatenate([activation.value(z[..., lanes]) for activation, lanes in self.slices()], -1)

    @property
    def nonlinear_lanes(self) -> list[int]:
        """The lanes that are not plain identity, in order."""
        pairs = ((activation, range(lanes.start, lanes.stop)) for activation, lanes in self.slices())
        return [lane for activation, lanes in pairs if not isinstance(activation, Identity) for lane in lanes]
