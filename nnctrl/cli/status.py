"""The exit statuses of the command line: the table is a contract with the scripts that call it, and it is complete."""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """What the process returns."""

    DONE = 0
    """Verified, or everything done that was asked."""
    BAD_INPUT = 2
    REFUSED = 4
    """An expectation (--expect, or one of a suite) that the result contradicts."""
    FALSIFIED = 10
    """Only with a proved counterexample."""
    UNKNOWN = 20
    INTERNAL_ERROR = 70
    INTERRUPTED = 130
