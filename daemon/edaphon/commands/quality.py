"""`edaphon quality`: what the quality tests with context say of a channel."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from edaphon.api import open_site
from edaphon.commands.query import Folder, say, settle
from edaphon.printer import show_error, show_json, show_lines
from edaphon.quality import QualityReport
from edaphon.storage.paths import find_folder
from edaphon_calibration.quality.rules import RulesError

USAGE = 2  # exit code
MOST_SPANS = 200  # on a terminal


def quality(
    channel: Annotated[str, typer.Argument(help="id of a channel")],
    start: Annotated[str, typer.Option(help="from this time on, such as 2026-04-01")] = "",
    end: Annotated[str, typer.Option(help="until just before this time")] = "",
    rules: Annotated[
        Path | None, typer.Option(help="file of rules that stand in place of the usual ones")
    ] = None,
    file: Annotated[Path | None, typer.Option("--config", help="edaphon.toml")] = None,
    folder: Folder = None,
    json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Test the values of a channel with their context, and list what fails and why.

    Context is what other channels say: temperature at the same depth, rain, a replicate. Stored
    values and flags stay as they are.
    """
    site = open_site(find_folder(file, folder), say, settle)
    text = rules.read_text("utf-8") if rules else ""
    try:
        found = site.quality(channel, start or None, end or None, rules=text)
    except RulesError as error:
        show_error(f"{rules}: {error}")
        raise typer.Exit(USAGE) from None
    if json:
        show_json(found.as_json())
    else:
        show_lines(_lines(found))


def _lines(found: QualityReport) -> Iterator[str]:
    flags = found.as_json()["flags"]
    yield (
        f"{found.channel.id}: {len(found.time_ns)} rows: {flags['1']} passed, {flags['2']} not"
        f" evaluated, {flags['3']} suspect, {flags['4']} fail, {flags['9']} missing"
        f" (rules {found.rules})"
    )
    for role, id in found.context.named().items():
        yield f"{role}: {id}"
    yield f"horizon: {found.horizon.id if found.horizon else 'none; see [[horizon]]'}"
    for name, n in found.evaluated.items():
        yield f"test {name}: {n} rows evaluated, {found.failed.get(name, 0)} failed"
    for n, span in enumerate(found.spans()):
        if n == MOST_SPANS:
            yield "more with --json, or with --start and --end"
            return
        what = f"{span['n']} rows, flag {span['flag']}: {span['reason']}"
        yield f"{span['from']} to {span['to']}: {what}"
