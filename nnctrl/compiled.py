"""How kernels are compiled, and where the machine code is kept between runs.

numba keeps compiled functions on disk and compiles them anew when their own file changes, but not when a function or a
constant of another file does that they have taken in. A bound must not come from code that is no longer there: so the
folder is named after the contents of all files that kernels are made from.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

PACKAGE = Path(__file__).parent

SOURCES = (
    "**/*_kernels.py",
    "networks/polynomial_fit_*.py",
    "systems/jet_program.py",
    "sets/rounding.py",
    "sets/elementary.py",
)
"""Files with kernels, and with constants that kernels take in (a test compares)."""


def compiled(function: F) -> F:
    """`function` as machine code, compiled when it is first called on a kind of arguments; never with fast-math."""
    from numba import config, njit

    folder = _folder()
    if folder is None:
        result: F = njit(function)
        return result
    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder)
    try:
        result = njit(cache=True)(function)
    finally:
        config.CACHE_DIR = before
    return result


@lru_cache(maxsize=1)
def _folder() -> Path | None:
    """Where compiled kernels of these sources belong: where NUMBA_CACHE_DIR says, in the package or in the
    user's cache; None if no place can be written to, and they are compiled in every run.
    """
    digest = hashlib.sha256()
    for file in sorted({file for pattern in SOURCES for file in PACKAGE.glob(pattern)}):
        digest.update(file.read_bytes())
    name = f"nnctrl-kernels-{digest.hexdigest()[:16]}"
    given = os.environ.get("NUMBA_CACHE_DIR")
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    places = [Path(given)] if given else [PACKAGE / "__pycache__", user]
    for place in places:
        try:
            (place / name).mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(place / name, os.W_OK):
            return place / name
    return None
