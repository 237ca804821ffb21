"""Errors that a user can cause and mend.

Every message names the value, the rule it breaks and the remedy, in one or two sentences: the command line prints it
as it is and exits with status 2. Each type is also the standard exception that a Python programmer would expect to
catch.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class NnctrlError(Exception):
    """Base of all errors that nnctrl raises on purpose."""

    def __str__(self) -> str:
        # KeyError would print the repr of its argument; users read the sentence.
        return str(self.args[0]) if self.args else ""


class InputError(NnctrlError, ValueError):
    """A value given by the user breaks a rule."""


class DimensionError(InputError):
    """Sizes that must agree do not."""


class UnknownNameError(InputError, KeyError):
    """An id or a key that nothing is registered under."""

    @classmethod
    def among(cls, kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
        """The error for `name` with the nearest known name, or all of them, as the remedy."""
        names = sorted(known)
        near = get_close_matches(name, names, n=1, cutoff=0.5)
        if near:
            remedy = f"did you mean '{near[0]}'?"
        elif names:
            remedy = f"known are: {', '.join(names)}."
        else:
            remedy = f"no {kind} is registered."
        return cls(f"unknown {kind} '{name}'; {remedy}")


class UnsupportedError(InputError):
    """The input is well formed but asks for something that nnctrl does not do."""


class AlgebraicLoopError(InputError):
    """A cycle of the block diagram contains neither a plant nor a delay."""


class NetworkFileError(InputError):
    """A network file is missing, damaged, or holds something that cannot be a controller."""


def message_of(error: BaseException) -> str:
    """What an error says, or the name of its type; never raises, whatever `error` is."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  the __str__ of somebody else's exception may raise anything
        text = ""
    return text or type(error).__name__


def describe_error(error: BaseException) -> str:
    """'ValueError: what it says', or the type alone where it says nothing; never raises, whatever `error` is."""
    name, text = type(error).__name__, message_of(error)
    return name if text == name else f"{name}: {text}"


def what_is(value: object) -> str:
    """What kind of thing a wrong value is, for messages: 'a list', 'the class Box'."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    name = type(value).__name__
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed: MemoryError, or what torch raises in its place."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in message_of(error)
    )
