"""Terminal output: results on stdout, progress on stderr and only where somebody is looking."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nnctrl.cli.compiling import compiling_told
from nnctrl.cli.streams import discard
from nnctrl.progress import Progress, SilentProgress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

PIPE_WIDTH = 120
"""Columns of tables when stdout is no terminal."""


def stdout_console() -> Console:
    """A console on stdout that interprets nothing in what it prints."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else PIPE_WIDTH
    return Console(file=sys.stdout, width=width, markup=False, highlight=False, emoji=False)


def stderr_line(message: str) -> None:
    """One line on stderr, marked as nnctrl's; where stderr cannot be written there is nobody to tell."""
    try:
        print(f"nnctrl: {' '.join(message.split())}", file=sys.stderr, flush=True)
    except OSError:
        discard(sys.stderr)


class TerminalProgress:
    """Shows the last message with a bar."""

    def __init__(self, bar: Bar, task: TaskID) -> None:
        self._bar, self._task = bar, task

    def update(self, message: str, done: float | None = None, total: float | None = None) -> None:
        """Replace what is shown; without `total` the bar only pulses."""
        self._bar.update(self._task, description=message, completed=done or 0.0, total=total)


@contextmanager
def progress_shown(quiet: bool) -> Iterator[Progress]:
    """A progress that is visible while the block runs, on a terminal and unless `quiet`; otherwise a silent one. Unless
    `quiet`, who waits for kernels to be compiled is told so on stderr, terminal or not.
    """
    if quiet:
        yield SilentProgress()
        return
    with compiling_told(stderr_line):
        if not sys.stderr.isatty():
            yield SilentProgress()
            return
        from rich.console import Console
        from rich.markup import escape
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        columns = (
            SpinnerColumn(),
            BarColumn(bar_width=30),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
        )
        with Bar(*columns, console=Console(file=sys.stderr), transient=True) as bar:
            yield TerminalProgress(bar, bar.add_task(escape("starting"), total=None))
