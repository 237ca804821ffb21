"""From the `dynamics` or `output` method of a plant to a CasADi function, with every mistake named."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nnctrl.errors import InputError, UnknownNameError
from nnctrl.systems.signals import Units

if TYPE_CHECKING:
    from nnctrl.systems.plant import Plant

SIGNALS = ("x", "u", "w", "p")
"""The arguments that `dynamics` and `output` may take, by name."""


def build_function(plant: Plant, what: str, method: Callable[..., Any], names: Units) -> Any:
    """casadi.Function `(x, u, w, p) -> column` of `plant.dynamics` or `plant.output`, one row per name in `names`."""
    import casadi

    sizes = (plant.state_size, plant.input_size, plant.disturbance_size, len(plant.parameters))
    columns = [casadi.SX.sym(signal, size) for signal, size in zip(SIGNALS, sizes, strict=True)]
    arguments: dict[str, Any] = dict(zip(SIGNALS, columns, strict=True))
    arguments["p"] = _Parameters(plant.name, {name: columns[3][k] for k, name in enumerate(plant.parameters)})
    packed = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    wanted = [name for name, parameter in inspect.signature(method).parameters.items() if parameter.kind not in packed]
    unknown = [name for name in wanted if name not in SIGNALS]
    if unknown:
        raise InputError(
            f"'{what}' of '{plant.name}' takes an argument '{unknown[0]}'; name its arguments among x, u, w, p"
        )
    try:
        result = method(**{name: arguments[name] for name in wanted})
    except InputError:
        raise
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            f"'{what}' of '{plant.name}' cannot be evaluated on CasADi expressions ({_reason(error)}); "
            "use casadi's functions, valid indices, and no if on signals"
        ) from error
    rows = [_scalar(plant.name, what, entry) for entry in _entries(plant.name, what, result)]
    if len(rows) != len(names):
        raise InputError(
            f"'{what}' of '{plant.name}' returns {len(rows)} expressions for {len(names)} names "
            f"({', '.join(names)}); return one for each"
        )
    return casadi.Function(
        f"{plant.name}_{what}", columns, [casadi.vertcat(casadi.SX(0, 1), *rows)], {"allow_free": True}
    )


class _Parameters(dict[str, Any]):
    """The parameters by name; an unknown one names the nearest."""

    def __init__(self, owner: str, entries: dict[str, Any]) -> None:
        super().__init__(entries)
        self.owner = owner

    def __missing__(self, name: str) -> Any:
        raise UnknownNameError.among(f"parameter of '{self.owner}'", name, self)


def _reason(error: Exception) -> str:
    """One line of what Python or CasADi says, without CasADi's places in its own source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    mine = [re.sub(r"^\S*casadi\S*:\d+: ", "", line) for line in lines]
    for line in mine:
        if line.startswith("Wrong number or type of arguments"):
            return f"{line.rstrip('.')}, {mine[-1]}"
        if line.startswith("Assertion"):
            return mine[-1]
    return mine[0].rstrip(".") if mine else type(error).__name__


def _entries(owner: str, what: str, result: Any) -> list[Any]:
    """The returned expressions as a list, from a tuple, a list or one CasADi column."""
    import casadi

    if isinstance(result, tuple | list):
        return list(result)
    if isinstance(result, casadi.SX | casadi.DM) and result.is_column():
        return [result[k] for k in range(result.numel())]
    raise InputError(
        f"'{what}' of '{owner}' returns {type(result).__name__}; return a tuple with one expression per name"
    )


def _scalar(owner: str, what: str, entry: Any) -> Any:
    """`entry` as a scalar SX."""
    import casadi

    try:
        expression = casadi.SX(entry)
    except NotImplementedError:
        expression = None
    if expression is None or not expression.is_scalar():
        raise InputError(
            f"'{what}' of '{owner}' returns {entry!r} among its expressions; every entry must be a scalar "
            "expression of x, u, w, p or a number"
        )
    return expression


def differentiate(function: Any) -> Any:
    """casadi.Function of the Jacobian of a dynamics function by the stacked (x, u, w)."""
    import casadi

    columns = [casadi.SX.sym(signal, function.size1_in(k)) for k, signal in enumerate(SIGNALS)]
    jacobian = casadi.jacobian(function(*columns), casadi.vertcat(*columns[:3]))
    return casadi.Function(f"{function.name()}_jacobian", columns, [jacobian])
