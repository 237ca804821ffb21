"""The streams of the process: there even when the caller closed them, and free of what libraries have to say."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from nnctrl.errors import InputError

CASADI_LINE = "CasADi - "
"""Begins the warnings of CasADi, which are about functions that a solver tried out and not about the user's input."""


class Stdout:
    """A text stream whose faults are faults of the place where the user sends the output (InputError).

    That a reader has left stays a BrokenPipeError, which click and rich know how to treat.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write."""
        with self._faults_named():
            return self._stream.write(text)

    def flush(self) -> None:
        """Flush."""
        with self._faults_named():
            self._stream.flush()

    @contextmanager
    def _faults_named(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            raise InputError(f"the output cannot be written: {error.strerror}; send it elsewhere") from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Stderr:
    """A text stream that drops the lines of CasADi's log and passes everything else on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._dropping = False

    def write(self, text: str) -> int:
        """Write all lines but CasADi's; a line may arrive in pieces."""
        *lines, rest = text.split("\n")
        for part in (*(f"{line}\n" for line in lines), rest):
            self._dropping = self._dropping or part.startswith(CASADI_LINE)
            if not self._dropping:
                self._stream.write(part)
            if part.endswith("\n"):
                self._dropping = False
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def prepare_streams(debug: bool) -> None:
    """Make stdout and stderr usable whatever the caller did to them, and silence libraries unless in `debug`."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # opened in this order they take the descriptors 0, 1 and 2, else the next file to be opened would be the
            # output of everything that a library prints
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115  open as long as the process runs
    if isinstance(sys.stdout, io.TextIOWrapper):
        # a file name may hold what the terminal cannot show
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.stdout = Stdout(sys.stdout)
    if debug:
        return
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
        # what a problem file warns of is meant for its user
        warnings.filterwarnings("default", module="nnctrl_problem_file_")
    sys.stderr = Stderr(sys.stderr)


def discard(stream: TextIO) -> None:
    """Throw away what a stream that cannot be written still holds: the interpreter would try again when it exits, and
    choose another exit status.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
