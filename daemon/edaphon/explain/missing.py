"""Why a channel has no observation at a time: nobody there, a gap, a clock, bytes without sense."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

import numpy as np

from edaphon.acquire.gaps import FLOOD, WITHDRAWN, Gap
from edaphon.clock import DAY_NS, FAR_NS, instant_text
from edaphon.explain.build import shown_bytes
from edaphon.explain.trace import FoundRow, History, Row, row_at
from edaphon.facts import Deployment
from edaphon.journal import DamagedRow, Entry, JournalReader, Kind, Purpose
from edaphon.model import EntryId
from edaphon.series import Series
from edaphon_drivers.faults import Fault

_UNKNOWN_NS = 600_000_000_000  # how near a record lies where the interval is not known
_MOST = 5


class Absent(NamedTuple):
    """A channel without an observation at a time; its usual interval [ns], 0 unknown."""

    channel: str
    time_ns: int
    usual_ns: int

    @property
    def reach_ns(self) -> int:
        """How far away in time something is still of that time."""
        return self.usual_ns // 2 or _UNKNOWN_NS


def find_observation(
    series: Series, history: History, channel: str, time_ns: int
) -> FoundRow | Absent:
    """The observation of that time, else the nearest that is less than an interval away.

    One on the other side of the next slot must not stand for a slot that has none.
    """
    runs = series.read(channel, time_ns - DAY_NS, time_ns + DAY_NS + 1)
    rows = [row_at(run, index) for run in runs for index in range(len(run))]
    usual = _usual_ns(history, channel, time_ns, rows)
    absent = Absent(channel, time_ns, usual)
    row = min(rows, key=lambda row: abs(row.time_ns - time_ns), default=None)
    if row is None:
        return absent
    away = abs(row.time_ns - time_ns)
    own_slot = 2 * away <= usual or (away < usual and not gap_at(history, absent))
    return FoundRow(channel, time_ns, row, usual) if not away or own_slot else absent


def _usual_ns(history: History, channel: str, time_ns: int, rows: list[Row]) -> int:
    """That of the channel's statistic, of its source, or of its times about then; 0: unknown."""
    own = history.knowledge.channels[channel].interval_ns
    if own:
        return own
    paths = {d.source for d in history.knowledge.deployments_at(channel, time_ns)}
    for path, interval_ns in history.intervals.items():
        if path in paths:
            return interval_ns
    times = np.unique([row.time_ns for row in rows])  # several runs may hold one time
    return int(np.median(np.diff(times))) if len(times) > 1 else 0


def why_none(journal: JournalReader, series: Series, history: History, absent: Absent) -> list[str]:
    """The reasons that the journal knows, then what there is nearest."""
    deployed = history.knowledge.deployments_at(absent.channel, absent.time_ns)
    found = [f"{absent.channel} has no observation at {instant_text(absent.time_ns)}"]
    if not deployed:
        found += list(_elsewhere(history, absent))
    elif gap := gap_at(history, absent):
        found.append(gap)
    else:
        became = list(islice(_records(journal, history, absent, deployed), _MOST))
        found += became or list(_silence(journal, absent, deployed))
    return [*found, *_neighbours(series, absent)]


def gap_at(history: History, absent: Absent) -> str:
    """The gap of the channel's source that lies over the time, in words; "" if none does."""
    deployed = history.knowledge.deployments_at(absent.channel, absent.time_ns)
    own, paths = _names(deployed), {d.source for d in deployed}
    known: dict[tuple[str, int, str], tuple[EntryId, Gap]] = {}
    for place, entry in history.gaps:
        if entry.source not in own:
            continue
        gap = Gap.of_payload(entry.payload)
        if gap.cause == FLOOD and entry.source not in paths:
            continue  # of strangers at its broker, who cost a source nothing
        if gap.state == WITHDRAWN:
            known = {
                key: own
                for key, own in known.items()
                if key[0] != entry.source or key[1] < gap.first_ns
            }
        else:
            known[entry.source, gap.first_ns, gap.cause] = (place, gap)
    for (source, _, _), (place, gap) in known.items():
        end = gap.last_ns + absent.reach_ns if gap.state != "open" else FAR_NS
        if gap.first_ns - absent.reach_ns < absent.time_ns <= end:
            return _gap_words(source, place, gap)
    return ""


def _gap_words(source: str, place: EntryId, gap: Gap) -> str:
    until = f"to {instant_text(gap.last_ns)}" if gap.state != "open" else "and still open"
    words = f"gap of {source}: {gap.cause}, from {instant_text(gap.first_ns)} {until}"
    what = "items" if gap.cause == FLOOD else "slots"
    words += f", {gap.n} {what}" if gap.state != "open" else ""
    words += f" (journal {place})"
    if gap.detail:
        words += f": {gap.detail}"
    return words + (f"; came: {shown_bytes(bytes.fromhex(gap.garbled))}" if gap.garbled else "")


def _names(deployed: Sequence[Deployment]) -> set[str]:
    """The source of entries: the path, or for a broker the first part of it."""
    paths = {d.source for d in deployed}
    return paths | {path.partition("/")[0] for path in paths}


def _elsewhere(history: History, absent: Absent) -> Iterator[str]:
    own = [d for d in history.knowledge.deployments if d.channel == absent.channel]
    yield "no deployment fed the channel then" + ("" if own else ", and none ever did")
    for d in own:
        begin = instant_text(d.from_ns) if d.from_ns is not None else "the beginning"
        end = instant_text(d.to_ns) if d.to_ns is not None else "now"
        yield f"  {d.id}: {d.source} {d.output} from {begin} to {end}"


def _silence(
    journal: JournalReader, absent: Absent, deployed: Sequence[Deployment]
) -> Iterator[str]:
    paths = ", ".join(d.source for d in deployed)
    yield f"no record of {paths} and no gap was journalled then"
    last = journal.last
    with suppress(DamagedRow, KeyError):
        entry = journal.entry(last or EntryId(0, 0))
        if entry.received_ns < absent.time_ns:
            yield f"the journal ends at {last}, {instant_text(entry.received_ns)}"


def _records(
    journal: JournalReader, history: History, absent: Absent, deployed: Sequence[Deployment]
) -> Iterator[str]:
    """What the records that came about then became, if not an observation of the channel."""
    waiting: list[tuple[EntryId, Entry]] = []
    for place, entry in journal.scan(_names(deployed), {Kind.RECORD}, on_damage=lambda _: None):
        if history.known_from(place, entry) is None:
            waiting = waiting or [(place, entry)]
        elif abs((entry.slot_ns or entry.received_ns) - absent.time_ns) <= absent.reach_ns:
            yield from _became(history, place, entry, deployed)
    for place, entry in waiting:
        yield (
            f"record {place} of {entry.source}, and maybe later ones, waits: the clock of its boot"
            f" is not known yet (received {instant_text(entry.received_ns)} by that clock)"
        )


def _became(
    history: History, place: EntryId, entry: Entry, deployed: Sequence[Deployment]
) -> Iterator[str]:
    try:
        decoded = history.decode(place, entry)
    except Fault as fault:
        yield f"record {place} of {entry.source} is a dead letter: {fault}"
        return
    for d in deployed:
        if decoded.path == d.source and not any(r.output == d.output for r in decoded.readings):
            stated = ", ".join(r.output for r in decoded.readings) or "nothing"
            yield f"record {place} of {d.source} holds no {d.output}: it says {stated}"
        elif decoded.path == d.source:
            purpose = Purpose(entry.purpose).name.lower()
            yield (
                f"record {place} of {d.source} (purpose {purpose}) holds {d.output},"
                " of another time or not for the series"
            )


def _neighbours(series: Series, absent: Absent) -> Iterator[str]:
    heads = series.heads(absent.channel)
    day = absent.time_ns // DAY_NS
    before = [h.day for h in heads if h.day <= day][-2:]
    after = [h.day for h in heads if h.day >= day][:2]
    times = [
        int(time)
        for d in sorted({*before, *after})
        for run in series.read(absent.channel, d * DAY_NS, (d + 1) * DAY_NS)
        for time in run.time_ns
    ]
    earlier = [t for t in times if t < absent.time_ns]
    later = [t for t in times if t > absent.time_ns]
    for word, found in (("before", earlier[-1:]), ("after", later[:1])):
        yield from (f"the nearest {word}: {instant_text(time)}" for time in found)
