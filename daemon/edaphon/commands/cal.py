"""`edaphon cal`: calibrations and checks, from their points to values that rest on them."""

import typer

from edaphon.commands.cal_fit import fit

__all__ = ["cal"]

cal = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Calibrations, and checks in the field: made, looked at, put in force, taken back.",
)
for _name, _command in {"fit": fit}.items():
    cal.command(_name)(_command)
