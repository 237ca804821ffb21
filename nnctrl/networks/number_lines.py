"""Text files of numbers, line by line: what every reader of such a format needs, with the line in every error."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nnctrl._typing import FloatArray
from nnctrl.errors import NetworkFileError
from nnctrl.networks.files import read_network_file


class NumberLines:
    """The lines of a network file, taken one after another.

    Numbers are decimals, rounded to the nearest double, separated by commas; a comma at the end of a line is ignored.
    Every fault is a NetworkFileError that names the file and the line. Empty lines are allowed at the end only.
    """

    def __init__(self, path: Path) -> None:
        content, self.origin = read_network_file(path)
        self.file = path.name
        try:
            self.lines = content.decode("utf-8").rstrip().splitlines()
        except UnicodeDecodeError as error:
            raise NetworkFileError(f"'{self.file}' is no text ({error.reason}); give a text file") from error
        self.position = 0

    def fault(self, reason: str) -> NetworkFileError:
        """The error for the line that was taken last."""
        return NetworkFileError(f"'{self.file}', line {self.position}: {reason}")

    def peek(self) -> str:
        """The next line, "" at the end."""
        return self.lines[self.position].strip() if self.position < len(self.lines) else ""

    def take(self, what: str) -> str:
        """The next line, which should hold `what`."""
        if self.position == len(self.lines):
            raise NetworkFileError(
                f"'{self.file}' ends after line {self.position}, where {what} should follow; the file is truncated or "
                "its sizes are wrong"
            )
        self.position += 1
        return self.lines[self.position - 1].strip()

    def numbers(self, what: str, count: int) -> FloatArray:
        """The `count` finite numbers of the next line."""
        fields = self._fields(what)
        if len(fields) != count:
            raise self.fault(f"{what} should be {count} numbers, but there are {len(fields)}")
        values = np.array([self._number(what, field) for field in fields], dtype=np.float64)
        if not np.isfinite(values).all():
            raise self.fault(f"{what} should be finite, but holds nan, inf or a number too large for a double")
        return values

    def column(self, what: str, count: int) -> FloatArray:
        """The numbers of the next `count` lines, one on each."""
        return np.concatenate([np.zeros(0), *(self.numbers(what, 1) for _ in range(count))])

    def whole(self, what: str, count: int | None = None, least: int = 1) -> list[int]:
        """The whole numbers >= `least` of the next line: `count` of them, if it is given."""
        fields = self._fields(what)
        if count is not None and len(fields) != count:
            raise self.fault(f"{what} should be {count} whole numbers, but there are {len(fields)}")
        # a length limit, since longer digit strings are refused by int() with another error
        if not all(field.isascii() and field.isdigit() and len(field) < 10 and int(field) >= least for field in fields):
            raise self.fault(f"{what} should be whole numbers from {least} on, but the line is {self._shown()}")
        return [int(field) for field in fields]

    def end(self) -> None:
        """NetworkFileError unless every line has been taken."""
        left = len(self.lines) - self.position
        if left:
            self.position += 1
            raise self.fault(f"the network is complete but {left} more lines follow; the sizes in the file are wrong")

    def _fields(self, what: str) -> list[str]:
        fields = [field.strip() for field in self.take(what).split(",")]
        return fields[:-1] if len(fields) > 1 and not fields[-1] else fields

    def _number(self, what: str, field: str) -> float:
        try:
            if "_" in field:
                raise ValueError  # Python reads 1_0 as 10, and nobody writes that into such a file
            return float(field)
        except ValueError:
            raise self.fault(f"{what} should be numbers, but the line is {self._shown()}") from None

    def _shown(self) -> str:
        line = self.lines[self.position - 1].strip()
        return repr(line if len(line) <= 40 else line[:37] + "...")
