"""`edaphon rebuild`: derive everything from the journal again and compare with what is there."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from edaphon.journal import StateFile
from edaphon.printer import show_error, show_json, show_line
from edaphon.service.audit import JOURNAL_SUMMARY
from edaphon.storage.access import Storage, fail, open_storage
from edaphon.storage.client import DaemonOff
from edaphon.storage.offline import settled_deriver
from edaphon.storage.series_file import renew_if_damaged

__all__ = ["rebuild"]

POLL_S = 0.2


def rebuild(
    file: Annotated[Path | None, typer.Option("--config", help="edaphon.toml")] = None,
    json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Derive all values again from the journal; exit 1 if any differed (they are then put right).

    Sinks get what differed. Recording goes on meanwhile.
    """
    found = _rebuilt(open_storage(file, as_owner=True))
    if json:
        show_json(found, indent=False)
    else:
        show_line(f"{found['blocks']} day blocks derived again, {found['differing']} rows differed")
    if found["differing"]:
        raise typer.Exit(1)


def _rebuilt(storage: Storage) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = storage.ask("rebuild", begin=True)
        while not answer["done"]:
            time.sleep(POLL_S)
            answer = storage.ask("rebuild")
    except DaemonOff:
        return _rebuilt_alone(storage)
    return {name: answer[name] for name in ("blocks", "differing")}


def _rebuilt_alone(storage: Storage) -> dict[str, Any]:
    if not storage.layout.journal.exists():
        raise fail(f"no journal in {storage.layout.folder}; start `edaphon run` first")
    renew_if_damaged(storage.layout.series, lambda words: show_error(words))
    with settled_deriver(storage) as (deriver, series):
        with StateFile(storage.layout.folder) as state:
            state.remove(JOURNAL_SUMMARY)  # the next start sums every row
        before = deriver.differing
        deriver.derive_all_again()
        while deriver.turn():
            pass
        return {"blocks": len(series.heads()), "differing": deriver.differing - before}
