"""Network files: read whole with their hash, written whole or not at all."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from nnctrl.errors import NetworkFileError
from nnctrl.networks.network import Origin


def read_network_file(path: Path) -> tuple[bytes, Origin]:
    """The bytes of a network file and its origin: the file's name (not its place) and the SHA-256 of the bytes."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise NetworkFileError(f"there is no network file '{path}'; check the path") from None
    except OSError as error:
        raise NetworkFileError(
            f"the network file '{path}' cannot be read ({error.strerror}); check the path"
        ) from error
    if not content:
        raise NetworkFileError(f"the network file '{path}' is empty; export the network again")
    return content, Origin(path.name, hashlib.sha256(content).hexdigest())


def write_network_file(path: Path, content: bytes) -> None:
    """Replace `path` by `content`: a reader finds the old file or the new one, never a part of it."""
    try:
        # a folder of our own beside the target: the name is free, and the replacement stays within one file system
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
            temporary = Path(folder) / path.name
            temporary.write_bytes(content)
            temporary.replace(path)
    except OSError as error:
        raise NetworkFileError(
            f"the network file '{path}' cannot be written ({error.strerror}); choose another place"
        ) from error
