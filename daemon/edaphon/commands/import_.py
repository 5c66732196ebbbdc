"""`edaphon import`: take files of earlier years into the journal, with the rows they hold."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from edaphon.config import FileSource
from edaphon.printer import bars, show_error, show_json, show_line
from edaphon.service.socket import DaemonOff
from edaphon.storage.access import Storage, fail, open_storage
from edaphon.toml_input.lines import is_text
from edaphon_calibration.errors import suggestion

__all__ = ["import_"]

USAGE, TRY_AGAIN, INTERRUPTED = 2, 75, 130
POLL_S, JSON_S = 0.25, 1.0
RESTART_WITHIN_S = 60.0
_Show = Callable[[dict[str, Any]], None]


def import_(
    files: Annotated[list[Path], typer.Argument(help="files that a logger or program wrote")],
    source: Annotated[
        str,
        typer.Option(help="path of a file source, such as file/log; not needed for the only one"),
    ] = "",
    wait: Annotated[
        bool, typer.Option("--wait", help="show the progress until all is done")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="also where the first lines are no rows of the model")
    ] = False,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="take no more of these files; what was taken stays")
    ] = False,
    file: Annotated[Path | None, typer.Option("--config", help="edaphon.toml")] = None,
    json: Annotated[bool, typer.Option("--json", help="print JSON, one line each second")] = False,
) -> None:
    """Take files of earlier years, outside of what a file source follows, into that source.

    The service reads them; it goes on with that when this command ends. A file that was taken
    before brings only what is new in it. Exit 75: the service is off.
    """
    storage = open_storage(file)
    chosen = _source(storage, source)
    names = [os.path.abspath(path) for path in files]  # links stay: the name is what people know
    for name in names:
        if not is_text(name):
            raise fail(f"expected names of files in UTF-8, got {os.fsencode(name)!r}; rename it", 2)
    try:
        if cancel:
            _tell_cancelled(storage.ask("cancel_import", source=chosen, files=names), json)
            return
        new = storage.ask("import", source=chosen, files=names, force=force)["new_bytes"]
    except DaemonOff as off:
        raise fail(f"{off}; it is the service that reads the files", TRY_AGAIN) from None
    if json and not wait:
        _print({"source": chosen, "new_bytes": dict(zip(names, new, strict=True))})
    elif not json:
        for name, size in zip(names, new, strict=True):
            show_line(f"{name}: {_size(size)}")
    if wait:
        _follow(storage, chosen, names, json)


def _tell_cancelled(table: dict[str, Any], json: bool) -> None:
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
        with _json_lines() if json else _bars(names) as show:
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


@contextmanager
def _json_lines() -> Iterator[_Show]:
    yield _print


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
