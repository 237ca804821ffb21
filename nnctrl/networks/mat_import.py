"""MATLAB files with the layers of a network, in the form that verifiers written in MATLAB read.

`W` and `b` are cell arrays of weight matrices [out, in] and of bias vectors, `act_fcns` or `activation_fcns` names the
activation of every layer, the last included. They are variables of the file, or fields of its only variable, a struct.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import NetworkFileError, UnsupportedError
from nnctrl.networks.activations import Activation
from nnctrl.networks.files import read_network_file
from nnctrl.networks.layer_chain import Layer, activation_in_file, append_layers, named_faults
from nnctrl.networks.mat_file import Cells, Texts, Value, read_variables
from nnctrl.networks.network import Network
from nnctrl.networks.normal_form import NormalForm

ACTIVATION_KEYS = ("act_fcns", "activation_fcns")
COUNTS = ("number_of_layers", "number_of_inputs", "number_of_outputs")
"""What some files say besides; compared with the matrices."""


def read_mat(path: str | Path) -> Network:
    """The network of a MATLAB file of version 5 to 7.2: weights as they are stored, and no normalisation.

    A variable that is not understood is refused, since it might be a scaling. Consecutive layers without an activation
    are composed, with certified radii. Nothing in the file is run. Raises NetworkFileError for a damaged file,
    UnsupportedError for another form, both naming the file and the variable.
    """
    place = Path(path)
    content, origin = read_network_file(place)
    label = f"'{place.name}'"
    fields = _fields(read_variables(content, label), label)
    weights = [_matrix(item, f"W{{{k}}} of {label}") for k, item in enumerate(_cells(fields, "W", label), start=1)]
    biases = [_vector(item, f"b{{{k}}} of {label}") for k, item in enumerate(_cells(fields, "b", label), start=1)]
    kinds = _activations(fields, label)
    if not len(weights) == len(biases) == len(kinds):
        raise NetworkFileError(
            f"{label} has {len(weights)} weight matrices, {len(biases)} bias vectors and {len(kinds)} activations; "
            "there must be one of each for every layer"
        )
    layers: list[Layer] = list(zip(weights, biases, kinds, strict=True))
    for key, value in zip(COUNTS, (len(layers), weights[0].shape[1], len(biases[-1])), strict=True):
        if key in fields and _scalar(fields[key], f"{key} of {label}") != value:
            raise NetworkFileError(f"{key} of {label} contradicts its matrices, which give {value}")
    form = NormalForm()
    with named_faults(label):
        return form.finish(append_layers(form, form.source((weights[0].shape[1],)), layers), origin)


def _fields(variables: Mapping[str, Value], label: str) -> Mapping[str, Value]:
    """The variables that describe the network, from the top or from the only struct; no other may be there."""
    fields = variables
    if len(variables) == 1:
        (only,) = variables.values()
        if isinstance(only, dict):
            fields = only
    for key in ("W", "b"):
        if key not in fields:
            found = ", ".join(fields) or "none"
            raise UnsupportedError(
                f"{label} has no variable '{key}' (it has: {found}); store cell arrays W and b and the names act_fcns"
            )
    known = ("W", "b", *ACTIVATION_KEYS, *COUNTS, "layer_sizes")
    strange = [name for name in fields if name not in known]
    if strange:
        raise UnsupportedError(
            f"{label} has a variable '{strange[0]}', which may change what the network computes; supported are "
            f"{', '.join(known)}"
        )
    return fields


def _cells(fields: Mapping[str, Value], key: str, label: str) -> tuple[Value, ...]:
    cells = fields[key]
    if not isinstance(cells, Cells) or len(cells.items) != max(cells.shape) or not cells.items:
        raise UnsupportedError(f"{key} of {label} is no cell array with one row; store one cell for every layer")
    return cells.items


def _matrix(item: Value, what: str) -> FloatArray:
    array = _numbers(item, what)
    while array.ndim > 2 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim != 2 or not array.size:
        raise NetworkFileError(f"{what} has shape {list(array.shape)}; it must be a matrix [out, in]")
    return array


def _vector(item: Value, what: str) -> FloatArray:
    array = _numbers(item, what)
    if array.size != max(array.shape):
        raise NetworkFileError(f"{what} has shape {list(array.shape)}; it must be a vector")
    return array.ravel()


def _numbers(item: Value, what: str) -> FloatArray:
    if not isinstance(item, np.ndarray):
        raise NetworkFileError(f"{what} holds no numbers; store matrices of doubles")
    if not np.isfinite(item).all():
        raise NetworkFileError(f"{what} contains nan or inf; store finite numbers")
    return item


def _scalar(value: Value, what: str) -> float:
    array = _numbers(value, what)
    if array.size != 1:
        raise NetworkFileError(f"{what} has {array.size} entries; it must be one number")
    return float(array.ravel()[0])


def _activations(fields: Mapping[str, Value], label: str) -> list[Activation]:
    keys = [key for key in ACTIVATION_KEYS if key in fields]
    if len(keys) != 1:
        found = " and ".join(keys) or "no names of activations"
        raise UnsupportedError(f"{label} has {found}; store them once, as act_fcns")
    value = fields[keys[0]]
    # one cell for every layer, or one row of a character matrix
    lists = value.items if isinstance(value, Cells) else (value,)
    names: list[str] = []
    for item in lists:
        if not isinstance(item, Texts) or (isinstance(value, Cells) and len(item.rows) != 1):
            raise UnsupportedError(f"{keys[0]} of {label} is no list of texts; store one name for every layer")
        names += item.rows
    return [activation_in_file(name, f"{keys[0]} of {label}") for name in names]
