"""`edaphon channels`: what is measured where, and how many values there are."""

from pathlib import Path
from typing import Annotated

import typer

from edaphon.api import open_site
from edaphon.commands.query import Folder, say, settle
from edaphon.printer import show_json, show_rows
from edaphon.storage.paths import find_folder


def channels(
    release: Annotated[Path | None, typer.Option(help="of this release file")] = None,
    file: Annotated[Path | None, typer.Option("--config", help="edaphon.toml")] = None,
    folder: Folder = None,
    json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """List the channels: quantity, unit, place, and the first, last and number of values."""
    found = [
        row.as_json()
        for row in open_site(release or find_folder(file, folder), say, settle).channels()
    ]
    if json:
        show_json(found)
        return
    header = list(found[0]) if found else ["id"]
    show_rows(header, ([row[name] for name in header] for row in found))
