"""Exact rational arithmetic on doubles: decides what outward rounding must leave open.

A double is a rational number, so sums of products of doubles have exact signs. It costs some microseconds an operation:
only borderline cases come here (a point on a face, a residual that may be exactly zero).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction

from nnctrl._typing import FloatArray


def exact_dot(x: Iterable[float], y: Iterable[float]) -> Fraction:
    """The real number `x' y` of finite vectors."""
    total = Fraction(0)
    for a, b in zip(x, y, strict=True):
        if a != 0.0 and b != 0.0:
            total += Fraction(float(a)) * Fraction(float(b))
    return total


def exact_square(x: Iterable[float]) -> Fraction:
    """The real number `|x|^2` of a finite vector."""
    return sum((Fraction(float(a)) ** 2 for a in x), Fraction(0))


def exact_residual(target: FloatArray, matrix: FloatArray, vector: FloatArray) -> list[Fraction]:
    """The real vector `target - matrix vector`; shapes [n], [n, q], [q]."""
    used = [j for j in range(len(vector)) if vector[j] != 0.0]
    return [
        Fraction(float(goal)) - exact_dot((row[j] for j in used), (vector[j] for j in used))
        for goal, row in zip(target, matrix, strict=True)
    ]


def fraction_up(value: Fraction) -> float:
    """The least double >= `value`; inf where it overflows."""
    try:
        near = float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.nextafter(math.inf, 0.0)
    return near if Fraction(near) >= value else math.nextafter(near, math.inf)


def fraction_near(value: Fraction) -> float:
    """A double next to `value`, a finite one."""
    largest = Fraction(math.nextafter(math.inf, 0.0))
    return float(max(min(value, largest), -largest))


def exact_vector(values: Iterable[float]) -> list[Fraction]:
    """Finite doubles as rational numbers."""
    return [Fraction(float(value)) for value in values]
