"""`edaphon cal`: calibrations and checks, from their points to values that rest on them."""

import typer

from edaphon.commands.cal.add import add
from edaphon.commands.cal.apply import preview, put_in_force, revoke
from edaphon.commands.cal.fit import fit
from edaphon.commands.cal.show import listed, show

__all__ = ["cal"]

cal = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Make, show, apply and revoke calibrations and field checks.",
)
cal.command("fit")(fit)
cal.command("add")(add)
cal.command("list")(listed)
cal.command("show")(show)
cal.command("revoke")(revoke)
cal.command("preview")(preview)
cal.command("apply")(put_in_force)
