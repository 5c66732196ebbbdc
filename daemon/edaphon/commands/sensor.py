"""`edaphon sensor address`: a new SDI-12 address for a probe, with everything checked around it."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from edaphon.acquire.line_tools import SDI12_KINDS, sdi12_address
from edaphon.config import Configuration
from edaphon.people import account_name
from edaphon.printer import answer_to, show_line
from edaphon.service.line_tools import opened_line_tools
from edaphon.storage.access import fail, open_storage
from edaphon.storage.client import DaemonRefuses

__all__ = ["Action", "sensor"]

USAGE = 2


class Action(StrEnum):
    """What can be done to a sensor."""

    ADDRESS = "address"


def sensor(
    action: Annotated[Action, typer.Argument(help="address: give a probe another address")],
    bus: Annotated[str, typer.Argument(help="name of an SDI-12 bus")],
    old: Annotated[str, typer.Argument(help="the address it has")],
    new: Annotated[str, typer.Argument(help="the address it gets")],
    yes: Annotated[bool, typer.Option("--yes", help="do not ask before it is changed")] = False,
    who: Annotated[str, typer.Option(help="who does it; your login if not given")] = "",
    file: Annotated[Path | None, typer.Option("--config", help="edaphon.toml")] = None,
) -> None:
    """Change the address of an SDI-12 probe: it must tell an identity, the new one must be free."""
    storage = open_storage(file)
    _check(storage.config, bus, old, new)
    with opened_line_tools(storage) as ask:
        try:
            _look(ask, bus, old, new)
            if not yes:
                _confirm(bus, old, new)
            changed = ask("readdress", bus=bus, old=old, new=new, who=who or account_name())
        except DaemonRefuses as refusal:
            raise fail(str(refusal)) from None
    show_line(f"{bus}/{new} answers now: {changed['text']}")
    if changed["change"]:
        show_line("now change, and `edaphon check`:")
        for words in changed["change"]:
            show_line(f"  {words}")


def _check(config: Configuration, bus: str, old: str, new: str) -> None:
    """What is wrong before anybody is asked."""
    table = config.buses.get(bus)
    if table is None or table.kind not in SDI12_KINDS:
        known = ", ".join(n for n, b in config.buses.items() if b.kind in SDI12_KINDS) or "none"
        raise fail(f"expected an SDI-12 bus ({known}), got {bus!r}", USAGE)
    if not sdi12_address(old) or not sdi12_address(new) or old == new:
        words = "two different addresses, each one of 0-9, a-z, A-Z"
        raise fail(f"expected {words}; got {old!r} and {new!r}", USAGE)
    for source in config.sources:
        if getattr(source, "bus", "") == bus and getattr(source, "address", "") == new:
            raise fail(f"{source.path} is a source of the configuration; choose another address")


def _look(ask: Any, bus: str, old: str, new: str) -> None:
    """Tells who is there; ends where nobody is, or somebody at the new address."""
    rows = ask("probe", bus=bus, addresses=[old, new])["rows"]
    there = [row for row in rows if row["address"] == old and row["state"] == "answers"]
    taken = [row for row in rows if row["address"] == new and row["state"] != "silent"]
    if not there:
        stated = next((row["words"] or row["state"] for row in rows if row["address"] == old), "")
        raise fail(f"expected a probe at {bus}/{old}, got: {stated}")
    if there[0]["identity"] is None:
        raise fail(f"expected an identity from {bus}/{old}, it tells none")
    if taken:
        raise fail(f"somebody answers at {bus}/{new} already; choose a free address")
    stated = " ".join(
        filter(None, (there[0]["identity"][k] for k in ("vendor", "model", "serial")))
    )
    show_line(f"{bus}/{old} is {stated}; {bus}/{new} is free")


def _confirm(bus: str, old: str, new: str) -> None:
    try:
        typed = answer_to(f"type the new address ({new}) to change {bus}/{old}: ")
    except EOFError:
        typed = ""
    if typed.strip() != new:
        raise fail(f"expected {new!r}, got {typed.strip()!r}: nothing was changed")
