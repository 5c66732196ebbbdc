"""The command line; a command's module is imported when the command is called."""

import importlib
import sqlite3
import sys
from collections.abc import Sequence
from keyword import iskeyword
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from edaphon import __version__
from edaphon.commands.options import CONFIGURATION, PROBLEM, TRY_AGAIN, USAGE
from edaphon.errors import EdaphonError, FolderUnknown, StaleError, TimeError
from edaphon.printer import guard, show_error, show_error_text, show_line

__all__ = ["COMMANDS", "main", "take_in"]

# In the order of the help: the module of each command. Its function, or group, has the name of the
# command; a name that Python keeps for itself has an underscore behind it there.
COMMANDS = {
    "init": "check", "check": "check", "apply": "apply", "run": "run", "web": "web",
    "status": "status", "alert": "alert", "visit": "apply", "read": "line", "scan": "scan",
    "record": "line", "simulate": "simulate", "sensor": "line", "files": "files", "term": "line",
    "decode": "decode", "import": "files", "channels": "query", "query": "query",
    "quality": "query", "explain": "explain", "release": "release", "cal": "cal",
    "recalibrate": "recalibrate", "sink": "verify", "verify": "verify", "rebuild": "recalibrate",
    "salvage": "salvage", "demo": "demo",
}  # fmt: skip
# Of the group `cal`: the module of each command and the function in it.
CAL = {
    "fit": ("cal.fit", "fit"),
    "add": ("cal.add", "add"),
    "list": ("cal.show", "listed"),
    "show": ("cal.show", "show"),
    "revoke": ("cal.preview", "revoke"),
    "preview": ("cal.preview", "preview"),
    "apply": ("apply", "put_in_force"),
}


class _InOrder(TyperGroup):
    """Groups stand among the commands, not behind them."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(self.commands, key=list(COMMANDS).index)


def main(words: Sequence[str] | None = None) -> None:
    """The console script; `words` stand for sys.argv[1:]."""
    guard()
    given = list(sys.argv[1:] if words is None else words)
    if "--version" in given:
        show_line(f"edaphon {__version__}")
        return
    app = typer.Typer(
        cls=_InOrder,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},  # commands inherit them
    )
    app.callback()(_edaphon)
    for name in COMMANDS if given[:1] not in [[c] for c in COMMANDS] else given[:1]:
        take_in(app, name, given[1:])
    try:
        app(args=given, prog_name="edaphon")
    except EdaphonError as error:
        show_error_text(str(error))
        code = _exit_code(error)
        sys.exit(code)
    except OSError as error:  # a folder, a port, a disk: the machine's no, in its own words
        show_error(f"edaphon {given[0]}: {_refusal(error)}")
        sys.exit(PROBLEM)
    except sqlite3.Error as error:
        show_error(f"edaphon {given[0]}: {_database_words(error)}")
        sys.exit(TRY_AGAIN)


def take_in(app: typer.Typer, name: str, words: Sequence[str] = ()) -> None:
    """Import a command, or a group of them, and make it one of the app's; `words` follow it."""
    if name == "cal":
        app.add_typer(_cal(words), name=name)
        return
    module = importlib.import_module(f"edaphon.commands.{COMMANDS[name]}")
    found = vars(module)[f"{name}_" if iskeyword(name) else name]
    if isinstance(found, typer.Typer):
        app.add_typer(found, name=name)
    else:
        app.command(name)(found)


def _cal(words: Sequence[str]) -> typer.Typer:
    """A large group: with the command alone that the words begin with, no other is imported."""
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode=None,
        help="Make, show, apply and revoke calibrations and field checks.",
    )
    for name in words[:1] if words and words[0] in CAL else CAL:
        module, function = CAL[name]
        own = importlib.import_module(f"edaphon.commands.{module}")
        group.command(name)(vars(own)[function])
    return group


def _exit_code(error: EdaphonError) -> int:
    if isinstance(error, StaleError):
        return TRY_AGAIN
    if isinstance(error, TimeError):
        return USAGE
    return CONFIGURATION if isinstance(error, FolderUnknown) else PROBLEM


def _refusal(error: OSError) -> str:
    from edaphon.service.prerequisites import denied

    return denied(Path(error.filename), error) if error.filename else str(error)


def _database_words(error: sqlite3.Error) -> str:
    """The error does not name its file: the folder of the configuration is most likely meant."""
    from edaphon.databases import AT_FAULT, fault_of

    fault = fault_of(error, Path("series.sqlite"))
    act = "; `edaphon rebuild` derives values again from the journal" if fault in AT_FAULT else ""
    return f"the storage folder can't be used: {fault} ({error}){act}"


def _edaphon(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version; with any command.")
    ] = False,
) -> None:
    """Data acquisition for long-term soil monitoring plots."""
