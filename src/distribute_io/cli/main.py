"""The entry point of `dio`: which commands there are, and how each way of ending becomes an exit code.

Rules:

1. A command's module is imported when the command is called, and no other; `dio --help` imports none of them.
2. Exit codes: 0 done, 1 failed, 2 usage, 3 verification failed, 130 interrupted.
3. An error is one line on stderr: what happened, the next step, and the stable code. Never a traceback, unless
   `DIO_TRACEBACK=1` asks for it. stdout is for results only.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from distribute_io import __version__
from distribute_io.errors import DistributeError

COMMANDS: Final[dict[str, str]] = {
    "serve": "Publish the files under a folder and serve everything: mirror, coordinator, pages.",
    "publish": "Make and sign the manifests of files.",
    "unpublish": "Take files down; whoever holds them erases them within a minute.",
    "mirror": "Add, remove and list the mirrors of a file.",
    "cause": "Create, list and edit what donors give to.",
    "token": "Create, list and revoke the tokens of publishers.",
    "get": "Download files, verified, from mirrors and donors at once.",
    "donate": "Give storage and bandwidth to causes, without a browser.",
    "keygen": "Make a publisher's signing key.",
    "doctor": "Is a mirror, or a coordinator, usable from a page? With the fix in words.",
    "verify": "Check a file against its manifest, offline.",
    "inspect": "What a coordinator knows of donors, and why it decided so.",
    "simulate": "What would donors like these save? Swarms in virtual time.",
    "demo": "Everything on this machine: a coordinator, mirrors, donors and a download that shows its sources.",
}
"""Every command, in the order of the help, with its line there. The module has the command's name."""

EXIT_DONE: Final = 0
EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_VERIFICATION_FAILED: Final = 3
EXIT_INTERRUPTED: Final = 130

_EXIT_CODES: Final[dict[str, int]] = {"usage": EXIT_USAGE, "integrity": EXIT_VERIFICATION_FAILED}
"""Exit code by family of the error; a family that is not here is `EXIT_FAILED`."""


_OPTIONS_OF_A_PROGRAM: Final = frozenset({"install_completion", "show_completion"})


class LazyGroup(TyperGroup):
    """Knows all commands by name and line, and loads the one that is called."""

    def __init__(self, **attributes: Any) -> None:  # Any: typer's own settings, passed through
        super().__init__(**attributes)
        self.commands = {name: TyperCommand(name, help=line) for name, line in COMMANDS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # Any: typer keeps its context's type private
        """Replaces the stand-in, which is enough for the help, by the real command."""
        name, _stand_in, rest = super().resolve_command(ctx, args)
        return name, None if name is None else load_command(name), rest


def load_command(name: str) -> Any:  # Any: typer keeps its command's type private
    """Imports the module of one command and returns what typer made of it."""
    command = typer.main.get_command(importlib.import_module(f"distribute_io.cli.{name}").app)
    command.name = name
    # Each module's app is one of typer's own programs, with options of a program; completion is that of `dio` alone.
    command.params = [option for option in command.params if option.name not in _OPTIONS_OF_A_PROGRAM]
    return command


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dio {__version__}")
        raise typer.Exit


@app.callback()
def dio(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Verified downloads from mirrors and from people who donate bandwidth.

    `dio demo` shows all of it on this machine.

    Exit codes: 0 done, 1 failed, 2 usage, 3 verification failed, 130 interrupted.
    """


def main(argv: Sequence[str] | None = None, *, begun: object = None) -> int:
    """Runs one command and returns its exit code.

    Args:
        argv: the words after `dio`; None takes those of the process.
        begun: what `start.py` began for the command already, which finds it as `typer.Context.obj`.
    """
    try:
        # Not standalone: typer's own way to tell a usage error takes six lines, and has no code.
        code = typer.main.get_command(app).main(args=argv, prog_name="dio", obj=begun, standalone_mode=False)
    except SystemExit as ending:  # typer's own: stdout was closed
        return ending.code if isinstance(ending.code, int) else EXIT_FAILED
    except (KeyboardInterrupt, typer.Abort):
        return EXIT_INTERRUPTED
    except typer.TyperException as error:
        return _report_usage(error, (sys.argv[1:] if argv is None else argv)[:1])
    except Exception as error:  # noqa: BLE001 - the outermost edge: whatever it is, the user gets one line
        return _report(error)
    return code if isinstance(code, int) else EXIT_DONE  # of `typer.Exit`; commands return nothing


_PLAIN_WORDS: Final = {
    "is not a valid int range": "is not a whole number",
    "is not a valid int": "is not a whole number",
    "is not a valid float": "is not a number",
}


def _report_usage(error: typer.TyperException, first: Sequence[str]) -> int:
    """Prints the one line for words that typer could not parse; a group called without any has printed its help.

    Args:
        first: the first word after `dio`, if there is one: not every error of typer's knows its command.
    """
    what = " ".join(error.format_message().split())
    for theirs, plain in _PLAIN_WORDS.items():
        what = what.replace(theirs, plain)
    if what:
        context = getattr(error, "ctx", None)
        command = " ".join(["dio", *(name for name in first if name in COMMANDS)])
        command = context.command_path if context is not None else command
        end = " " if what.endswith("?") else "; "
        typer.echo(f"dio: {what.rstrip('.')}{end}`{command} --help` shows how it is used [bad_argument]", err=True)
    return error.exit_code


def _report(error: Exception) -> int:
    """Prints the one line for an error and returns its exit code."""
    if os.environ.get("DIO_TRACEBACK"):
        traceback.print_exception(error)
    ours = sorted(_leaves(error), key=lambda leaf: leaf.family != "integrity")
    if ours:
        first = ours[0]
        if first.code == "cancelled":
            return EXIT_INTERRUPTED
        typer.echo(f"dio: {first.message} [{first.code}]", err=True)
        return _EXIT_CODES.get(first.family, EXIT_FAILED)
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        typer.echo(f"dio: {error.strerror}{where}", err=True)
    else:
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        typer.echo(f"dio: an error of dio itself: {what}; with DIO_TRACEBACK=1 it says where", err=True)
    return EXIT_FAILED


def _leaves(error: BaseException) -> Iterator[DistributeError]:
    """The errors of our tree in it, also those that came out of a task group."""
    if isinstance(error, DistributeError):
        yield error
    elif isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)


if __name__ == "__main__":
    sys.exit(main())
