"""The thread of the deriver: turn after turn, begun again where a file or an entry ends one."""

import hashlib
import logging
import sqlite3
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import orjson

from edaphon import __version__
from edaphon.acquire.clock_sync import boot_id
from edaphon.config import Configuration
from edaphon.derive.deriver import Deriver
from edaphon.derive.segments import LINE_VERSION
from edaphon.journal import DamagedRow, Journal
from edaphon.journal.fact_log import START
from edaphon.journal.guard import ORDERS, EntryGuard
from edaphon.model import EntryId
from edaphon.series import Series
from edaphon.storage.series_file import new_series, open_series
from edaphon.toml_input.values import instant_text

if TYPE_CHECKING:
    from edaphon.service.service import Service

__all__ = ["Deriving", "aside_rows", "aside_words", "guarded", "line_key"]

GIVE_WAY_S = 0.002
COLLECT_S = 0.1  # what a turn of the deriver costs depends more on its channels than its entries
SERIES_AGAIN_NS = 600 * 10**9  # at least between two times that a damaged one is begun again
STOP_SINK_S = 3.0
SHOWN = 5
_log = logging.getLogger("edaphon")


def guarded(journal: Journal, is_armed: bool) -> EntryGuard:
    """The guard of the journal's one writer, which is this process."""
    journal.guard = EntryGuard(journal.folder, boot_id(), is_armed)
    return journal.guard


def line_key(config: Configuration, sha256: str) -> str:
    """Names all that decides what the bytes of entries mean: software, configuration, sheets."""
    models = {source.model for source in config.sources if source.model}
    sheets = [repr(config.sheets[model]) for model in sorted(models)]
    table = [__version__, LINE_VERSION, sha256, sheets]
    return hashlib.sha256(orjson.dumps(table)).hexdigest()[:16]


def aside_rows(service: "Service") -> list[dict[str, Any]]:
    """The entries that are passed over because they ended the service, for status."""
    rows = []
    for number, one in sorted(service.guard.aside.items()):
        place = EntryId.of(number)
        row = {"entry": str(place), "why": one.why, "since_ns": one.since_ns}
        try:
            entry = service.journal.entry(place)
        except (DamagedRow, KeyError):
            rows.append({**row, "kind": "", "source": "", "received_ns": None})
            continue
        known = {"kind": entry.kind.name.lower(), "source": entry.source}
        rows.append({**row, **known, "received_ns": entry.received_ns})
    return rows


def aside_words(rows: list[dict[str, Any]]) -> Iterator[str]:
    """What a person should know of these; of many, the first ones stand for all."""
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

    def __init__(self, service: "Service", guard: EntryGuard) -> None:
        self._service, self._guard = service, guard
        now_ns = service.clock.mono_ns()
        self._begun_ns, self._until = now_ns - SERIES_AGAIN_NS, START
        self.alive_ns = now_ns
        self.series = open_series(service.layout.series, self._say_aside)
        if guard.ended:
            words = f"{guard.ended}; this is looked at entry by entry"
            _log.warning("the service did not end by order: %s", words)

    def begin(self) -> None:
        self.deriver = self._new_deriver(self.series)

    def run(self) -> None:
        service = self._service
        while not service.stop_event.is_set():
            self.alive_ns = service.clock.mono_ns()
            change = self.series.change
            if not self._turn():
                service.journal.wait_newer(self.deriver.position, 0.5)
            # Between two turns whoever waits for the deriver has it, such as a person's question.
            service.stop_event.wait(GIVE_WAY_S if self.deriver.hurried else COLLECT_S)
            if self.series.change != change:
                for parts in service.sinks.values():
                    parts.delivery.wake()

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
        if self._service.stop_event.is_set():
            return False
        self._stop_sinks()
        old, new = self.series, open_series(self._service.layout.series, self._say_aside)
        self.series, self.deriver = new, self._new_deriver(new)
        old.close()  # behind the change, so that whoever asks meanwhile is answered
        self._service.follow_series()
        return True

    def _begin_again(self) -> bool:
        """A damaged page of a file in use: values come from the journal again, to all sinks."""
        service, old = self._service, self.series
        now_ns = service.clock.mono_ns()
        soon = now_ns - self._begun_ns < SERIES_AGAIN_NS  # no bad disk is worn out by it
        if soon or service.journal.is_failing or service.stop_event.is_set():
            return False
        self._begun_ns, self._until = now_ns, EntryId(2**31, 0)
        self._stop_sinks()
        old.close()  # before: SQLite removes a log by its name, which is the new one's later
        new = new_series(service.layout.series, old.damage, self._say_aside)
        self.series, self.deriver = new, self._new_deriver(new)
        self._until = service.journal.last or START
        service.follow_series()
        return True

    def _stop_sinks(self) -> None:
        for parts in self._service.sinks.values():
            parts.delivery.stop(STOP_SINK_S)

    def _new_deriver(self, series: Series) -> Deriver:
        service, log = self._service, self._service.refused
        return Deriver(
            service.journal,
            series,
            service.layout.scratch,
            log.dead_letter,
            log.lost_line,
            log.note,
            service.on_damage,
            service.on_entered_again,
            self._guard,
        )

    def _say_aside(self, words: str) -> None:
        service = self._service
        self._until = max(self._until, service.journal.last or START)
        service.say_trouble(f"file {service.layout.series.name}", words)
