"""The thread of the deriver, the sinks that follow its series, and what it logs.

A file or an entry that ends a turn begins it again. Each source has its own number of causes in the
log: what one of them sends, or a stranger in the name of none, neither fills the log nor silences
the words about another.
"""

import hashlib
import logging
import re
import sqlite3
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson

from edaphon import __version__
from edaphon.clock import Clock, SystemClock, instant_text
from edaphon.config import Configuration
from edaphon.config.model import SinkTable
from edaphon.derive.decode import Note
from edaphon.derive.deriver import Deriver
from edaphon.derive.files import KeptRefusal
from edaphon.derive.pipeline import DeadLetter, LostLine
from edaphon.derive.segments import LINE_VERSION
from edaphon.journal import START, DamagedRow, Journal, JournalReader, SetAside, StateFile
from edaphon.journal.guard import ORDERS, EntryGuard
from edaphon.model import Channel, EntryId
from edaphon.series import Series
from edaphon.service.audit import Losses
from edaphon.service.jobs import Threads
from edaphon.service.notes import refusal_text
from edaphon.sinks.delivery import Delivery, DeliveryState
from edaphon.sinks.feed import EVER, SeriesFeed
from edaphon.sinks.sink import Sink, sink_kind
from edaphon.storage.access import new_series, open_series
from edaphon.storage.paths import Layout

REFUSALS = 100  # kinds of refusal that are listed for a sink
# Of each source and kind; those of messages of no source are one source for each broker.
CAUSES = 50
_QUOTED_OR_NUMBER = re.compile(r"'[^']*'|\"[^\"]*\"|\d+")
_log = logging.getLogger("edaphon")
GIVE_WAY_S = 0.002
COLLECT_S = 0.1  # what a turn of the deriver costs depends more on its channels than its entries
SERIES_AGAIN_NS = 600 * 10**9  # at least between two times that a damaged one is begun again
STOP_SINK_S = 3.0
SHOWN = 5


@dataclass(frozen=True, slots=True)
class SinkParts:
    config: SinkTable
    feed: SeriesFeed
    delivery: Delivery


class Outputs:
    """The sinks of a service; `follow` begins them all, on another series once more."""

    def __init__(
        self,
        configs: Sequence[SinkTable],
        state: StateFile,
        report: Callable[[str, str | None], None],
    ) -> None:
        self._configs, self._state, self._report = configs, state, report
        self.sinks: dict[str, SinkParts] = {}

    def follow(self, series: Series, channels: Mapping[str, Channel]) -> None:
        for config in self._configs:
            feed = SeriesFeed(config.name, series, channels, self._state)
            delivery = Delivery(
                config.name,
                partial(opened_sink, config, channels),
                feed,
                self._state,
                SystemClock(),
                self._on_sink,
            )
            self.sinks[config.name] = SinkParts(config, feed, delivery)
            if moved(self._state, config, feed.cursor):
                feed.send_again()
            delivery.start()

    def _on_sink(self, state: DeliveryState) -> None:
        self._report(f"sink {state.sink}", None if state.up else state.why)

    def wake(self) -> None:
        for parts in self.sinks.values():
            parts.delivery.wake()

    def stop(self, each_within_s: float) -> None:
        for parts in self.sinks.values():
            parts.delivery.stop(each_within_s)

    def keep_up(self) -> bool:
        """Those that are lost do not count: nothing waits for a server."""
        return all(p.feed.keeps_up for p in self.sinks.values() if p.delivery.state.up)

    @property
    def cursors(self) -> dict[str, int]:
        """By sink, the change of the series up to which all is delivered."""
        return {name: parts.feed.cursor for name, parts in self.sinks.items()}


def opened_sink(config: SinkTable, channels: Mapping[str, Channel]) -> Sink:
    kind = sink_kind(config.kind)
    return kind.open_sink(kind.settings.model_validate(config.settings), channels)


def moved(state: StateFile, config: SinkTable, cursor: int) -> bool:
    """Whether the sink has another place than in the last life, which is noted for the next.

    Where the state file was lost since, that is not known, nor which points it had refused.
    """
    settings: Any = sink_kind(config.kind).settings.model_validate(config.settings)
    key, place = f"sink {config.name} place", f"{config.kind} {settings.place}"
    known = state.get(key)
    if known != place:
        state.put(key, place)
    return known != place and (known is not None or cursor > 0)


def retry(sinks: Mapping[str, SinkParts], name: str = "") -> dict[str, int]:
    """Offer again what is set aside; how many points, for each sink. KeyError: no such sink."""
    chosen = {name: sinks[name]} if name else sinks
    return {each: parts.delivery.offer_all() for each, parts in chosen.items()}


def resend(sinks: Mapping[str, SinkParts], name: str, since_ns: int = EVER) -> None:
    """Send everything from that time on once more. KeyError: no such sink."""
    parts = sinks[name]
    parts.feed.send_again(since_ns)
    parts.delivery.wake()


def refusals(points: Sequence[SetAside]) -> list[dict[str, Any]]:
    """Refused points by channel and the server's words, the most frequent first."""
    found: dict[tuple[str, str], list[int]] = {}
    for point in points:
        found.setdefault((point.channel, point.words), []).append(point.time_ns)
    rows: list[dict[str, Any]] = [
        {"channel": c, "words": w, "n": len(t), "first_ns": min(t), "last_ns": max(t)}
        for (c, w), t in found.items()
    ]
    return sorted(rows, key=lambda row: -int(row["n"]))[:REFUSALS]


class RefusedLog:
    """The listeners of a deriver; ledgers, accounts of files and status count everything."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], set[Hashable]] = {}

    def dead_letter(self, letter: DeadLetter) -> None:
        cause = (letter.source, letter.why)
        if self._is_new("dead letter", letter.path or f"none at {letter.source}", cause):
            _log.warning("dead letter %s from %s: %s", letter.sequence, *cause)

    def lost_line(self, lost: LostLine) -> None:
        kind = _QUOTED_OR_NUMBER.sub("", lost.line.reason)
        if self._is_new("lost line", lost.source, (lost.file, kind)):
            text = refusal_text(KeptRefusal.of(lost.line, 0)._asdict())
            words = "%s %s: line refused (1 for each reason is shown): %s"
            _log.warning(words, lost.source, lost.file, text)

    def note(self, note: Note) -> None:
        if self._is_new("note", note.path, note):
            _log.warning("%s: %s: no value of it (the first is shown, status counts all)", *note)

    def _is_new(self, kind: str, source: str, cause: Hashable) -> bool:
        known = self._known.setdefault((kind, source), set())
        if cause in known or len(known) >= CAUSES:
            return False
        known.add(cause)
        return True


def line_key(config: Configuration, sha256: str) -> str:
    """Names all that decides what the bytes of entries mean: software, configuration, sheets."""
    models = {s.model for s in config.sources if s.model and s.model in config.sheets}
    sheets = [repr(config.sheets[model]) for model in sorted(models)]
    table = [__version__, LINE_VERSION, sha256, sheets]
    return hashlib.sha256(orjson.dumps(table)).hexdigest()[:16]


def aside_rows(guard: EntryGuard, journal: JournalReader) -> list[dict[str, Any]]:
    """The entries that are passed over because they ended the service, for status."""
    rows = []
    for number, one in sorted(guard.aside.items()):
        place = EntryId.of(number)
        row = {"entry": str(place), "why": one.why, "since_ns": one.since_ns}
        try:
            entry = journal.entry(place)
        except (DamagedRow, KeyError):
            rows.append({**row, "kind": "", "source": "", "received_ns": None})
            continue
        known = {"kind": entry.kind.name.lower(), "source": entry.source}
        rows.append({**row, **known, "received_ns": entry.received_ns})
    return rows


def aside_words(rows: list[dict[str, Any]]) -> Iterator[str]:
    """What a person should know of these; of many, the first ones represent all."""
    for row in rows[:SHOWN]:
        of = f" of {row['source']}" if row["source"] else ""
        at = f", received {instant_text(row['received_ns'])}" if row["received_ns"] else ""
        yield (
            f"entry {row['entry']} ({row['kind'] or 'unreadable'}{of}{at}) is set aside:"
            f" {row['why']}; its bytes are kept, its values are missing, and all other entries go"
            " on. It is tried again after an update of edaphon, of its model sheet or of"
            " edaphon.toml. Check the model or codec of this source, and report the entry to the"
            " maintainers"
        )
    if (more := len(rows) - SHOWN) > 0:
        yield f"{more} more entries are set aside: see `edaphon status --json`"


class Deriving:
    """Holds the series and the deriver of a service, which may be others later."""

    def __init__(
        self,
        journal: Journal,
        layout: Layout,
        clock: Clock,
        guard: EntryGuard,
        threads: Threads,
        outputs: Outputs,
        losses: Losses,
        series: Series,
        set_aside: Iterable[str] = (),
    ) -> None:
        """`set_aside` is why a file was set aside when `series` was opened."""
        self._journal, self._layout, self._clock, self._guard = journal, layout, clock, guard
        self._threads, self._outputs, self._losses = threads, outputs, losses
        self._log = RefusedLog()
        now_ns = clock.mono_ns()
        self._begun_ns, self._until = now_ns - SERIES_AGAIN_NS, START
        self.alive_ns = now_ns
        for words in set_aside:
            self._say_aside(words)
        if guard.ended:
            words = f"{guard.ended}; this is looked at entry by entry"
            _log.warning("the service did not end by order: %s", words)
        self.series, self.deriver = series, self._new_deriver(series)

    def run(self) -> None:
        while not self._threads.stop.is_set():
            self.alive_ns = self._clock.mono_ns()
            change = self.series.change
            if not self._turn():
                self._journal.wait_newer(self.deriver.position, 0.5)
            # Between two turns whoever waits for the deriver has it, such as a person's question.
            self._threads.stop.wait(GIVE_WAY_S if self.deriver.hurried else COLLECT_S)
            if self.series.change != change:
                self._outputs.wake()

    @property
    def deriving_all(self) -> bool:
        """Whether values that a damaged series had are not all derived again yet."""
        return self.deriver.position < self._until

    def _turn(self) -> bool:
        """A turn of the deriver; a series that turns out to be damaged is begun again."""
        try:
            if not self.series.damage:
                return self.deriver.turn()
        except sqlite3.DatabaseError:
            if not self.series.damage:
                raise
        except ORDERS:
            raise
        except BaseException as error:  # of an entry; any other is for this thread's supervisor
            if not (words := self._guard.failed(error)):
                raise
            _log.warning("deriving failed and goes on from what was written: %s", words)
            _log.debug("deriver", exc_info=True)
            return self._go_on_from_file()
        return self._begin_again()

    def _go_on_from_file(self) -> bool:
        """A step that failed has left the deriver between two entries: only the file is whole."""
        if self._threads.stop.is_set():
            return False
        self._outputs.stop(STOP_SINK_S)
        old, new = self.series, open_series(self._layout.series, self._say_aside)
        self.series, self.deriver = new, self._new_deriver(new)
        old.close()  # behind the change, so that whoever asks meanwhile is answered
        self._outputs.follow(new, self.deriver.channels)
        return True

    def _begin_again(self) -> bool:
        """A damaged page of a file in use: values come from the journal again, to all sinks."""
        old, now_ns = self.series, self._clock.mono_ns()
        soon = now_ns - self._begun_ns < SERIES_AGAIN_NS  # no bad disk is worn out by it
        if soon or self._journal.is_failing or self._threads.stop.is_set():
            return False
        self._begun_ns, self._until = now_ns, EntryId(2**31, 0)
        self._outputs.stop(STOP_SINK_S)
        old.close()  # before: SQLite removes a log by its name, which is the new one's later
        new = new_series(self._layout.series, old.damage, self._say_aside)
        self.series, self.deriver = new, self._new_deriver(new)
        self._until = self._journal.last or START
        self._outputs.follow(new, self.deriver.channels)
        return True

    def _new_deriver(self, series: Series) -> Deriver:
        return Deriver(
            self._journal,
            series,
            self._layout.scratch,
            self._log.dead_letter,
            self._log.lost_line,
            self._log.note,
            self._losses.declare,
            self._losses.note_entered_again,
            self._guard,
        )

    def _say_aside(self, words: str) -> None:
        self._until = max(self._until, self._journal.last or START)
        self._threads.report(f"file {self._layout.series.name}", words)
