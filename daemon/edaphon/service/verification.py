"""What `edaphon verify` finds: the ledgers of journal, series and sinks, and whether they close.

The sums that are kept are taken of all but the newest entries; `deep` proves them.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from functools import partial, reduce
from typing import Any

import orjson

from edaphon.acquire.gaps import accounts_of
from edaphon.clock import DAY_NS
from edaphon.config.model import SinkTable
from edaphon.derive.decode import last_sources
from edaphon.derive.files import SourceFiles
from edaphon.derive.pipeline import counted_files
from edaphon.derive.plan import known_facts, read_fact_log
from edaphon.journal import JournalReader, Kind, StateFile, read_only
from edaphon.journal.copies import acknowledged_places
from edaphon.journal.fact_log import FACT_LOG_KINDS, recalled
from edaphon.journal.salvage import covered, losses_in, open_losses, undeclared
from edaphon.journal.summary import summed
from edaphon.model import Channel, EntryId
from edaphon.series import BlockHead, Contested, Series, cursor_name
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
    summaries,
)
from edaphon.service.notes import line_rows
from edaphon.sinks.influxql import Readback, same_numbers
from edaphon.sinks.sink import Held, Later, sink_kind
from edaphon.storage.access import Storage
from edaphon.storage.offline import reached_by
from edaphon_drivers.files.lines import LineCounts

Show = Callable[[str, int, int], None]  # what is looked at, how many are done, of how many


def verified(
    storage: Storage, sinks: Sequence[SinkTable], deep: bool, running: bool, show: Show
) -> dict[str, Any]:
    """Each ledger by name, as JSON has it; `closes` of each says whether all is there."""
    with closing(storage.series()) as series:
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
    return found


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
    unequal = [row for row in rows if not is_accounted_for(row, noted)]
    found = {"files": rows, "differs": differs, "noted": noted}
    return {**found, "closes": not differs and not unequal}


def is_accounted_for(row: Mapping[str, Any], noted: bool) -> bool:
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


def parts_of(found: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for name in ("entries", "observations", "file_lines", "losses", "releases", "summaries"):
        if name in found:
            yield found[name]
    yield from found["slots"].values()
    yield from found["sinks"].values()


NOT_PROMISED = (
    "InfluxDB 3 does not promise that the later of two writes of a point wins: counts prove that"
    " a point is there, not which of its values"
)


def sink_ledger(
    storage: Storage, series: Series, config: SinkTable, deep: bool, running: bool
) -> dict[str, Any]:
    """current = delivered + set aside + waiting, where the sink says what it holds.

    `delivered` is what was read back of the rows that don't wait, None where nothing was.
    """
    cursor = int(series.checkpoint(cursor_name(config.name)) or 0)
    with StateFile(storage.layout.folder) as state:
        aside = {(p.channel, p.time_ns) for p in state.set_aside(config.name)}
    waiting = _waiting(series, cursor)
    current = series.count()
    found: dict[str, Any] = {
        "current": current,
        "set_aside": len(aside),
        "waiting": sum(waiting.values()),
        "delivered": None,
        "read_back": None,
        "differs": [],
        "notes": [],
        "closes": True,
    }
    kind = sink_kind(config.kind)
    if kind.reads_all and not deep:
        found["notes"] = ["what it holds is counted with --deep"]
        return found
    if kind.held is None:
        found["notes"] = [f"a sink of kind {config.kind} can't be read back"]
        return found
    held = kind.held(kind.settings.model_validate(config.settings))
    found.update(_read_back(storage, series, held, aside, waiting, deep, running))
    if config.kind == "influxdb" and config.settings.get("version") == 3:
        found["notes"] = [NOT_PROMISED if deep else f"{NOT_PROMISED}; --deep compares them"]
    return found


def _waiting(series: Series, cursor: int) -> dict[tuple[str, int], int]:
    """Rows not delivered yet, by block; only a block that was delivered in part is read."""
    return {
        (head.channel, head.day): head.n
        if head.first_change > cursor
        else sum(map(len, series.rows_above(head.channel, head.day, cursor)))
        for head in series.changed_heads(cursor)
    }


def _read_back(
    storage: Storage,
    series: Series,
    readback: Held,
    aside: set[tuple[str, int]],
    waiting: Mapping[tuple[str, int], int],
    deep: bool,
    running: bool,
) -> dict[str, Any]:
    """What the server has of each block; where the service runs, perhaps what came since too."""
    channels = _channels(storage, series)
    numbers = readback if deep and isinstance(readback, Readback) else None
    try:
        differs: list[str] = []
        more: dict[tuple[str, int], int] = {}
        total = delivered = 0
        refused_on = Counter((channel, time_ns // DAY_NS) for channel, time_ns in aside)
        for id, channel in sorted(channels.items()):
            heads = series.heads(id)
            counted = readback.counts(channel, [_date(head) for head in heads])
            for head in heads:
                refused, unsent = refused_on[id, head.day], waiting.get((id, head.day), 0)
                due, there = max(0, head.n - refused - unsent), counted[_date(head)]
                total += there
                delivered += min(there, due)
                if unsent:
                    if there < due:
                        differs.append(
                            f"{id} {_date(head)}: expected at least {due} points,"
                            f" the server has {there}"
                        )
                elif running and there > due:
                    more[id, head.day] = there + refused
                elif there != due:
                    differs.append(
                        f"{id} {_date(head)}: expected {due} points, the server has {there}"
                    )
                elif numbers is not None and not same_numbers(
                    series, numbers, channel, head, aside
                ):
                    differs.append(f"{id} {_date(head)}: the server has other numbers")
        differs += _too_many(storage, more)
        return {
            "delivered": delivered,
            "read_back": total,
            "differs": differs,
            "closes": not differs,
        }
    except Later as later:
        return {"differs": [f"can't be read back: {later.why}"], "closes": False}
    finally:
        readback.close()


def _too_many(storage: Storage, more: Mapping[tuple[str, int], int]) -> Iterator[str]:
    """Blocks of which the server has more rows than there are by now."""
    if not more:
        return
    with closing(storage.series()) as series:
        for (channel, day), n in more.items():
            found = next((h for h in series.heads(channel) if h.day == day), None)
            if found is None or n > found.n:
                rows = found.n if found else 0
                yield f"{channel} day {day}: expected {rows} points, the server has {n}"


def _channels(storage: Storage, series: Series) -> dict[str, Channel]:
    knowledge = known_facts(read_only(storage.layout.journal), series)
    site = storage.config.site.id
    return {id: knowledge.channel(id, site) for id in knowledge.channels}


def _date(head: BlockHead) -> date:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=head.day)).date()
