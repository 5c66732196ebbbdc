"""`edaphon cal`: calibrations and checks, from their points to values that rest on them."""

from collections.abc import Sequence
from importlib import import_module

import typer

# In the order of the help: the module of each command and the function in it.
COMMANDS = {
    "fit": ("fit", "fit"),
    "add": ("add", "add"),
    "list": ("show", "listed"),
    "show": ("show", "show"),
    "revoke": ("apply", "revoke"),
    "preview": ("apply", "preview"),
    "apply": ("apply", "put_in_force"),
}


def cal(words: Sequence[str] = ()) -> typer.Typer:
    """The group; with the command alone that the words begin with, so that no other is imported."""
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode=None,
        help="Make, show, apply and revoke calibrations and field checks.",
    )
    for name in words[:1] if words and words[0] in COMMANDS else COMMANDS:
        module, function = COMMANDS[name]
        own = import_module(f"edaphon.commands.cal.{module}")
        group.command(name)(vars(own)[function])
    return group
