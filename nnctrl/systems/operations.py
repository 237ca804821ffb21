"""The elementary operations of a tape, each written once for every kind of number.

A number is a float or NumPy array, or any object with the operators `+ - * / **`, `abs` and methods named as NumPy
names its functions: torch tensors, intervals and affine forms have them. A kind that lacks a method does not support
that operation and says so by name.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from nnctrl.errors import UnsupportedError

Value = Any
"""One scalar signal: a float, an array [batch], a torch tensor, an interval array or an affine form."""

PLAIN = (float, int, np.ndarray, np.floating)
"""Kinds whose functions live in the numpy module; all others bring methods."""

MAX_POWER = 64
"""Whole exponents up to this one use the operator `**` of the kind."""


def apply_function(name: str, value: Value) -> Value:
    """The NumPy-named function of one number; UnsupportedError if its kind has none."""
    if isinstance(value, PLAIN):
        return getattr(np, name)(value)
    method = getattr(value, name, None)
    if method is None:
        raise UnsupportedError(
            f"'{name}' is not available for {type(value).__name__} numbers; write the dynamics without it"
        )
    return method()


def _function(name: str) -> Callable[[Value], Value]:
    return lambda value: apply_function(name, value)


def _pair(name: str) -> Callable[[Value, Value], Value]:
    """A function of two numbers, where one may be a plain float beside a number of another kind."""

    def apply(a: Value, b: Value) -> Value:
        if isinstance(a, PLAIN) and isinstance(b, PLAIN):
            return getattr(np, name)(a, b)
        rich = b if isinstance(a, PLAIN) else a
        method = getattr(rich, name, None)
        if method is None:
            raise UnsupportedError(
                f"'{name}' is not available for {type(rich).__name__} numbers; write the dynamics without it"
            )
        if hasattr(rich, "new_tensor"):
            # torch's methods take tensors only
            a, b = (value if hasattr(value, "new_tensor") else rich.new_tensor(value) for value in (a, b))
            return getattr(a, name)(b)
        if name == "arctan2" and rich is b:
            # not symmetric, as the others are: the plain number becomes one of the other's kind
            return (0.0 * b + a).arctan2(b)
        return method(b if rich is a else a)

    return apply


def square(value: Value) -> Value:
    """value^2, by the kind's own `square` (an interval's is tighter than its product with itself)."""
    return value * value if isinstance(value, PLAIN) else apply_function("square", value)


def power(base: Value, exponent: Value) -> Value:
    """base^exponent; other than for whole numbers it means exp(exponent log(base)) with a positive base."""
    if isinstance(base, PLAIN) and isinstance(exponent, PLAIN):
        return np.power(base, exponent)
    if hasattr(base, "new_tensor") or hasattr(exponent, "new_tensor"):
        return base**exponent
    if isinstance(exponent, float) and exponent.is_integer() and abs(exponent) <= MAX_POWER:
        return base ** int(exponent)
    if isinstance(base, PLAIN):
        # the logarithm of a plain number would be rounded without a bound
        base = 0.0 * exponent + base
    return apply_function("exp", apply_function("log", base) * exponent)


OPERATIONS: dict[str, Callable[..., Value]] = {
    "assign": lambda a: a,
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "neg": operator.neg,
    "twice": lambda a: 2.0 * a,
    "inv": lambda a: 1.0 / a,
    "sq": square,
    "fabs": abs,
    "pow": power,
    "constpow": power,
    "fmin": _pair("minimum"),
    "fmax": _pair("maximum"),
    "atan2": _pair("arctan2"),
    **{name: _function(name) for name in ("sqrt", "exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh")},
    **{f"a{name}": _function(f"arc{name}") for name in ("sin", "cos", "tan")},
}
"""Every operation that dynamics may use, by the lower-case name that CasADi gives it."""

COMPARISONS = frozenset({"lt", "le", "eq", "ne", "not", "and", "or", "if_else_zero", "sign", "floor", "ceil"})
"""Operations that jump: refused with a hint to what replaces them."""
