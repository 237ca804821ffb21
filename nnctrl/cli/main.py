"""The program `nnctrl`: finds the command, runs it, and turns every way in which it can end into an exit status.

Commands are imported when they are called or described, and import what they need when they run, so that `--help` and
`list` answer at once.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from importlib import import_module
from pathlib import Path
from types import FrameType

import click

from nnctrl.cli.console import stderr_line
from nnctrl.cli.status import ExitStatus
from nnctrl.cli.streams import discard, prepare_streams
from nnctrl.errors import InputError, NnctrlError, UnknownNameError, describe_error, message_of, ran_out_of_memory
from nnctrl.threads import prefer_one_thread

DEBUG_VARIABLE = "NNCTRL_DEBUG"

NO_MEMORY = "the machine has not enough memory for this; ask for fewer samples, fewer steps or a smaller network"

COMMANDS = {
    "list": "nnctrl.cli.listing",
    "show": "nnctrl.cli.show",
    "verify": "nnctrl.cli.verify",
    "reach": "nnctrl.cli.reach",
    "falsify": "nnctrl.cli.falsify",
    "simulate": "nnctrl.cli.simulate",
    "train": "nnctrl.cli.train",
    "synthesize": "nnctrl.cli.synthesize",
    "bench": "nnctrl.cli.bench",
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
    """Verify, falsify, train and synthesise neural-network controllers in closed loop.

    Exit status: 0 verified or done, 10 falsified, 20 unknown, 2 bad input, 4 an expectation unmet, 70 internal error,
    130 interrupted.
    """


def run(arguments: list[str]) -> ExitStatus:
    """Run one command line and return its exit status; at most two sentences on stderr when something is wrong."""
    status, problem = _run_command(arguments)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # the verdict did not arrive, so no status that could be taken for one may be returned
        discard(sys.stdout)
        return ExitStatus.INTERRUPTED
    except InputError as error:
        discard(sys.stdout)
        status, problem = ExitStatus.BAD_INPUT, str(error)
    if problem is not None:
        stderr_line(problem)
    return status


def _run_command(arguments: list[str]) -> tuple[ExitStatus, str | None]:
    """The exit status of a command line, and what is wrong if something is."""
    try:
        return ExitStatus(program.main(args=arguments, prog_name="nnctrl", standalone_mode=False)), None
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx is not None else "nnctrl"
        return ExitStatus.BAD_INPUT, f"{error.format_message().rstrip('.?')}; see {command} --help"
    except (click.ClickException, NnctrlError) as error:
        _show_traceback()
        return ExitStatus.BAD_INPUT, message_of(error)
    except (click.Abort, KeyboardInterrupt):
        return ExitStatus.INTERRUPTED, "interrupted"
    except SystemExit:
        # click and rich leave this way when whoever reads the output has gone: the verdict did not arrive, so no status
        # that could be taken for one may be returned
        return ExitStatus.INTERRUPTED, None
    except BaseException as error:  # noqa: BLE001  what is left is a fault of the program, and status 70 says so
        _show_traceback()
        if ran_out_of_memory(error):
            return ExitStatus.BAD_INPUT, NO_MEMORY
        return ExitStatus.INTERNAL_ERROR, _internal(error)


def _debugging() -> bool:
    return os.environ.get(DEBUG_VARIABLE, "") not in ("", "0")


def _show_traceback() -> None:
    """Print where the error comes from if the user asked for it."""
    if _debugging():
        traceback.print_exc()


def _internal(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return (
        f"internal error{place}: {describe_error(error)}. This is a fault of nnctrl or of a plug-in, not of your "
        f"input; {DEBUG_VARIABLE}=1 shows where it happened."
    )


def _on_terminate(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """The entry point of the installed program."""
    # a terminated run cleans up as an interrupted one does
    signal.signal(signal.SIGTERM, _on_terminate)
    prefer_one_thread()
    prepare_streams(debug=_debugging())
    sys.exit(run(sys.argv[1:]))
