"""Following parts of an initial set in several processes.

Parts are independent of each other, so a proof by parts is a pool of tasks. Workers are forked, so that they own the
compiled problem without sending it anywhere (expressions in it are Python functions); where forking is not possible
there are none, and the parts are followed one by one.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing.synchronize import Event

from nnctrl._typing import FloatArray
from nnctrl.branching.meter import BudgetSpentError, Meter
from nnctrl.verification.polynomial.parts import Judgement, PartJudge

Part = tuple[FloatArray, FloatArray]

AHEAD = 2
"""Parts given to each worker at a time, so that none waits for the next."""

_judge: PartJudge | None = None
"""What the workers of this process follow parts with: set before they are forked."""

_given_up: Event | None = None
"""Whether nobody waits for the workers' results any more; set before they are forked."""


def can_fork() -> bool:
    """Whether workers can be forked here."""
    return "fork" in multiprocessing.get_all_start_methods()


class PartWorkers:
    """A pool that follows parts with one judge; results come as they are ready."""

    def __init__(self, executor: ProcessPoolExecutor, jobs: int) -> None:
        self._executor, self._jobs = executor, jobs
        self._pending: dict[Future[Judgement], Part] = {}

    @property
    def pending(self) -> list[Part]:
        """Parts that are being followed."""
        return list(self._pending.values())

    def has_room(self) -> bool:
        """Whether another part should be given now."""
        return len(self._pending) < AHEAD * self._jobs

    def give(self, part: Part) -> None:
        """Have a part followed."""
        self._pending[self._executor.submit(_follow, *part)] = part

    def results(self) -> Iterator[tuple[Part, Judgement]]:
        """Wait for at least one part; raises BudgetSpentError if one ran out of time, which leaves it pending."""
        done, _ = wait(self._pending, return_when=FIRST_COMPLETED)
        for future in done:
            found = future.result()
            yield self._pending.pop(future), found


class _WorkersMeter(Meter):
    """The meter of a worker, that also looks whether its work is still wanted."""

    def require(self) -> None:
        """See `Meter.require`."""
        if _given_up is not None and _given_up.is_set():
            raise BudgetSpentError("time-budget")
        super().require()


def _begin() -> None:
    """What a worker does first."""
    # an interrupt is for the process that began the work
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if _judge is not None:
        _judge.meter = _WorkersMeter(**vars(_judge.meter))


def _follow(lower: FloatArray, upper: FloatArray) -> Judgement:
    if _judge is None:
        raise RuntimeError("a worker has no judge")
    return _judge.judge(lower, upper)


@contextmanager
def part_workers(judge: PartJudge, jobs: int) -> Iterator[PartWorkers]:
    """Workers for the time of a context; at its end whatever is not finished is given up, at its next segment."""
    # forked workers inherit the state of modules, and nothing else without sending it
    global _judge, _given_up
    fork = multiprocessing.get_context("fork")
    _judge, _given_up = judge, fork.Event()
    executor = ProcessPoolExecutor(jobs, mp_context=fork, initializer=_begin)
    try:
        yield PartWorkers(executor, jobs)
    finally:
        _given_up.set()
        executor.shutdown(wait=True, cancel_futures=True)
        _judge = _given_up = None
