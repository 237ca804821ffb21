"""The meter that watches what a run may spend while work goes on."""

from __future__ import annotations

import math
import os
import resource
import sys
import time
from dataclasses import dataclass, field
from typing import Literal

Exhausted = Literal["node-budget", "time-budget", "memory-budget"]


class BudgetSpentError(Exception):
    """Work that cannot be left half done ran out of its budget; whoever began it says UNKNOWN with `reason`."""

    def __init__(self, reason: Exhausted) -> None:
        super().__init__(reason)
        self.reason = reason


def peak_memory_bytes() -> int:
    """Peak resident memory of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def available_processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_seconds() -> float:
    """CPU time of this process and of those that it has started and that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


@dataclass
class Meter:
    """Counts bound evaluations of pairs (box, direction), or parts of the initial set that are followed, and compares
    time, memory and nodes with what is allowed; `jobs` processes may be used.
    """

    seconds: float = math.inf
    memory_bytes: float = math.inf
    allowed_nodes: float = math.inf
    jobs: int = 1
    nodes: int = 0
    started: float = field(default_factory=time.monotonic)

    def share(self, part: float) -> Meter:
        """A meter of its own, started now, that may spend `part` of the seconds and all of the memory."""
        return Meter(seconds=part * self.seconds, memory_bytes=self.memory_bytes, jobs=self.jobs)

    def elapsed(self) -> float:
        """Seconds since the meter was made."""
        return time.monotonic() - self.started

    def exhausted(self) -> Exhausted | None:
        """Which part of the budget is used up, or None."""
        if self.nodes >= self.allowed_nodes:
            return "node-budget"
        if self.elapsed() >= self.seconds:
            return "time-budget"
        if peak_memory_bytes() >= self.memory_bytes:
            return "memory-budget"
        return None

    def require(self) -> None:
        """Raise BudgetSpentError if time or memory are used up: for the inside of long pieces of work."""
        spent = self.exhausted()
        if spent in ("time-budget", "memory-budget"):
            raise BudgetSpentError(spent)
