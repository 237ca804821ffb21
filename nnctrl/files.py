"""Files are written whole or not at all, and what the system says about a path is a fault of the input."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nnctrl.errors import InputError

TEMPORARY = ".nnctrl-"
"""Begins the name of the file that becomes the wanted one; short, since the wanted name may be as long as names get."""


def write_atomically(path: Path, content: bytes) -> None:
    """Write the whole file or leave what was there, so that nobody reads half of one; InputError if it cannot be.

    A link is followed. What is there and is no regular file (a device, a pipe) is refused: renaming would replace it.
    """
    check_regular(path)
    target = Path(os.path.realpath(path))
    with path_faults_named(path, "written"):
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=TEMPORARY)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


def check_regular(path: Path) -> None:
    """InputError if there is something at `path` that is no regular file."""
    mode = mode_of(path)
    if mode is not None and stat.S_ISDIR(mode):
        raise InputError(f"{path} is a folder; give the name of a file")
    if mode is not None and not stat.S_ISREG(mode):
        raise InputError(f"{path} is no regular file; give the name of a file")


def is_file(path: Path) -> bool:
    """Whether `path` leads to a regular file; InputError where the system refuses to look."""
    mode = mode_of(path)
    return mode is not None and stat.S_ISREG(mode)


def is_folder(path: Path) -> bool:
    """Whether `path` leads to a folder; InputError where the system refuses to look."""
    mode = mode_of(path)
    return mode is not None and stat.S_ISDIR(mode)


def mode_of(path: Path, follow: bool = True) -> int | None:
    """Mode of what `path` leads to (or of the link itself), None for nothing; InputError where nobody may look."""
    with path_faults_named(path, "looked at"):
        try:
            return path.stat(follow_symlinks=follow).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None


@contextmanager
def path_faults_named(path: Path, action: str) -> Iterator[None]:
    """What the system says about `path` (no permission, a name that is too long, a full disk) becomes an InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path} cannot be {action}: {error.strerror or error}; choose another place") from error


def _umask() -> int:
    # there is no way to read it without setting it
    mask = os.umask(0)
    os.umask(mask)
    return mask
