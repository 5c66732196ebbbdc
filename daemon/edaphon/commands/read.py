"""`edaphon read`: ask a sensor now; the answers are kept, with the purpose of a test."""

import time
from pathlib import Path
from typing import Annotated

import typer

from edaphon.acquire.sampler import not_asked
from edaphon.printer import show_json, show_line
from edaphon.storage.access import fail, open_storage
from edaphon.storage.client import DaemonOff

__all__ = ["read"]

USAGE, TRY_AGAIN = 2, 75
LONGEST_S = 140.0


def read(
    source: Annotated[str, typer.Argument(help="path of a source, such as sdi12/a")],
    times: Annotated[int, typer.Option("-n", min=1, max=1000, help="how often")] = 1,
    file: Annotated[Path | None, typer.Option("--config", help="edaphon.toml")] = None,
    json: Annotated[bool, typer.Option("--json", help="one JSON object for each reading")] = False,
) -> None:
    """Measure now, through the daemon; recording goes on and these values make no series."""
    storage = open_storage(file)
    if why_not := not_asked(storage.config, source):
        raise fail(why_not, USAGE)
    for _ in range(times):
        try:
            answer = storage.ask("read", LONGEST_S, source=source)
        except DaemonOff as off:
            raise fail(str(off), TRY_AGAIN) from None
        if json:
            show_json(answer, indent=False)
            continue
        numbers = "   ".join(_told(reading) for reading in answer["readings"])
        show_line(f"{time.strftime('%H:%M:%SZ', time.gmtime())}  {source}  {numbers}")


def _told(reading: dict[str, object]) -> str:
    if reading["value"] is None:
        return f"{reading['quantity']} {str(reading['status']).upper()}"
    return f"{reading['quantity']} {reading['value']} {reading['unit']}"
