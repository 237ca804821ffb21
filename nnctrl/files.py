"""Files are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from nnctrl.errors import InputError


def write_atomically(path: Path, content: bytes) -> None:
    """Write the whole file or leave what was there, so that nobody reads half of one; InputError if it cannot be.

    A link is followed. What is there and is no regular file (a device, a pipe) is refused: renaming would replace it.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is no regular file; give the name of a file")
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
