"""Output files: refused early when they cannot be written, and written whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnctrl.errors import InputError


def check_writable(path: Path) -> None:
    """Refuse an output file that cannot be written, before hours of work rather than after (InputError)."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the name of a file")
    _check_folder(path.parent, path)


def check_folder_writable(folder: Path) -> None:
    """Refuse an output folder that can be neither used nor made (InputError)."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; give the name of a folder")
    existing = folder
    while not existing.exists():
        existing = existing.parent
    _check_folder(existing, folder)


def _check_folder(folder: Path, target: Path) -> None:
    if not folder.is_dir():
        raise InputError(f"{target} cannot be written: there is no folder {folder}; make it first")
    if not os.access(folder, os.W_OK):
        raise InputError(f"{target} cannot be written: the folder {folder} is not writable; choose another")


def write_atomically(path: Path, content: bytes) -> None:
    """Write the whole file or leave what was there, so that nobody reads half of one; InputError if it cannot be."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}; choose another place") from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}; choose another place") from error
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    # there is no way to read it without setting it
    mask = os.umask(0)
    os.umask(mask)
    return mask


def json_bytes(value: Mapping[str, Any]) -> bytes:
    """One strict JSON object (no NaN) with a line for each of its keys."""
    lines = [
        f"{json.dumps(key)}: {json.dumps(item, allow_nan=False, ensure_ascii=False)}" for key, item in value.items()
    ]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()
