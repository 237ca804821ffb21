"""How long work reports where it is, without knowing who listens."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """What engines call now and then; once per batch, or per step, is often enough."""

    def update(self, message: str, done: float | None = None, total: float | None = None) -> None:
        """Say what is being done and, where it is known, how much of how much."""


class SilentProgress:
    """Listens to nothing: the default of every function that takes a `progress`."""

    def update(self, message: str, done: float | None = None, total: float | None = None) -> None:
        """Do nothing."""
