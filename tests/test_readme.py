"""The README: its Python example runs, and its tables are those of the program."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

from nnctrl.cli.main import COMMANDS
from nnctrl.cli.status import ExitStatus

LINES_OF_EXAMPLE = 15

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_the_python_example_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len([line for line in example.splitlines() if line.strip()]) <= LINES_OF_EXAMPLE
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(example, "README.md", "exec"), {"__name__": "example"})
    verdict, margin = printed.getvalue().split()
    assert verdict == "VERIFIED"
    assert float(margin) > 0.0


def test_every_command_is_listed() -> None:
    assert re.findall(r"^\| `nnctrl (\w+)", README, re.MULTILINE) == list(COMMANDS)


def test_every_exit_status_is_listed() -> None:
    listed = [int(status) for status in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)]
    assert sorted(listed) == sorted(status.value for status in ExitStatus)


def test_the_two_commands_come_first() -> None:
    first = README.splitlines()[2:4]
    assert [line.split("#")[0].strip() for line in first] == ["make demo", "make test"]
