"""The referee of the tests of `learning.lmi`: points of input sets, the worst among them, and 60-digit values."""

from __future__ import annotations

from fractions import Fraction

import high_precision
import mpmath
import numpy as np

from nnctrl.learning.lmi.input_set import InputSet
from nnctrl.learning.lmi.specification import Specification
from nnctrl.networks.network import Network
from nnctrl.sets.box import Box
from nnctrl.sets.ellipsoid import Ball, Ellipsoid
from nnctrl.sets.polytope import Polytope
from nnctrl.sets.zonotope import Zonotope


def random_set(rng: np.random.Generator, kind: str, size: int, scale: float = 0.5):
    """A set of the kind, about a random centre."""
    centre = rng.normal(size=size)
    shape = scale * rng.normal(size=(size, size))
    if kind == "ball":
        return Ball(centre, scale)
    if kind == "ellipsoid":
        return Ellipsoid(centre, shape)
    if kind == "flat":
        return Ellipsoid(centre, shape[:, :1])
    if kind == "box":
        radius = scale * rng.random(size)
        return Box(centre - radius, centre + radius)
    if kind == "zonotope":
        return Zonotope(centre, 0.5 * np.concatenate([shape, scale * rng.normal(size=(size, 2))], axis=1))
    normals = np.concatenate([np.eye(size), -np.eye(size), rng.normal(size=(2, size))])
    return Polytope(normals, normals @ centre + scale * (0.5 + rng.random(len(normals))))


KINDS = ("ball", "ellipsoid", "flat", "box", "zonotope", "polytope")


def coefficients(inputs: InputSet, rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """xi that lie in the set in exact arithmetic: inner ones, and ones on the boundary or a few roundoffs inside."""
    q = inputs.coefficients
    if isinstance(inputs.source, Polytope):
        directions = rng.normal(size=(count // 2, q))
        drawn = np.concatenate([inputs.source.support_vector(directions), inputs.source.sample(rng, count)])
    elif inputs.is_round:
        drawn = rng.normal(size=(count, q))
        drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
        drawn[: count // 3] *= rng.random((count // 3, 1))
    else:
        drawn = rng.uniform(-1.0, 1.0, (count, q))
        drawn[: count // 2] = np.sign(drawn[: count // 2])
    return [xi for xi in (admitted(inputs, xi) for xi in drawn) if xi is not None]


def admitted(inputs: InputSet, xi: np.ndarray) -> np.ndarray | None:
    """`xi`, moved inward by roundoffs if it has to be, so that it is in the set in exact arithmetic."""
    for _ in range(40):
        if is_inside(inputs, xi):
            return xi
        if isinstance(inputs.source, Polytope):
            middle = inputs.source.interior_point
            xi = middle + (xi - middle) * (1.0 - 1e-13)
        elif inputs.is_round:
            xi = xi * (1.0 - 2.0**-52)
        else:
            xi = np.clip(xi, -1.0, 1.0)
    return None


def is_inside(inputs: InputSet, xi: np.ndarray) -> bool:
    """Exactly, from what the set is and not from its quadratic constraints."""
    exact = [Fraction(float(v)) for v in xi]
    if isinstance(inputs.source, Polytope):
        return all(
            sum(Fraction(float(a)) * v for a, v in zip(row, exact, strict=True)) <= Fraction(float(b))
            for row, b in zip(inputs.source.normals, inputs.source.offsets, strict=True)
        )
    if inputs.is_round:
        return sum(v * v for v in exact) <= 1
    return all(abs(v) <= 1 for v in exact)


def point(inputs: InputSet, xi: np.ndarray) -> list[mpmath.mpf]:
    """`X (xi, 1)` with 60 digits; X has no radius for sets that are given."""
    assert not inputs.point.radius.any()
    return [mpmath.fdot(high_precision.vector(row), high_precision.vector([*xi, 1.0])) for row in inputs.point.middle]


def value(form, joint: list[mpmath.mpf]) -> mpmath.mpf:
    """The largest value at `joint` of the quadratic forms that `form` encloses."""
    total = mpmath.mpf(0)
    for i, a in enumerate(joint):
        row = [mpmath.mpf(float(m)) * b for m, b in zip(form.middle[i], joint, strict=True)]
        spare = [mpmath.mpf(float(r)) * abs(a * b) for r, b in zip(form.radius[i], joint, strict=True)]
        total += a * mpmath.fsum(row) + mpmath.fsum(spare)
    return total


def values(network: Network, specification: Specification, x: list[mpmath.mpf]) -> list[mpmath.mpf]:
    """The values of the inequalities at x and the network's output there."""
    joint = [*x, *high_precision.network(network, x), mpmath.mpf(1)]
    return [value(form, joint) for form in specification.forms]


def worst(
    network: Network, inputs: InputSet, specification: Specification, rng: np.random.Generator, steps: int = 60
) -> list[np.ndarray]:
    """xi in the set where projected gradient ascent on each inequality ends, from several starts."""
    found = []
    x_of = lambda xi: xi @ inputs.point.middle[:, :-1].T + inputs.point.middle[:, -1]  # noqa: E731
    for index in range(len(specification.forms)):
        current = np.array(coefficients(inputs, rng, 12))
        best, best_value = current.copy(), np.full(len(current), -np.inf)
        for step in range(steps):
            base = specification.values(x_of(current), network(x_of(current)))[:, index]
            better = base > best_value
            best[better], best_value[better] = current[better], base[better]
            gradient = np.zeros_like(current)
            for j in range(current.shape[1]):
                moved = current.copy()
                moved[:, j] += 1e-6
                there = specification.values(x_of(moved), network(x_of(moved)))[:, index]
                gradient[:, j] = (there - base) / 1e-6
            length = np.linalg.norm(gradient, axis=1, keepdims=True)
            current = current + 0.7 / (1.0 + step) * gradient / np.where(length > 0.0, length, 1.0)
            if inputs.is_round:
                current = current / np.maximum(1.0, np.linalg.norm(current, axis=1, keepdims=True))
            elif isinstance(inputs.source, Polytope):
                current = np.array(
                    [xi if is_inside(inputs, xi) else keep for xi, keep in zip(current, best, strict=True)]
                )
            else:
                current = np.clip(current, -1.0, 1.0)
        found += [xi for xi in (admitted(inputs, xi) for xi in best) if xi is not None]
    return found


def greatest(
    network: Network, inputs: InputSet, specification: Specification, rng: np.random.Generator, count: int = 60
) -> list[mpmath.mpf]:
    """The greatest value found of every inequality, over random, boundary and ascended points."""
    points = coefficients(inputs, rng, count) + worst(network, inputs, specification, rng)
    assert points
    return [
        max(column)
        for column in zip(*(values(network, specification, point(inputs, xi)) for xi in points), strict=True)
    ]
