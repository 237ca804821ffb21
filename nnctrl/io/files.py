"""Output files: refused early when they cannot be written, and strict JSON."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from itertools import permutations
from pathlib import Path
from typing import Any

from nnctrl.errors import InputError
from nnctrl.files import check_regular, is_folder, mode_of, path_faults_named

REPORT_FILES = ("picture.png", "report.md", "result.json", "trajectories.json")
"""What `--report` writes into its folder, by whichever command."""


def check_writable(path: Path) -> None:
    """Refuse an output file that cannot be written, before hours of work rather than after (InputError)."""
    check_regular(path)
    folder = Path(os.path.realpath(path)).parent
    if not is_folder(folder):
        raise InputError(f"{path} cannot be written: there is no folder {folder}; make it first")
    _check_takes_files(folder, path)


def check_folder_writable(folder: Path, names: Iterable[str] = ()) -> None:
    """Refuse an output folder that can be neither used nor made, or where one of the files `names` cannot be written
    (InputError).
    """
    existing = folder
    while mode_of(existing, follow=False) is None:
        existing = existing.parent
    if not is_folder(existing):
        if existing.is_symlink():
            raise InputError(f"{folder} cannot be written: {existing} is a link that leads to no folder; remove it")
        if existing == folder:
            raise InputError(f"{folder} is a file; give the name of a folder")
        raise InputError(f"{folder} cannot be written: {existing} is a file; choose another place")
    for part in folder.relative_to(existing).parts:
        # a name that the file system does not take is refused although nothing is there
        mode_of(existing / part)
    _check_takes_files(existing, folder)
    for name in names:
        check_regular(folder / name)


def check_apart(places: Mapping[str, Path | None]) -> None:
    """Refuse options whose outputs would overwrite or lie inside one another (InputError); None is not given."""
    real = {option: Path(os.path.realpath(place)) for option, place in places.items() if place is not None}
    for one, other in permutations(real, 2):
        if real[one] == real[other] or (real[one] in real[other].parents and not is_folder(real[one])):
            raise InputError(f"{one} {places[one]} stands in the way of {other} {places[other]}; choose another name")


def _check_takes_files(folder: Path, target: Path) -> None:
    """Make a file and remove it: permissions, read-only disks and /proc have no other common sign."""
    with path_faults_named(target, "written"), tempfile.TemporaryFile(dir=folder):
        pass


def json_bytes(value: Mapping[str, Any]) -> bytes:
    """One strict JSON object (no NaN) with a line for each of its keys."""
    # half of a surrogate pair, as names of files can hold, is replaced by what is JSON's own escape for it
    lines = [
        f"{json.dumps(key)}: {json.dumps(item, allow_nan=False, ensure_ascii=False)}" for key, item in value.items()
    ]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode(errors="backslashreplace")
