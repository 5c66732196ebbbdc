"""`edaphon sink`: what sinks refuse, and sending to them again."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from edaphon.clock import FAR_NS
from edaphon.commands.query import instant
from edaphon.printer import show_json, show_line
from edaphon.storage.access import fail, open_storage
from edaphon.storage.client import DaemonOff

__all__ = ["sink"]

sink = typer.Typer(
    help="List what sinks refuse; offer it again; send all again.", no_args_is_help=True
)
Config = Annotated[Path | None, typer.Option("--config", help="edaphon.toml")]


@sink.command("list")
def list_(
    json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
    file: Config = None,
) -> None:
    """List the points that are set aside, with the words of the server."""
    found = _ask(file, do="list")["refusals"]
    if json:
        show_json(found)
        return
    for name, rows in sorted(found.items()):
        if not rows:
            show_line(f"{name}: no points set aside")
        for row in rows:
            span = f"{_time(row['first_ns'])} to {_time(row['last_ns'])}"
            show_line(f"{name}: {row['n']} of {row['channel']}, {span}: {row['words']}")


@sink.command()
def retry(
    name: Annotated[str, typer.Argument(help="of the sink; all sinks without")] = "",
    file: Config = None,
) -> None:
    """Offer the points that are set aside again, now; those taken are set aside no more."""
    for each, n in _ask(file, do="retry", name=name)["offered"].items():
        show_line(f"{each}: {n} points are offered again; see `edaphon status`")


@sink.command()
def resend(
    name: Annotated[str, typer.Argument(help="of the sink")],
    since: Annotated[str, typer.Option(help="from this time on, such as 2026-04-01")] = "",
    file: Config = None,
) -> None:
    """Send all values again, for a database that was lost, emptied or replaced."""
    _ask(file, do="resend", name=name, since_ns=instant(since, -FAR_NS))
    show_line(f"{name}: all is sent again while new values go first; see `edaphon status`")


def _ask(file: Path | None, **words: Any) -> Any:
    try:
        return open_storage(file).ask("sink", **words)
    except DaemonOff as off:
        raise fail(f"{off}; it is the service that sends", 75) from None


def _time(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(time_ns // 10**9, UTC):%Y-%m-%dT%H:%M:%SZ}"
