"""`edaphon verify`: no record is missing: counted in journal, series, and each InfluxDB.

As `status` it takes the sums that are kept of all but the newest entries; `--deep` proves them.
"""

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial, reduce
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from edaphon.acquire.gaps import accounts_of
from edaphon.clock import FAR_NS
from edaphon.commands.query import Folder, instant
from edaphon.config.model import SinkTable
from edaphon.derive.decode import last_sources
from edaphon.derive.files import SourceFiles
from edaphon.derive.pipeline import counted_files
from edaphon.derive.plan import read_fact_log
from edaphon.journal import JournalReader, Kind, StateFile, read_only
from edaphon.journal.copies import acknowledged_places
from edaphon.journal.fact_log import FACT_LOG_KINDS, recalled
from edaphon.journal.salvage import covered, losses_in, open_losses, undeclared
from edaphon.journal.summary import summed
from edaphon.model import EntryId
from edaphon.printer import show_error, show_json, show_line, show_lines, working
from edaphon.series import Contested, Series
from edaphon.service.audit import (
    JOURNAL_SUMMARY,
    START,
    EntryAccount,
    altered_releases,
    lost_text,
    lost_with,
    newest_from,
    not_noted,
    read_accounts,
    sink_ledger,
    summaries,
)
from edaphon.service.check import open_storage
from edaphon.service.notes import account_text, line_rows
from edaphon.storage.access import Storage, fail, open_folder
from edaphon.storage.client import DaemonOff
from edaphon.storage.offline import lacks_entries, settled_deriver
from edaphon.storage.series_file import reached_by
from edaphon_drivers.files.lines import LineCounts

POLL_S = 0.2


def verify(
    file: Annotated[Path | None, typer.Option("--config", help="edaphon.toml")] = None,
    folder: Folder = None,
    deep: Annotated[
        bool,
        typer.Option(
            "--deep",
            help="read every entry and row, and compare every number in InfluxDB",
        ),
    ] = False,
    wait: Annotated[float, typer.Option(help="seconds to wait for the sinks to catch up")] = 0.0,
    json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Check that no record was lost: count, read back, compare. Exit 1 if any is missing.

    Without --deep it reads the newest 200,000 entries of the journal, and takes stored counts for
    older ones. The service finds damage in those in its daily check.
    """
    sinks = _sinks(file, folder)  # before root goes on as another account
    storage = open_folder(file, folder, as_owner=True)
    running = _settle(storage, wait)
    series = storage.series()
    with working("verifying") as show:
        found = _ledgers(storage, series, running, deep)
        found["losses"] = _losses(storage)
        found["releases"] = _releases(storage)
        if deep:
            journal = read_only(storage.layout.journal)
            found["summaries"] = summaries(storage.layout.folder, journal, series)
        found["sinks"] = {}
        for n, sink in enumerate(sinks):
            show(f"sink {sink.name}", n, len(sinks))
            found["sinks"][sink.name] = sink_ledger(storage, series, sink, deep, running)
    series.close()
    good = all(part["closes"] for part in _parts(found))
    if json:
        show_json({"good": good, **found})
    else:
        show_lines(_lines(found))
        if good:
            show_line("all records accounted for")
        else:
            show_error("RECORDS MISSING: see the lines that end with OPEN")
    if not good:
        raise typer.Exit(1)


def _sinks(file: Path | None, folder: Path | None) -> tuple[SinkTable, ...]:
    """Those of the configuration; without a good one nobody says how to reach them."""
    from edaphon.service.check import examine, usual_file

    why = "--folder names no configuration"
    if folder is None:
        path = file or usual_file()
        config = examine([path]).config
        if config is not None:
            return config.sinks
        why = f"`edaphon check` finds mistakes in {path}"
    show_error(f"sinks are not read back: {why}")
    return ()


def _settle(storage: Storage, wait_s: float) -> bool:
    """Derive what is journalled; where the daemon runs (True), let its sinks catch up."""
    until = time.monotonic() + wait_s
    try:
        while any(storage.ask("status")["ledgers"]["waiting"].values()):
            if time.monotonic() >= until:
                break
            time.sleep(POLL_S)
        return True
    except DaemonOff:
        if not storage.layout.journal.exists():
            raise fail(
                f"no journal in {storage.layout.folder}; start `edaphon run` first"
            ) from None
        if not lacks_entries(storage.layout, show_error):
            with settled_deriver(storage):
                pass
        return False


def _ledgers(storage: Storage, series: Series, running: bool, deep: bool) -> dict[str, Any]:
    checkpoint = orjson.loads(series.checkpoint("deriver") or b"{}")
    position = EntryId.of(checkpoint["position"])
    journal = read_only(storage.layout.journal)
    end = journal.last or position
    start = START if deep else newest_from(journal)
    account = read_accounts(journal, position, end, start)
    state = checkpoint["state"]
    files = state.get("files", {})
    noted = len(losses_in(journal.copies)) > len(open_losses(journal.copies))
    return {
        "entries": _entries(storage, journal, state["counts"], account, start),
        "slots": dict(_slots(storage, journal, account, end, (running, noted))),
        "floods": account.floods,
        "observations": _observations(series, state["derived"], deep),
        "file_lines": _files(journal, series, files, position, start, noted),
        "counted_from": start.number,
    }


def _entries(
    storage: Storage,
    journal: JournalReader,
    counts: Mapping[str, int],
    account: EntryAccount,
    start: EntryId,
) -> dict[str, Any]:
    """records = decoded + dead + ..., all of them there; up to `start` by the kept sums."""
    sum_of = sum(n for name, n in counts.items() if name != "records")
    # What was lost and acknowledged is known to be missing: the records that are there are counted.
    losses, still_open = losses_in(journal.copies), open_losses(journal.copies)
    noted = [loss for loss in losses if loss not in still_open]
    before = _records_before(storage, journal, start) if start != START else 0
    gone = counts["records"] - account.records - before
    # Rows that can't be read are counted before `start`, and were not when they were passed over.
    unread = sum(loss.n for loss in losses if loss.rows and EntryId(loss.number, 0) <= start)
    gone += min(max(0, -gone), unread)
    known = not gone or (gone > 0 and bool(noted))
    without = acknowledged_places(journal.copies)
    damaged = sum(not covered(noted, d) and d.first not in without for d in account.damaged)
    return {
        **counts,
        "journalled": counts["records"] - gone,
        "lost": max(0, gone),
        "damaged": damaged,
        "closes": known and counts["records"] == sum_of and not damaged,
    }


def _records_before(storage: Storage, journal: JournalReader, start: EntryId) -> int:
    """How many records there are up to a place, by the sums that are kept."""
    with StateFile(storage.layout.folder) as state:
        summary = summed(journal, state.get(JOURNAL_SUMMARY), FACT_LOG_KINDS)
    return summary.records - summary.behind(start, journal)


def _losses(storage: Storage) -> dict[str, Any]:
    """Parts of the journal that were lost, and that no person has acknowledged."""
    folder = storage.layout.journal
    gone = undeclared(folder, reached_by(storage.layout.series))
    losses = [*open_losses(read_only(folder).copies), *gone]
    lost = [list(lost_text(lost_with(storage, loss))) for loss in losses]
    return {"open": [loss.words for loss in losses], "lost": lost, "closes": not losses}


def _releases(storage: Storage) -> dict[str, Any]:
    """Files of releases that are missing, or not as they were released, until that is noted."""
    found = not_noted(storage, altered_releases(storage))
    return {"altered": found, "closes": not found}


def _files(
    journal: JournalReader,
    series: Series,
    live: Mapping[str, Any],
    until: EntryId,
    start: EntryId,
    noted: bool,
) -> dict[str, Any]:
    """lines = rows + headers + blank + refused, as kept live and, from the first entry on, counted.

    What was kept live by other settings is being counted again, and is not compared. `noted`: a
    person knows of lost entries; then the journal may have fewer lines, and the kept ones stand.
    """
    kept = {path: SourceFiles.of_json(row) for path, row in live.items()}
    if start != START:
        return _closed(line_rows(kept), [], noted)
    sources = last_sources(read_fact_log(journal, series))
    names = {"", *sources.files}
    kinds = {Kind.RECORD, Kind.CLOCK, Kind.CONFIGURATION}
    items = journal.scan(sources=names, kinds=kinds, on_damage=lambda _: None)
    known = (item for item in items if item[0] <= until)
    counted = counted_files(known, sources, partial(recalled, journal), journal)
    same = {path for path, files in counted.items() if _meaning(kept, path) == files.meaning}
    differs = [path for path in sorted(same) if kept[path].to_json() != counted[path].to_json()]
    if noted:
        differs = [path for path in differs if counted[path].lines >= kept[path].lines]
        counted = kept | {path: counted[path] for path in differs}
    return _closed(line_rows(counted), differs, noted)


def _closed(rows: list[dict[str, Any]], differs: list[str], noted: bool) -> dict[str, Any]:
    unequal = [row for row in rows if not _equal(row, noted)]
    found = {"files": rows, "differs": differs, "noted": noted}
    return {**found, "closes": not differs and not unequal}


def _equal(row: Mapping[str, Any], noted: bool) -> bool:
    """Whether all lines are accounted for; lines of entries whose loss is noted may be missing."""
    return row["lines"] == _lines_of(row) and (noted or not row["missing"])


def _meaning(kept: Mapping[str, SourceFiles], path: str) -> str:
    return kept[path].meaning if path in kept else ""


def _lines_of(row: Mapping[str, Any]) -> int:
    return sum(row[name] for name in LineCounts._fields)


def _slots(
    storage: Storage,
    journal: JournalReader,
    account: EntryAccount,
    end: EntryId,
    running_and_lost: tuple[bool, bool],
) -> Iterator[tuple[str, dict[str, Any]]]:
    intervals = {s.path: getattr(s, "interval_ns", None) for s in storage.config.sources}
    with StateFile(storage.layout.folder) as state:
        saved = state.get("slot accounts")
    known = accounts_of(saved, journal, end)
    for path, book in sorted(account.books.items()):
        gap = known[path].gap if path in known else None
        yield path, book.reported(gap, intervals.get(path), *running_and_lost)


def _observations(series: Series, derived: Mapping[str, int], deep: bool) -> dict[str, Any]:
    kept, counted = series.totals() if deep else (series.kept_totals(), {})
    totals = counted if deep and kept else kept
    current = {channel: n for channel, (n, _) in totals.items()}
    lost = {channel: contested for channel, (_, contested) in totals.items()}
    channels = {*current, *derived, *lost}
    open_ones = [
        c for c in channels if derived.get(c, 0) != current.get(c, 0) + sum(lost.get(c, ()))
    ]
    of_all = reduce(Contested.plus, lost.values(), Contested())
    return {
        "derived": sum(derived.values()),
        "current": sum(current.values()),
        **of_all._asdict(),
        "open": sorted(open_ones),
        "closes": not open_ones,
    }


def _parts(found: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for name in ("entries", "observations", "file_lines", "losses", "releases", "summaries"):
        if name in found:
            yield found[name]
    yield from found["slots"].values()
    yield from found["sinks"].values()


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    e, o = found["entries"], found["observations"]
    yield (
        f"entries: {e['journalled']} records = {e['decoded']} decoded + {e['dead']} unreadable"
        f" + {e['duplicates']} duplicates + {e['conflicts']} conflicts"
        f" + {e['held']} waiting for the clock"
        f"   {_verdict(e)}"
    )
    for words, lost in zip(found["losses"]["open"], found["losses"]["lost"], strict=True):
        yield f"journal: {words}   OPEN"
        yield from (f"  {line}" for line in lost)
    for name, problems in found["releases"]["altered"].items():
        yield from (f"release {name}: {words}   OPEN" for words in problems)
    if e["lost"]:
        yield f"entries: {e['lost']} records that were derived are no longer in the journal"
    if e["damaged"]:
        yield f"entries: {e['damaged']} damaged runs in the journal; see `edaphon status`"
    for path, s in found["slots"].items():
        of = "slots on no grid" if s["expected"] is None else f"{s['expected']} slots"
        leapt = f"; the clock leapt over {s['leapt']} more" if s["leapt"] else ""
        leapt += "; 1 is being measured" if s["in_flight"] else ""
        leapt += f"; {s['unknown']} were in lost entries" if s["unknown"] else ""
        yield (
            f"{path}: {of} = {s['records']} records + {s['in_gaps']} missed{leapt}   {_verdict(s)}"
        )
    for source, n in found["floods"].items():
        yield f"{source}: {n} items above its budget were counted in the journal, and not kept"
    yield (
        f"observations: {o['derived']} derived = {o['current']} current"
        f" + {o['conflicts']} conflicts + {o['repeats']} repeats + {o['replaced']} replaced"
        f"   {_verdict(o)}"
    )
    yield from _file_lines(found["file_lines"])
    if "summaries" in found:
        s = found["summaries"]
        yield f"summaries: expected the sums that all rows give   {_verdict(s)}"
        for name in [*s["journal"], *s["series"]]:
            yield (
                f"summaries: {name} has other rows than its summary; stop the service, run"
                " `edaphon rebuild`, which sums again, and start it"
            )
    for name, s in found["sinks"].items():
        if s["read_back"] is None and s["closes"]:
            yield (
                f"sink {name}: {s['current']} current, {s['set_aside']} refused,"
                f" {s['waiting']} waiting; {'; '.join(s['notes'])}"
            )
            continue
        yield (
            f"sink {name}: {s['current']} current = {s['delivered']} delivered + {s['set_aside']}"
            f" refused + {s['waiting']} waiting; read back: {s['read_back']}   {_verdict(s)}"
        )
        yield from (f"  {words}" for words in s["differs"][:20])
        if s["read_back"] is not None and s["differs"]:
            yield f"  `edaphon sink resend {name}` sends all again, new values first"
        yield from (f"  note: {words}" for words in s["notes"])


def _file_lines(files: Mapping[str, Any]) -> Iterator[str]:
    for row in files["files"]:
        yield f"{account_text(row)}   {'ok' if _equal(row, files['noted']) else 'OPEN'}"
    for path in files["differs"]:
        yield f"{path}: the account kept while running differs from that of the journal   OPEN"


def _verdict(part: Mapping[str, Any]) -> str:
    return "ok" if part["closes"] else "OPEN"


sink = typer.Typer(
    help="List refused points, offer them again, or send all values again.", no_args_is_help=True
)
Config = Annotated[Path | None, typer.Option("--config", help="edaphon.toml")]


@sink.command("list")
def list_(
    json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
    file: Config = None,
) -> None:
    """List the points that a server refused, with its reason."""
    found = _ask(file, do="list")["refusals"]
    if json:
        show_json(found)
        return
    for name, rows in sorted(found.items()):
        if not rows:
            show_line(f"{name}: no points refused")
        for row in rows:
            span = f"{_time(row['first_ns'])} to {_time(row['last_ns'])}"
            show_line(f"{name}: {row['n']} of {row['channel']}, {span}: {row['words']}")


@sink.command()
def retry(
    name: Annotated[str, typer.Argument(help="name of the sink; default: all")] = "",
    file: Config = None,
) -> None:
    """Offer the refused points to the server again now."""
    for each, n in _ask(file, do="retry", name=name)["offered"].items():
        show_line(f"{each}: {n} points are offered again; see `edaphon status`")


@sink.command()
def resend(
    name: Annotated[str, typer.Argument(help="name of the sink")],
    since: Annotated[str, typer.Option(help="from this time on, such as 2026-04-01")] = "",
    file: Config = None,
) -> None:
    """Send all values again, to a database that was lost, emptied or replaced."""
    _ask(file, do="resend", name=name, since_ns=instant(since, -FAR_NS))
    show_line(f"{name}: all is sent again while new values go first; see `edaphon status`")


def _ask(file: Path | None, **words: Any) -> Any:
    try:
        return open_storage(file).ask("sink", **words)
    except DaemonOff as off:
        raise fail(f"{off}; it is the service that sends", 75) from None


def _time(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(time_ns // 10**9, UTC):%Y-%m-%dT%H:%M:%SZ}"
