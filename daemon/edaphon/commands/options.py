"""The options that several commands have, and the exit codes that they end with."""

from pathlib import Path
from typing import Annotated

import typer

PROBLEM, USAGE, CONFIGURATION, TRY_AGAIN, INTERRUPTED = 1, 2, 3, 75, 130
Config = Annotated[Path | None, typer.Option("--config", help="edaphon.toml")]
ConfigFile = Annotated[Path | None, typer.Argument(help="edaphon.toml")]
Folder = Annotated[
    Path | None, typer.Option("--folder", help="storage folder, else the configuration names it")
]
Json = Annotated[bool, typer.Option("--json", help="print JSON")]
Who = Annotated[str, typer.Option(help="your name; default: your login")]
Start = Annotated[str, typer.Option(help="from this time on, such as 2026-04-01")]
End = Annotated[str, typer.Option(help="until just before this time")]
Channels = Annotated[
    list[str] | None, typer.Option(help="id of a channel, may be repeated; default: all")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="only show what would change")]
NoWait = Annotated[
    bool, typer.Option("--no-wait", help="do not wait until all values are recalculated")
]


def for_how_long(text: str) -> int:
    """The time of --for [ns]; ends with words for any other text."""
    from edaphon.storage.access import fail  # of most commands only the options are needed here
    from edaphon.toml_input.values import duration_ns

    try:
        return duration_ns(text)
    except ValueError as error:
        raise fail(f"--for: expected {error}; got {text!r}", USAGE) from None
