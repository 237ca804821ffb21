"""Output files: refused early when they cannot be written, and strict JSON."""

from __future__ import annotations

import json
import os
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


def json_bytes(value: Mapping[str, Any]) -> bytes:
    """One strict JSON object (no NaN) with a line for each of its keys."""
    lines = [
        f"{json.dumps(key)}: {json.dumps(item, allow_nan=False, ensure_ascii=False)}" for key, item in value.items()
    ]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()
