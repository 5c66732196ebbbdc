"""`edaphon files`: the files that are followed, and copies that were put right."""

import re
from typing import Annotated, Any

import typer

from edaphon.commands.apply import Config, DryRun, Json, NoWait, Way, Who, enter
from edaphon.commands.cal.text import as_row
from edaphon.config import FileSource
from edaphon.facts import FactRow, knowledge_conflicts, read_facts
from edaphon.printer import show_json, show_line
from edaphon.service.submit import copies_in
from edaphon.storage.access import Storage, fail, open_storage
from edaphon.storage.client import DaemonOff
from edaphon.storage.entered_facts import EnteredFacts, told_in
from edaphon.toml_input import read_document

__all__ = ["files"]

USAGE = 2
WHENCE = "edaphon files replace"  # stands for the file

files = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Followed files: how far each was read, and which copy of a corrected file counts.",
)


@files.command("list")
def listed(file: Config = None, json: Json = False) -> None:
    """List the followed files: source, copy, lines read, bytes read, what waits."""
    storage = open_storage(file)
    rows = _files(storage)
    if json:
        show_json(rows)
        return
    for row in rows:
        waits = f"; {row['waits']}" if row["waits"] else ""
        size = f"{row['offset']} of {row['size']} bytes"
        copy = f"copy {row['copy']}" if row["copy"] else "renamed"
        gone = " (gone)" if row["gone"] else ""
        words = f"{row['source']} {row['name']}: {copy}, {row['lines']} lines, {size}{gone}{waits}"
        show_line(words)
    if not rows:
        show_line("no file was read yet")


@files.command("replace")
def replace(
    source: Annotated[str, typer.Argument(help="path of the source, such as file/egm4")],
    name: Annotated[str, typer.Argument(metavar="FILE", help="the file; its last part is enough")],
    why: Annotated[str, typer.Option(help="the reason")] = "",
    file: Config = None,
    who: Who = "",
    dry_run: DryRun = False,
    no_wait: NoWait = False,
    json: Json = False,
) -> None:
    """Enter that the newest copy of a file replaces the earlier ones, in which it was wrong."""
    storage = open_storage(file)
    full, copy = _newest(storage, source, name)
    if copy < 2:
        raise fail(f"{full} was read as one copy only: there is nothing that it could replace")
    reported = told_in(storage)
    if reported.knowledge.replacements.get((source, full), 0) >= copy:
        raise fail(f"copy {copy} of {full} replaces the earlier ones already")
    table = {"id": _id(reported, full, copy), "source": source, "file": full, "copy": copy}
    row = _row(storage, reported, table | ({"why": why} if why else {}))
    enter(storage, reported, (row,), Way(who, dry_run, not no_wait, json))


def _files(storage: Storage) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = storage.ask("files")["files"]
    except DaemonOff as off:
        raise fail(str(off)) from None
    return rows


def _newest(storage: Storage, source: str, name: str) -> tuple[str, int]:
    """(full name, number of the newest copy) of a file, by the last part of its name or by all."""
    known = [s.path for s in storage.config.sources if isinstance(s, FileSource)]
    if source not in known:
        raise fail(f"expected a source of files ({', '.join(known) or 'none'}), got {source!r}", 2)
    copies: dict[str, int] = {}
    for one in copies_in(storage, [source]):
        copies[one.file] = max(one.copy, copies.get(one.file, 0))
    found = [full for full in copies if full == name or full.rpartition("/")[2] == name]
    if len(found) != 1:
        names = ", ".join(found or sorted(copies)[:20]) or "none was read yet"
        raise fail(f"expected one file of {source} ({names}), got {name!r}", USAGE)
    return found[0], copies[found[0]]


def _id(reported: EnteredFacts, full: str, copy: int) -> str:
    """One that was never used."""
    plain = re.sub("[^A-Za-z0-9._:-]", "-", full.rpartition("/")[2])[:40]
    name = first = f"replacement-{plain}-copy-{copy}"
    number = 1
    while name in reported.by_id:
        number += 1
        name = f"{first}-{number}"
    return name


def _row(storage: Storage, reported: EnteredFacts, table: dict[str, Any]) -> FactRow:
    rows, config_errors = read_facts(read_document(WHENCE, as_row("replacement", table)))
    config = storage.config
    config_errors += knowledge_conflicts(
        rows, reported.knowledge, config.outputs(), sheets=config.sheets
    )
    if config_errors:
        raise fail("\n".join(f"{c.key}: {c.came}; {c.right}" for c in config_errors))
    return rows[0]
