"""`edaphon salvage`: what of the journal was lost, and what is left in damaged files of it."""

import base64
import getpass
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from edaphon.acquire.clock_sync import Timekeeper
from edaphon.clock import SystemClock, boot_id
from edaphon.commands.options import TRY_AGAIN, Config, Who
from edaphon.commands.status import seconds_text
from edaphon.journal import Entry, EntryId, Journal, JournalBusy, Kind, read_only
from edaphon.journal import salvage as salvaged
from edaphon.journal.entry import file_numbers
from edaphon.journal.salvage import (
    DeclaredLoss,
    acknowledgement,
    covered,
    declaration,
    losses_in,
    open_losses,
    undeclared,
)
from edaphon.people import own_account
from edaphon.printer import show_found, show_json, show_line, show_lines
from edaphon.service.audit import (
    LostPart,
    altered_releases,
    damage_in,
    lost_text,
    lost_with,
    not_noted,
)
from edaphon.service.check import open_storage
from edaphon.storage.access import Storage, fail
from edaphon.storage.client import DaemonOff
from edaphon.storage.offline import reached_by, settled_deriver


def salvage(
    number: Annotated[
        int, typer.Argument(help="number of a journal file; default: list all losses")
    ] = 0,
    acknowledge: Annotated[
        bool,
        typer.Option(
            "--acknowledge", help="accept all losses and continue without the lost entries"
        ),
    ] = False,
    who: Who = "",
    file: Config = None,
    json: Annotated[
        bool, typer.Option("--json", help="print JSON; with a number, each entry of the file")
    ] = False,
) -> None:
    """List lost parts of the journal, or the readable entries of a damaged journal file.

    Exit 1 if a loss is not acknowledged, or nothing of the file can be read.
    """
    storage = open_storage(file, as_owner=True)
    if not storage.layout.journal.is_dir():
        raise fail(f"no journal in {storage.layout.folder}; start `edaphon run` first")
    if acknowledge:
        n = _acknowledge(storage, who or getpass.getuser())
        losses = "1 loss" if n == 1 else f"{n} losses"
        show_line(f"{losses} acknowledged" if n else "no loss waits for it")
    elif number:
        _show_file(storage, number, json)
    else:
        _show_losses(storage, json)


def _show_losses(storage: Storage, json: bool) -> None:
    losses, waiting = _losses(storage)
    rows = [(loss, loss in waiting, lost_with(storage, loss)) for loss in losses]
    show_found(json, [_row(*row) for row in rows], _lines(rows))
    if waiting:
        raise typer.Exit(1)


def _lines(rows: list[tuple[DeclaredLoss, bool, LostPart | None]]) -> Iterator[str]:
    for loss, waits, lost in rows:
        yield f"{_declared(loss)}  {'OPEN' if waits else 'noted':<5}  {loss.why}"
        yield from (f"  {words}" for words in lost_text(lost))
    if not rows:
        yield "nothing of the journal was lost"


def _losses(storage: Storage) -> tuple[list[DeclaredLoss], list[DeclaredLoss]]:
    """All, and those that wait for a person."""
    folder = storage.layout.journal
    copies = read_only(folder).copies
    gone = undeclared(folder, reached_by(storage.layout.series))
    return [*losses_in(copies), *gone], [*open_losses(copies), *gone]


def _declared(loss: DeclaredLoss) -> str:
    return seconds_text(loss.received_ns) if loss.received_ns else "not declared yet"


def _row(loss: DeclaredLoss, waits: bool, lost: LostPart | None) -> dict[str, Any]:
    place = {"place": str(loss.place), "acknowledged": not waits}
    return {**loss._asdict(), **place, "lost": lost._asdict() if lost else None}


def _show_file(storage: Storage, number: int, json: bool) -> None:
    """The entries as JSON lines, or how many there are of each source and kind."""
    counts: Counter[tuple[str, str]] = Counter()
    times: list[int] = []
    for place, entry in _left_in(storage, number):
        counts[entry.kind.name.lower(), entry.source] += 1
        times = [min([entry.received_ns, *times[:1]]), max([entry.received_ns, *times[1:]])]
        if json:
            show_json(_entry(place, entry), indent=False)
    for loss in _losses(storage)[0] if not json else ():
        if loss.number == number:
            show_lines([loss.why, *lost_text(lost_with(storage, loss))])
    if not counts:
        there = ", ".join(map(str, file_numbers(storage.layout.journal))) or "none"
        raise fail(
            f"nothing can be read in journal file {number}; there are {there}: if it is missing or"
            " damaged, take it from a backup"
        )
    if not json:
        first, last = map(seconds_text, times)
        show_line(f"{counts.total()} entries can be read, received {first} to {last}")
        for (kind, source), n in sorted(counts.items()):
            show_line(f"{n:>9}  {kind}  {source}".rstrip())


def _left_in(storage: Storage, number: int) -> Iterator[tuple[EntryId, Entry]]:
    """Of the file of that number, and of those with it that were set aside; each entry once."""
    seen: set[EntryId] = set()
    found = sorted(storage.layout.journal.glob(f"journal-{number:06d}.sqlite*"))
    for path in found:
        if path.name.endswith(("-wal", "-shm")) or not path.is_file():
            continue
        for place, entry in salvaged(path):
            if place not in seen:
                seen.add(place)
                yield place, entry
    for place, entry in read_only(storage.layout.journal).copies.entries.items():
        if place.file == number and place not in seen:
            yield place, entry


def _entry(place: EntryId, entry: Entry) -> dict[str, Any]:
    payload = base64.b64encode(entry.payload).decode()
    names = {"kind": entry.kind.name.lower(), "purpose": entry.purpose.name.lower()}
    return {"place": str(place), **entry._asdict(), **names, "payload": payload}


def _acknowledge(storage: Storage, who: str) -> int:
    try:
        return int(storage.ask("acknowledge", who=who)["acknowledged"])
    except DaemonOff:
        return _acknowledge_alone(storage, who)


def _acknowledge_alone(storage: Storage, who: str) -> int:
    clock = SystemClock()
    with settled_deriver(storage) as (deriver, _):
        places = deriver.lost_facts.places
    try:
        with Journal.open(storage.layout.journal, clock) as journal:
            keeper = Timekeeper(clock, boot_id())
            for payload in _not_declared(journal):
                journal.append_now(keeper.entry(Kind.LOST, "", payload))
            altered = not_noted(storage, altered_releases(storage))
            n = len(open_losses(journal.copies)) + len(places) + len(altered)
            if n:
                payload = acknowledgement(who, places, altered, own_account())
                journal.append_now(keeper.entry(Kind.LOST, "", payload))
            return n
    except JournalBusy as busy:
        raise fail(str(busy), TRY_AGAIN) from None


def _not_declared(journal: Journal) -> list[bytes]:
    """Declarations of what can't be read and was not declared yet."""
    known = losses_in(journal.copies)
    damaged = [damage for damage in damage_in(journal) if not covered(known, damage)]
    return [declaration(damage, journal.folder) for damage in damaged]
