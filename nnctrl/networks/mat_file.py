"""MATLAB files of level 5 (versions 5 to 7.2) as plain values: numbers, texts, cell arrays and single structs.

Written out here because a network file may come from anywhere and readers in C are seen to crash on damaged ones. It
follows "MAT-File Format", The MathWorks, chapter 1: a header of 128 bytes, then elements with a tag (type, number of
bytes), padded to 8 bytes; an element of type matrix is itself a sequence of elements: flags, dimensions, name, content.
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import NetworkFileError, UnsupportedError

HEADER = 128
MATRIX, COMPRESSED = 14, 15
NUMBERS = {1: "i1", 2: "u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8", 12: "<i8", 13: "<u8"}
"""Element types that hold numbers."""
CHARACTERS = {1: "i1", 2: "u1", 4: "<u2", 16: "u1", 17: "<u2", 18: "<u4"}
"""Element types that hold characters."""
CELL, STRUCT, CHARACTER, DOUBLE, LAST_NUMERIC = 1, 2, 4, 6, 15
"""Classes of matrices."""
COMPLEX = 0x0800
MOST_BYTES = 2**30
"""What a compressed element may grow to."""
MOST_LEVELS = 8
"""How deep cells and structs may be nested."""


@dataclass(frozen=True)
class Cells:
    """A cell array: its shape, and its items column by column."""

    shape: tuple[int, ...]
    items: tuple[Value, ...]


@dataclass(frozen=True)
class Texts:
    """A character matrix, row by row, without trailing blanks."""

    rows: tuple[str, ...]


Value = FloatArray | Cells | Texts | dict[str, Any]
"""A struct of one element is a dictionary of its fields, whose values are such values again."""


def read_variables(content: bytes, label: str) -> dict[str, Value]:
    """The variables of a file by name; `label` names the file in errors.

    NetworkFileError for anything damaged, UnsupportedError for other versions, complex numbers, sparse matrices and
    objects. Nothing is run.
    """
    head = content[:HEADER]
    if len(head) < HEADER or head[124:126] == b"\x00\x02" or head.startswith(b"MATLAB 7.3"):
        raise UnsupportedError(f"{label} is no MATLAB file of version 5 to 7.2; save it with the option -v7")
    if head[124:128] != b"\x00\x01IM":
        raise UnsupportedError(
            f"{label} is no little-endian MATLAB file of version 5 to 7.2; save it with the option -v7"
        )
    elements = _Elements(content[HEADER:], label)
    variables: dict[str, Value] = {}
    while not elements.at_end:
        name, value = _variable(elements)
        if name in variables:
            raise NetworkFileError(f"{label} holds the variable '{name}' twice; the file is damaged")
        variables[name] = value
    return variables


class _Elements:
    """Elements one after another; every read stays inside the bytes there are."""

    def __init__(self, content: bytes, label: str) -> None:
        self.content, self.label, self.position = content, label, 0

    @property
    def at_end(self) -> bool:
        return self.position >= len(self.content)

    def damaged(self, what: str) -> NetworkFileError:
        return NetworkFileError(f"{self.label} is a damaged MATLAB file ({what}); save it again with the option -v7")

    def take(self) -> tuple[int, bytes]:
        """Type and bytes of the next element."""
        if len(self.content) - self.position < 8:
            raise self.damaged("it is truncated")
        kind, size = struct.unpack_from("<II", self.content, self.position)
        start, step = self.position + 8, 8 + size
        if kind >> 16:
            # a small element: both halves of the tag in four bytes, the content in the other four
            kind, size, start, step = kind & 0xFFFF, kind >> 16, self.position + 4, 8
            if size > 4:
                raise self.damaged("an element is longer than it can be")
        elif kind != COMPRESSED:
            step += -size % 8
        if start + size > len(self.content):
            raise self.damaged("it is truncated")
        self.position += step
        return kind, self.content[start : start + size]

    def numbers(self, kinds: dict[int, str]) -> np.ndarray[Any, np.dtype[Any]]:
        """The next element, which should hold numbers of one of these types."""
        kind, data = self.take()
        layout = kinds.get(kind)
        if layout is None or len(data) % np.dtype(layout).itemsize:
            raise self.damaged("an element has an unexpected type or length")
        return np.frombuffer(data, dtype=layout)


def _variable(elements: _Elements) -> tuple[str, Value]:
    kind, data = elements.take()
    if kind == COMPRESSED:
        unpacker = zlib.decompressobj()
        try:
            unpacked = unpacker.decompress(data, MOST_BYTES)
        except zlib.error as error:
            raise elements.damaged("a compressed variable cannot be unpacked") from error
        if not unpacker.eof:
            raise elements.damaged("a compressed variable is incomplete or larger than 1 GB")
        kind, data = _Elements(unpacked, elements.label).take()
    if kind != MATRIX:
        raise elements.damaged("something else is where a variable should be")
    return _matrix(_Elements(data, elements.label), 0)


def _matrix(parts: _Elements, level: int) -> tuple[str, Value]:
    """Name and value of a matrix."""
    if level > MOST_LEVELS:
        raise parts.damaged(f"cells are nested more than {MOST_LEVELS} deep")
    if parts.at_end:
        return "", np.zeros((0, 0))
    flags = parts.numbers({6: "<u4"})
    shape = tuple(int(n) for n in parts.numbers({5: "<i4"}))
    if len(flags) != 2 or len(shape) < 2 or min(shape) < 0:
        raise parts.damaged("a matrix has no valid flags or dimensions")
    name = _ascii(parts, parts.numbers({1: "u1", 2: "u1"}))
    kind = int(flags[0]) & 0xFF
    if int(flags[0]) & COMPLEX:
        raise UnsupportedError(f"{parts.label} holds complex numbers in '{name}'; store real ones")
    value: Value
    if kind == CELL:
        value = Cells(shape, tuple(_item(parts, level) for _ in range(math.prod(shape))))
    elif kind == STRUCT and math.prod(shape) == 1:
        value = {field: _item(parts, level) for field in _field_names(parts)}
    elif kind == CHARACTER:
        value = _texts(parts, shape)
    elif DOUBLE <= kind <= LAST_NUMERIC:
        value = _array(parts, shape)
    else:
        raise UnsupportedError(
            f"{parts.label} holds a matrix '{name}' of class {kind}; supported are full numeric matrices, texts, cell "
            "arrays and single structs"
        )
    if not parts.at_end:
        raise parts.damaged("a matrix is longer than its dimensions say")
    return name, value


def _item(parts: _Elements, level: int) -> Value:
    kind, data = parts.take()
    if kind != MATRIX:
        raise parts.damaged("something else is where a matrix should be")
    return _matrix(_Elements(data, parts.label), level + 1)[1]


def _field_names(parts: _Elements) -> list[str]:
    length = parts.numbers({5: "<i4"})
    names = parts.numbers({1: "u1", 2: "u1"})
    if len(length) != 1 or length[0] < 1 or len(names) % length[0]:
        raise parts.damaged("a struct has no valid field names")
    fields = [_ascii(parts, row).rstrip("\0") for row in names.reshape(-1, int(length[0]))]
    if len(set(fields)) != len(fields):
        raise parts.damaged("a struct has a field twice")
    return fields


def _ascii(parts: _Elements, codes: np.ndarray[Any, np.dtype[Any]]) -> str:
    if len(codes) and not 0 <= codes.min() <= codes.max() < 128:
        raise parts.damaged("a text is not in ASCII")
    return bytes(codes.astype(np.uint8)).decode("ascii")


def _texts(parts: _Elements, shape: tuple[int, ...]) -> Texts:
    codes = parts.numbers(CHARACTERS)
    if len(shape) != 2 or len(codes) != math.prod(shape):
        raise parts.damaged("a text is not as long as its dimensions say")
    return Texts(tuple(_ascii(parts, row).rstrip() for row in codes.reshape(shape, order="F")))


def _array(parts: _Elements, shape: tuple[int, ...]) -> FloatArray:
    stored = parts.numbers(NUMBERS)
    if len(stored) != math.prod(shape):
        raise parts.damaged("a matrix does not have as many entries as its dimensions say")
    values = stored.astype(np.float64)
    # compared as Python integers: the cast back may overflow
    if stored.dtype.kind in "iu" and stored.itemsize == 8 and [int(v) for v in values] != stored.tolist():
        raise UnsupportedError(f"{parts.label} holds whole numbers that no double represents; store doubles")
    return values.reshape(shape, order="F")
