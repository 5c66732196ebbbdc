"""`edaphon cal preview`: what facts would change, before they are in force."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from edaphon.commands.apply import NOT_YET, Config, Facts, Json, new_facts, news, show
from edaphon.printer import show_rows
from edaphon.facts import FactRow
from edaphon.preview import Foresight, foresight
from edaphon.preview.picture import write_plots
from edaphon.preview.text import (
    COLUMNS,
    as_json,
    bare_lines,
    row_of,
    warnings_of,
)
from edaphon.printer import show_error, show_json, show_line
from edaphon.storage.access import open_storage
from edaphon.storage.entered_facts import told_in

__all__ = ["preview"]


def preview(
    facts: Facts = None,
    plot: Annotated[
        Path | None, typer.Option(help="SVG file to write, or a folder: one for each channel")
    ] = None,
    file: Config = None,
    json: Json = False,
) -> None:
    """Tell what new facts would change, per channel; nothing is put in force by it."""
    storage = open_storage(file)
    reported = told_in(storage)
    new = new_facts(storage, reported, facts or [], file)
    found = foresight(storage, reported, new)
    pictures = write_plots(plot, found.channels) if plot is not None else []
    if json:
        show_json(_told(new, found, pictures))
    elif sys.stdout.isatty():
        _show(new, found, pictures)
    else:
        show_rows(COLUMNS, map(row_of, found.channels))
        for line in (*bare_lines(found), *warnings_of(found)):
            show_error(line.strip())


def _told(new: tuple[FactRow, ...], found: Foresight, pictures: list[Path]) -> dict[str, object]:
    return {"new": news(new), **as_json(found), "written": [str(path) for path in pictures]}


def _show(new: tuple[FactRow, ...], found: Foresight, pictures: list[Path]) -> None:
    show(new, found)
    for path in pictures:
        show_line(f"{path} is written")
    if new:
        show_line(NOT_YET)
