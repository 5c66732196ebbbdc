"""`edaphon cal`: calibrations and checks, from their points to values that rest on them."""

import typer

from edaphon.commands.cal_add import add
from edaphon.commands.cal_apply import put_in_force
from edaphon.commands.cal_fit import fit
from edaphon.commands.cal_list import listed
from edaphon.commands.cal_preview import preview
from edaphon.commands.cal_revoke import revoke
from edaphon.commands.cal_show import show

__all__ = ["cal"]

cal = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Calibrations, and checks in the field: made, looked at, put in force, taken back.",
)
cal.command("fit")(fit)
cal.command("add")(add)
cal.command("list")(listed)
cal.command("show")(show)
cal.command("revoke")(revoke)
cal.command("preview")(preview)
cal.command("apply")(put_in_force)
