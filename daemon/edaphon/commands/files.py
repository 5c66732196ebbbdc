"""`edaphon files`: the files that are followed, and corrected copies."""

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from edaphon.commands.apply import Way, enter, fact_of, unused_id
from edaphon.commands.options import (
    INTERRUPTED,
    PROBLEM,
    TRY_AGAIN,
    USAGE,
    Config,
    DryRun,
    Json,
    NoWait,
    Who,
)
from edaphon.config import FileSource
from edaphon.printer import bars, show_error, show_found, show_json, show_line
from edaphon.service.check import open_storage
from edaphon.service.submit import copies_in
from edaphon.storage.access import Storage, fail
from edaphon.storage.client import DaemonOff
from edaphon.storage.entered_facts import facts_entered
from edaphon.toml_input.values import is_text
from edaphon_calibration.errors import suggestion

WHENCE = "edaphon files replace"  # in place of a file
files = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Show how far each followed file was read; replace a wrong file by a corrected copy.",
)


@files.command("list")
def listed(file: Config = None, json: Json = False) -> None:
    """List the followed files and how far each was read."""
    storage = open_storage(file)
    rows = storage.ask_running("files", "", PROBLEM)["files"]
    show_found(json, rows, map(_line, rows) if rows else ["no file was read yet"])


def _line(row: Mapping[str, Any]) -> str:
    waits = f"; {row['waits']}" if row["waits"] else ""
    size = f"{row['offset']} of {row['size']} bytes{' (gone)' * row['gone']}"
    copy = f"copy {row['copy']}" if row["copy"] else "renamed"
    return f"{row['source']} {row['name']}: {copy}, {row['lines']} lines, {size}{waits}"


@files.command("replace")
def replace(
    source: Annotated[str, typer.Argument(help="path of the source, such as file/egm4")],
    name: Annotated[
        str, typer.Argument(metavar="FILE", help="the file; its name without the folder is enough")
    ],
    why: Annotated[str, typer.Option(help="the reason")] = "",
    file: Config = None,
    who: Who = "",
    dry_run: DryRun = False,
    no_wait: NoWait = False,
    json: Json = False,
) -> None:
    """Use the newest copy of a file in place of the earlier, wrong ones."""
    storage = open_storage(file)
    full, copy = _newest(storage, source, name)
    if copy < 2:
        raise fail(f"{full} was read as one copy only: there is nothing that it could replace")
    reported = facts_entered(storage)
    if reported.knowledge.replacements.get((source, full), 0) >= copy:
        raise fail(f"copy {copy} of {full} replaces the earlier ones already")
    plain = re.sub("[^A-Za-z0-9._:-]", "-", full.rpartition("/")[2])[:40]
    name = unused_id(reported, f"replacement-{plain}-copy-{copy}")
    table = {"id": name, "source": source, "file": full, "copy": copy}
    table |= {"why": why} if why else {}
    row = fact_of(storage, reported, WHENCE, "replacement", table)
    enter(storage, reported, (row,), Way(who, dry_run, not no_wait, json))


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


POLL_S, JSON_S = 0.25, 1.0
RESTART_WITHIN_S = 60.0
_Show = Callable[[dict[str, Any]], None]


def import_(
    files: Annotated[list[Path], typer.Argument(help="files written by a logger or program")],
    source: Annotated[
        str,
        typer.Option(
            help="path of a file source, such as file/log; not needed if there is only one"
        ),
    ] = "",
    wait: Annotated[bool, typer.Option("--wait", help="wait and show the progress")] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="import even if the first lines are not rows of the model"),
    ] = False,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="stop importing these files; imported lines stay")
    ] = False,
    file: Config = None,
    json: Annotated[bool, typer.Option("--json", help="print JSON, one line each second")] = False,
) -> None:
    """Import files of earlier years into a file source.

    The service reads them, and continues after this command ends. Of a file that was imported
    before, only new lines are added. Exit 75 if the service is not running.
    """
    storage = open_storage(file)
    chosen = _source(storage, source)
    names = [os.path.abspath(path) for path in files]  # links stay: the name is what people know
    for name in names:
        if not is_text(name):
            raise fail(f"expected names of files in UTF-8, got {os.fsencode(name)!r}; rename it", 2)
    verb, more = ("cancel_import", {}) if cancel else ("import", {"force": force})
    why = "; it is the service that reads the files"
    answer = storage.ask_running(verb, why, source=chosen, files=names, **more)
    if cancel:
        _show_cancelled(answer, json)
        return
    new = answer["new_bytes"]
    if json and not wait:
        _print({"source": chosen, "new_bytes": dict(zip(names, new, strict=True))})
    elif not json:
        for name, size in zip(names, new, strict=True):
            show_line(f"{name}: {_size(size)}")
    if wait:
        _follow(storage, chosen, names, json)


def _show_cancelled(table: dict[str, Any], json: bool) -> None:
    if json:
        _print(table)
        return
    for one in table["files"]:
        taken, size = one["taken_bytes"] / 1e6, one["size_bytes"] / 1e6
        words = f"{one['file']}: {taken:.1f} of {size:.1f} MB were taken, no more of it will be"
        show_line(words)


def _source(storage: Storage, wanted: str) -> str:
    known = [s.path for s in storage.config.sources if isinstance(s, FileSource)]
    if not wanted and len(known) == 1:
        return known[0]
    if wanted not in known:
        came = repr(wanted) + suggestion(wanted, known) if wanted else "none"
        there = ", ".join(known) or "none; see docs/technician.md, files of other loggers"
        raise fail(
            f"expected --source, the path of a file source, got {came}\nthere are: {there}", USAGE
        )
    return wanted


def _size(new_bytes: int) -> str:
    if new_bytes:
        return f"{new_bytes / 1e6:.1f} MB to take; see `edaphon status`"
    return "taken before, nothing in it is new"


def _follow(storage: Storage, source: str, names: Sequence[str], json: bool) -> None:
    """Until every file is taken and derived, over a restart of the service too."""
    try:
        with nullcontext(_print) if json else _bars(names) as show:
            while True:
                progress = _progress(storage, source, names)
                show({"source": source, "files": progress})
                if all(one["done"] for one in progress):
                    break
                time.sleep(JSON_S if json else POLL_S)
    except KeyboardInterrupt:
        show_error("the import goes on in the service; see `edaphon status`")
        raise typer.Exit(INTERRUPTED) from None
    for one in progress:
        if left := one["size_bytes"] - one["taken_bytes"]:
            words = f"{one['file']}: its last line has no end; these {left} bytes are taken later"
            show_error(words)


def _progress(storage: Storage, source: str, names: Sequence[str]) -> list[dict[str, Any]]:
    until = time.monotonic() + RESTART_WITHIN_S
    while True:
        try:
            found: list[dict[str, Any]] = storage.ask("imports", source=source, files=names)[
                "files"
            ]
            return found
        except DaemonOff as off:
            if time.monotonic() > until:
                raise fail(f"{off}; the import goes on when it runs again", TRY_AGAIN) from None
        time.sleep(POLL_S)


def _print(table: dict[str, Any]) -> None:
    show_json(table, indent=False)


@contextmanager
def _bars(names: Sequence[str]) -> Iterator[_Show]:
    """Bars on a terminal, nothing anywhere else; they count what is derived."""
    with bars(Path(name).name for name in names) as shown:

        def show(table: dict[str, Any]) -> None:
            for task, one in zip(shown.task_ids, table["files"], strict=True):
                shown.update(task, total=one["size_bytes"], completed=one["derived_bytes"])

        yield show
