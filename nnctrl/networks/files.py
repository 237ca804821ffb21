"""Network files, read whole with their hash."""

from __future__ import annotations

import hashlib
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
