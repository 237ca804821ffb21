"""The program `nnctrl`: finds the command, runs it, and turns every way in which it can end into an exit status.

Commands are imported when they are called or described, and import what they need when they run, so that `--help` and
`list` answer at once.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from importlib import import_module
from pathlib import Path
from types import FrameType

import click

from nnctrl.cli.status import ExitStatus
from nnctrl.errors import NnctrlError, UnknownNameError

DEBUG_VARIABLE = "NNCTRL_DEBUG"

COMMANDS = {
    "list": "nnctrl.cli.listing",
    "show": "nnctrl.cli.show",
    "verify": "nnctrl.cli.verify",
    "reach": "nnctrl.cli.reach",
    "falsify": "nnctrl.cli.falsify",
    "simulate": "nnctrl.cli.simulate",
    "train": "nnctrl.cli.train",
}


class LazyGroup(click.Group):
    """A group whose commands are modules with a `command`, imported on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which people need them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        """The command called `cmd_name`, imported now."""
        if cmd_name not in COMMANDS:
            raise UnknownNameError.among("command", cmd_name, COMMANDS)
        command: click.Command = import_module(COMMANDS[cmd_name]).command
        return command


@click.group(
    cls=LazyGroup,
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(package_name="nnctrl", message="nnctrl %(version)s")
def program() -> None:
    """Verify, falsify and train neural-network controllers in closed loop.

    Exit status: 0 verified or done, 10 falsified, 20 unknown, 2 bad input, 4 --expect unmet, 70 internal error,
    130 interrupted.
    """


def run(arguments: list[str]) -> ExitStatus:
    """Run one command line and return its exit status; at most two sentences on stderr when something is wrong."""
    status = _run_command(arguments)
    try:
        sys.stdout.flush()
    except OSError as error:
        # what is left in the buffer goes nowhere, else the interpreter would try again when it exits
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno == errno.EPIPE:
            return ExitStatus.INTERRUPTED
        return _say(f"the output cannot be written: {error.strerror}", ExitStatus.INTERNAL_ERROR)
    return status


def _run_command(arguments: list[str]) -> ExitStatus:
    try:
        return ExitStatus(program.main(args=arguments, prog_name="nnctrl", standalone_mode=False))
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx is not None else "nnctrl"
        return _say(f"{error.format_message().rstrip('.?')}; see {command} --help", ExitStatus.BAD_INPUT)
    except (click.ClickException, NnctrlError) as error:
        return _say(str(error), ExitStatus.BAD_INPUT)
    except (click.Abort, KeyboardInterrupt):
        return _say("interrupted", ExitStatus.INTERRUPTED)
    except SystemExit:
        # click and rich leave this way when whoever reads the output has gone: the verdict did not arrive, so no status
        # that could be taken for one may be returned
        return ExitStatus.INTERRUPTED
    except Exception as error:  # noqa: BLE001  what is left is a fault of the program, and status 70 says so
        return _say(_internal(error), ExitStatus.INTERNAL_ERROR)


def _say(message: str, status: ExitStatus) -> ExitStatus:
    """Print an error in one line and hand the status on; the traceback too if the user asked for it."""
    if os.environ.get(DEBUG_VARIABLE, "") not in ("", "0"):
        traceback.print_exc()
    click.echo(f"nnctrl: {' '.join(message.split())}", err=True)
    return status


def _internal(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return (
        f"internal error{place}: {what}. This is a fault of nnctrl or of a plug-in, not of your input; "
        f"{DEBUG_VARIABLE}=1 shows where it happened."
    )


def _on_terminate(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """The entry point of the installed program."""
    # a terminated run cleans up as an interrupted one does
    signal.signal(signal.SIGTERM, _on_terminate)
    sys.exit(run(sys.argv[1:]))
