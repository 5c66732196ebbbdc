"""`edaphon cal preview` and `revoke`: what new facts would change, and taking one back."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from edaphon.commands.apply import (
    NOT_YET,
    Facts,
    Way,
    enter,
    fact_of,
    given_facts,
    news,
    show,
    unused_id,
)
from edaphon.commands.cal.show import found_in, state_of
from edaphon.commands.check import write_own
from edaphon.commands.options import USAGE, Config, DryRun, Json, NoWait, Who
from edaphon.facts import FactRow
from edaphon.preview import ChannelPreview, Preview, preview_of
from edaphon.preview.picture import change_svg
from edaphon.preview.text import COLUMNS, as_json, bare_lines, row_of, warnings_of
from edaphon.printer import show_error, show_json, show_line, show_rows
from edaphon.service.check import open_storage
from edaphon.storage.access import fail
from edaphon.storage.entered_facts import facts_entered
from edaphon.svg import PICTURE


def preview(
    facts: Facts = None,
    plot: Annotated[
        Path | None, typer.Option(help="SVG file to write, or a folder for one file per channel")
    ] = None,
    file: Config = None,
    json: Json = False,
) -> None:
    """Show what new facts would change in each channel; nothing is changed."""
    storage, reported, new = given_facts(facts, file)
    found = preview_of(storage, reported, new)
    pictures = write_plots(plot, found.channels) if plot is not None else []
    if json:
        show_json(_as_json(new, found, pictures))
    elif sys.stdout.isatty():
        _show(new, found, pictures)
    else:
        show_rows(COLUMNS, map(row_of, found.channels))
        for line in (*bare_lines(found), *warnings_of(found)):
            show_error(line.strip())


def _as_json(new: tuple[FactRow, ...], found: Preview, pictures: list[Path]) -> dict[str, object]:
    return {"new": news(new), **as_json(found), "written": [str(path) for path in pictures]}


def _show(new: tuple[FactRow, ...], found: Preview, pictures: list[Path]) -> None:
    show(new, found)
    for path in pictures:
        show_line(f"{path} is written")
    if new:
        show_line(NOT_YET)


WHENCE = "edaphon cal revoke"  # in place of a file


def revoke(
    id: Annotated[str, typer.Argument(help="id of a calibration, check or maker's curve")],
    why: Annotated[str, typer.Option(help="the reason")],
    file: Config = None,
    who: Who = "",
    dry_run: DryRun = False,
    no_wait: NoWait = False,
    json: Json = False,
) -> None:
    """Take a calibration, field check or maker's curve back and recalculate without it."""
    if not why.strip():
        raise fail("expected --why with the reason, got nothing", USAGE)
    storage = open_storage(file)
    reported = facts_entered(storage)
    one = found_in(reported, id)
    state = state_of(reported, one)
    if not state.in_force:
        raise fail(f"{id} is not in force: {state.words}")
    name = unused_id(reported, f"revocation-of-{id}"[:60])  # one may itself have been taken back
    row = fact_of(storage, reported, WHENCE, "revocation", {"id": name, "of": id, "why": why})
    enter(storage, reported, (row,), Way(who, dry_run, not no_wait, json))


def write_plots(place: Path, channels: Sequence[ChannelPreview]) -> list[Path]:
    """One file, or in a folder one for each channel; which were written."""
    drawn = [one for one in channels if one.found.changed]
    if place.is_dir():
        files = [place / f"{one.channel.replace(':', '-')}.svg" for one in drawn]
    elif len(drawn) > 1:
        raise fail(
            f"expected a folder for the pictures of {len(drawn)} channels, got {place}", USAGE
        )
    else:
        files = [place] * len(drawn)
    for file, one in zip(files, drawn, strict=True):
        write_own(file, change_svg(one), PICTURE)
    return files
