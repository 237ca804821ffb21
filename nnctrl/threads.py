"""How many threads matrices are multiplied with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Where the libraries below NumPy look, once, when they are loaded."""


def prefer_one_thread() -> None:
    """Ask the libraries below NumPy, before they are loaded, for one thread; what the user has set stays.

    The matrices of closed loops are so small that a second thread only waits: the 12-state quadrotor of the ARCH suite
    took 2.0 s of CPU with two threads and 0.7 s with one.
    """
    for name in THREAD_VARIABLES:
        os.environ.setdefault(name, "1")


@contextmanager
def single_threaded() -> Iterator[None]:
    """Torch on one thread, as a context or a decorator.

    Sums are then taken in one order, so that the same seed gives the same weights bit by bit on one machine. For the
    small matrices of closed loops it is faster too: two threads took a quarter longer (2.1 s against 1.6 s wall, and
    4.1 s against 1.6 s of CPU, for the reachable sets of a 6-32-32-3 loop over ten steps).
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
