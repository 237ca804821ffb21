"""The methods of synthesis by id, loaded when they are asked for, and the choice among them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module

from nnctrl.errors import UnknownNameError, UnsupportedError
from nnctrl.learning.method import AbstractMethod
from nnctrl.learning.task import Task
from nnctrl.verification.settings import Key

AUTO = "auto"
"""The name that leaves the choice to nnctrl."""

METHODS: Mapping[str, str] = {
    "lmi": "nnctrl.learning.lmi.method:LmiMethod",
    "last-layer": "nnctrl.learning.last_layer.method:LastLayerMethod",
    "certified": "nnctrl.learning.certified.method:CertifiedMethod",
    "cegis": "nnctrl.learning.cegis.method:CegisMethod",
}

ASKED_BY_AUTO: Mapping[str, str] = {
    "cegis": "certified training that also learns from what the verifier finds",
    "last-layer": "matrix inequalities for the last layer, since training cannot treat the task",
    "lmi": "matrix inequalities, since nothing else treats the task",
}
"""The methods that "auto" asks in this order, taking the first that does not object, and why it takes them."""


def load_method(id: str) -> AbstractMethod:
    """The method called `id`, its module imported now (which may take seconds); UnknownNameError."""
    if id not in METHODS:
        raise UnknownNameError.among("method", id, [AUTO, *METHODS])
    module, _, name = METHODS[id].partition(":")
    method: AbstractMethod = getattr(import_module(module), name)()
    return method


def choose_method(
    task: Task, method: str | AbstractMethod = AUTO, keys: Iterable[str] = ()
) -> tuple[AbstractMethod, str]:
    """The method and why it was chosen; UnsupportedError if it, or with "auto" every one, objects to the task.

    With "auto" a method must take all `keys` that were set.
    """
    objections, wanted = [], set(keys)
    for candidate in _candidates(method):
        objection = candidate.objection(task)
        if method == AUTO and objection is None:
            foreign = wanted - {key.name for key in candidate.settings_type.declared_keys()}
            objection = f"the method {candidate.id} has no key '{min(foreign)}'." if foreign else None
        if objection is None:
            return candidate, ASKED_BY_AUTO[candidate.id] if method == AUTO else "as asked"
        objections.append(objection)
    raise UnsupportedError(" ".join(objections))


def keys_of_method(method: str) -> tuple[Key, ...]:
    """The keys that a method takes; for "auto" those of all methods that it asks."""
    ids = ASKED_BY_AUTO if method == AUTO else (method,)
    keys = {key.name: key for id in ids for key in load_method(id).settings_type.declared_keys()}
    return tuple(keys.values())


def _candidates(method: str | AbstractMethod) -> Iterator[AbstractMethod]:
    """The methods to ask, one by one."""
    if isinstance(method, AbstractMethod):
        yield method
        return
    for id in ASKED_BY_AUTO if method == AUTO else (method,):
        yield load_method(id)
