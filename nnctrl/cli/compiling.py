"""The compilation of kernels, which a user should not take for slow verification: it happens once per installation."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

PATIENCE_S = 1.0
"""Compilation that takes less than that is not worth a word."""

MESSAGE = "compiling the kernels; this happens once"


@contextmanager
def compiling_told(tell: Callable[[str], None]) -> Iterator[None]:
    """Calls `tell` once if kernels are compiled for longer than `PATIENCE_S` while the block runs; kernels that come
    from the cache say nothing.
    """
    from numba.core import event

    spent, depth, started, told = 0.0, 0, 0.0, False

    class Listener(event.Listener):
        """Adds up the time; compilations contain those of the kernels that they call."""

        def on_start(self, event: Any) -> None:
            nonlocal depth, started, told
            now = time.monotonic()
            if depth == 0:
                started = now
            depth += 1
            if not told and spent + now - started >= PATIENCE_S:
                told = True
                tell(MESSAGE)

        def on_end(self, event: Any) -> None:
            nonlocal depth, spent
            depth -= 1
            if depth == 0:
                spent += time.monotonic() - started

    with event.install_listener("numba:compile", Listener()):
        yield
