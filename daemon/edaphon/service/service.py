"""The service: every part put together, started, supervised and stopped in the right order."""

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Mapping
from functools import partial
from queue import Empty, SimpleQueue

from edaphon.acquire.budget import Pace
from edaphon.acquire.clock_sync import ClockWatch, Timekeeper
from edaphon.clock import boot_id
from edaphon.config import Configuration
from edaphon.databases import (
    StorageFault,
    explained,
    make_folder,
)
from edaphon.derive.deriver import Deriver
from edaphon.facts import FactRow, knowledge_conflicts, new_rows
from edaphon.journal import DamagedRow, Entry, Journal, Kind, StateFile
from edaphon.journal.fact_log import FACT_LOG_KINDS
from edaphon.journal.guard import guarded
from edaphon.journal.salvage import (
    acknowledgement,
    open_losses,
)
from edaphon.model import Channel, EntryId
from edaphon.series import Series, cursor_name
from edaphon.service.alerting import notifier_of
from edaphon.service.audit import (
    BEGIN_S,
    CHECK_EVERY_S,
    JOURNAL_SUMMARY,
    TRY_AGAIN_S,
    Losses,
    StoredCheck,
)
from edaphon.service.deriving import Deriving, Outputs, SinkParts, line_key
from edaphon.service.disk import Disk, Room
from edaphon.service.jobs import Jobs
from edaphon.service.look import DoubtfulChannels
from edaphon.service.prerequisites import packages_to_record
from edaphon.service.sources import Overrides, SavedPlaces, ServiceSources, all_committed
from edaphon.service.submit import Evidence, configuration_payload, entry_of_evidence, fact_entries
from edaphon.storage.access import Storage
from edaphon.storage.offline import open_series, reached_by
from edaphon.storage.paths import Layout
from edaphon.toml_input.lines import ConfigError, Document

FLUSH_EVERY_S = 3600
IDENTIFY_EVERY_S = 86_400
MESSAGES_EVERY_S = 60  # repeated messages and the weekly report have their times
SAMPLE_EVERY_S = 3600  # of free space
QUALITY_EVERY_S, QUALITY_FIRST_S = 7200, 1800  # tests of the values of a day
TURN_WITHIN_NS, REWORK_WITHIN_NS = 30 * 10**9, 600 * 10**9  # for the machine's watchdog
STOP_THREADS_S, STOP_JOBS_S, STOP_DERIVER_S, STOP_SINK_S = 1.5, 0.5, 1.0, 3.0
HUNG = (
    "deriving did not stop in time and is left as it is: what came in is kept, and the next start"
    " derives it"
)
APPLY_WITHIN_S = 10.0
WATCH_CLOCK_S = 10.0
COMMIT_WITHIN_S = 2.0  # at a stop; on a full disk what came is not acknowledged either
FAILED_WAIT_S = 1.0, 60.0  # before a part that failed begins again, and at most
RECOVERED_S = 3 * FAILED_WAIT_S[1]
_ACCOUNTS = "slot accounts"
SAVE_AT_ENTRIES = 100_000  # behind what is saved: a start reads no more than these
WATCH_SAVED_S = 10.0
_log = logging.getLogger("edaphon")


class Refusal(Exception):
    """Facts that contradict what is known; `complaints` say where and what would be right."""

    def __init__(self, config_errors: list[ConfigError]) -> None:
        self.config_errors = config_errors
        super().__init__("\n".join(map(str, config_errors)))


class NotKept(Exception):
    """The journal can't be written now; the facts wait in memory while the service runs."""

    def __init__(self, n: int) -> None:
        super().__init__(
            f"expected to journal {n} entries within {APPLY_WITHIN_S:.0f} s; they wait in memory"
            " until the journal can be written again: see `edaphon status`"
        )


class Service:
    """Whole once it is made; `start` and `stop` are called once each, from one thread."""

    def __init__(
        self, document: Document, config: Configuration, overrides: Overrides | None = None
    ) -> None:
        """Raises OSError, sqlite3.OperationalError or JournalBusy: no storage, or in use."""
        self.config, self.document = config, document
        self._own = overrides or Overrides()
        self.since_ns, self.clock = time.time_ns(), self._own.clock
        self.since_mono_ns = self.clock.mono_ns()
        self.layout = Layout(config.storage.folder)
        self.disk = Disk(self.layout.folder)
        self.keeper = Timekeeper(self.clock, boot_id())
        self.threads = self._own.make_threads()
        self.is_over = False  # whether all threads have ended at the stop
        self._applying = threading.Lock()
        self.jobs = Jobs(self.report)
        self.doubtful = DoubtfulChannels(self)
        self._open_storage()
        self._open_parts()

    def _open_storage(self) -> None:
        """The files of the storage folder: journal, state, and the guard of entries that fail."""
        make_folder(self.layout.folder)
        for path, words in self.layout.set_aside_non_files():
            self.report(f"file {path.name}", words)
        self.disk.prepare()
        self.journal = Journal.open(
            self.layout.journal,
            self.clock,
            on_problem=lambda text: _log.error("%s", text),
            on_full=self.disk.give_up,
            reached=reached_by(self.layout.series),
        )
        self.guard = guarded(self.journal, self._own.is_armed)
        if self._own.is_armed:
            self.guard.keep_trace()
        self.state = StateFile(self.layout.folder)
        self.disk.restore(self.state.get("disk"))
        if self.state.moved:
            self.report("file state.sqlite", self.state.moved)
        kept = self.state.get(JOURNAL_SUMMARY)
        self.journal.summarise(kept, FACT_LOG_KINDS, partial(self._note, JOURNAL_SUMMARY))

    def _open_parts(self) -> None:
        """In this order: configuration and clock are journalled before anything is derived."""
        config, journal, state, report = self.config, self.journal, self.state, self.report
        self.outputs = Outputs(config.sinks, state, report)
        self.sources = ServiceSources(
            config,
            journal,
            state,
            self.keeper,
            self.threads.run,
            report,
            self._own,
            lambda: Pace(lambda: self.deriver.position, self.outputs.keep_up),
        )
        self._losses = Losses(journal, self.keeper, self.layout.journal)
        set_aside: list[str] = []
        series = open_series(self.layout.series, set_aside.append)
        self._places = SavedPlaces(journal, state, self.keeper, series, report)
        self._accounts = self._places.accounts(config)
        self._alive_until_ns = self.received_ns(journal.last) or 0
        self._journal_configuration()
        self.clock_watch = ClockWatch(self.keeper, journal.append)
        self.clock_watch.begin(config.clock.trust == "system")
        parts = self.threads, self.outputs, self._losses
        self.deriving = Deriving(
            journal, self.layout, self.clock, self.guard, *parts, series, set_aside
        )
        self.records_before = self.deriver.journalled
        self.stored = StoredCheck(
            Storage(config, self.layout),
            self._losses.declare,
            lambda words: self.series.note_damage(words),
            self.threads.stop,
        )
        self.alerts = notifier_of(self, self._own.look_every_s)

    # -- life ------------------------------------------------------------------------------

    def start(self) -> None:
        stop, run = self.threads.stop, self.threads.run
        self.outputs.follow(self.series, self.channels)
        run("deriver", self.deriving.run)
        self.sources.start(self._accounts, self._alive_until_ns)
        run("clock", partial(self.clock_watch.run, stop, self.jobs.wake))
        run("disk", partial(self.disk.watch, stop))
        run("saved places", partial(self._places.watch, self._save_places, stop))
        self._start_jobs()
        run("alerts", partial(self.alerts.run, stop))
        self.alerts.start_sending(run, stop)

    def stop(self) -> None:
        """Within 10 s in any state of any server: sources first, then what they brought.

        What hangs in a call is left behind: `is_over` is False then, and the process should be
        ended without waiting for its threads.
        """
        self.stop_sources()
        self.threads.stop.set()
        self.alerts.wake()
        self.jobs.stop()
        self.threads.join(STOP_THREADS_S)
        self.jobs.join(STOP_JOBS_S)
        with self.deriver.idle(STOP_DERIVER_S) as is_idle:
            if is_idle:
                self._save_places()
                self.settle()
        self.outputs.wake()
        self.outputs.stop(STOP_SINK_S / max(1, len(self.sinks)))
        self.alerts.save(at_once=True)
        if is_idle:
            self._flush_or_words()
        self.journal.close()
        if is_idle:
            self.series.close()
        else:
            _log.error(HUNG)
        self.is_over = is_idle and self.threads.is_over and self.jobs.is_over
        self.guard.forget()  # left by order: no entry is blamed for it
        self.guard.close()
        self.state.close()

    def stop_sources(self) -> None:
        """Nothing comes in any more; what came still goes through."""
        self.sources.stop()
        all_committed(self.journal)

    def settle(self) -> None:
        """Derive what is committed now; for the end of a life and the end of a story."""
        limit = time.monotonic() + 1.5
        with contextlib.suppress(sqlite3.Error):  # of a disk that fails: the next start derives it
            while time.monotonic() < limit and self.deriver.turn():
                pass

    def flush(self) -> None:
        """Write the open day blocks with the cursors of deriver and sinks."""
        cursors = self.outputs.cursors
        self.deriver.flush({cursor_name(name): str(place) for name, place in cursors.items()})
        if cursors and len(self.config.sinks) == len(self.document.table.get("sink", ())):
            self.series.forget_withdrawn(min(self.outputs.cursors.values()))
        self._save_places()

    def _save_places(self) -> None:
        self._places.save(self.sources, self.series)

    def _start_jobs(self) -> None:
        jobs = self.jobs
        jobs.add("flush", self._flush_or_words, FLUSH_EVERY_S)
        jobs.add("check of stored files", self.stored.run, CHECK_EVERY_S, BEGIN_S, TRY_AGAIN_S)
        jobs.add("identification", self.sources.identify_again, IDENTIFY_EVERY_S)
        jobs.add("messages due", self.alerts.wake_senders, MESSAGES_EVERY_S)
        jobs.add("free space", self._sample_disk, SAMPLE_EVERY_S, first_s=0.0)
        jobs.add("quality tests", self.doubtful.run, QUALITY_EVERY_S, QUALITY_FIRST_S)
        jobs.start()

    def _flush_or_words(self) -> str | None:
        """What kept it from being written; the next flush tries again."""
        try:
            self.flush()
        except sqlite3.Error as error:
            self.report("series", f"can't be written, and is tried again: {error}")
            return str(error)
        self.report("series", None)
        return None

    def _sample_disk(self) -> None:
        if self.disk.sample(self.keeper.now_ns()):
            self._note("disk", self.disk.samples)

    def _journal_configuration(self) -> None:
        last = self.journal.copies.last(Kind.CONFIGURATION)
        self.packages = packages_to_record(last[1] if last else None, self.document.text)
        payload, sha256 = configuration_payload(
            self.document, self.config, self.report, self.packages
        )
        self.guard.use_key(line_key(self.config, sha256))
        lost = last is None or last[1].payload != payload
        if lost or sha256 != self.state.get("configuration"):
            # Not waited for, here and with the clock: a full disk must not keep the start waiting.
            self.journal.append(
                [self.keeper.entry(Kind.CONFIGURATION, "", payload)],
                lambda _: self._note("configuration", sha256),
            )
            all_committed(self.journal)  # what is derived from here on is read by it

    def _note(self, key: str, value: object) -> None:
        """Keep a small fact that costs only work where the disk refuses it."""
        try:
            self.state.put(key, value)
        except sqlite3.Error as error:
            words = f"expected to keep {key}, got: {explained(error, self.layout.state)}"
            self.report("file state.sqlite", words)

    # -- parts -----------------------------------------------------------------------------

    @property
    def series(self) -> Series:
        return self.deriving.series

    @property
    def deriver(self) -> Deriver:
        return self.deriving.deriver

    @property
    def deriving_all(self) -> bool:
        """Whether values that a damaged series had are not all derived again yet."""
        return self.deriving.deriving_all

    @property
    def channels(self) -> Mapping[str, Channel]:
        return self.deriver.channels

    @property
    def sinks(self) -> Mapping[str, SinkParts]:
        return self.outputs.sinks

    @property
    def problem(self) -> Mapping[str, str]:
        """What is wrong, by part of the service."""
        return self.threads.problem

    def report(self, who: str, what: str | None) -> None:
        """Once when something is lost, once when it is back."""
        self.threads.report(who, what)

    def received_ns(self, place: EntryId | None) -> int | None:
        """When the entry there was received [UTC ns]; None where it can't be read."""
        try:
            return self.journal.entry(place).received_ns if place is not None else None
        except (DamagedRow, KeyError):
            return None

    # -- running ---------------------------------------------------------------------------

    def apply(self, rows: list[FactRow], who: str, account: str = "") -> int:
        """Journal new facts; those known already are passed over. Raises Refusal."""
        with self._applying:  # or two who say the same at once would both be new
            return self._apply(rows, who, account)

    def _apply(self, rows: list[FactRow], who: str, account: str) -> int:
        knowledge = self.deriver.knowledge
        config_errors = knowledge_conflicts(
            rows, knowledge, self.config.outputs(), sheets=self.config.sheets
        )
        if config_errors:
            raise Refusal(config_errors)
        new = new_rows(rows, knowledge)
        if new:
            entries = fact_entries(new, knowledge, self.config, who, self.keeper, account)
            place = self.keep(entries)
            self._wait_derived(place)
        return len(new)

    def keep_evidence(self, evidence: Evidence, who: str, account: str = "") -> None:
        """Journal a file that facts rest on. Raises ValueError for bytes of another hash."""
        self.keep([entry_of_evidence(evidence, who, self.keeper, account)])

    def keep(self, entries: list[Entry]) -> EntryId:
        """Journal entries that people wait for: the place of the last. Raises NotKept."""
        kept: SimpleQueue[list[EntryId]] = SimpleQueue()
        self.journal.append(entries, kept.put)
        try:
            return kept.get(timeout=APPLY_WITHIN_S)[-1]
        except Empty:
            raise NotKept(len(entries)) from None

    def _wait_derived(self, place: EntryId) -> None:
        """Until what was journalled there is known, so that the next facts are held against it."""
        until = time.monotonic() + APPLY_WITHIN_S
        while self.deriver.position < place and time.monotonic() < until:
            time.sleep(0.01)

    def clear_file(self, file: str) -> None:
        """What the start left out of a file of facts is no longer there: all of it is right."""
        for name in [name for name in self.problem if name.startswith(f"fact at {file}:")]:
            self.report(name, None)

    def acknowledge(self, who: str, account: str = "") -> int:
        """A person has noted all losses until now: how many there were."""
        places = self.deriver.lost_facts.places
        losses = open_losses(self.journal.copies)
        altered = self.stored.altered
        if losses or places or altered:
            payload = acknowledgement(who, places, altered, account)
            self._wait_derived(self.keep([self.keeper.entry(Kind.LOST, "", payload)]))
            self.deriver.settle_lost_facts()
        return len(losses) + len(places) + len(altered)

    def room(self) -> Room:
        """The disk, full too where a commit was refused for want of room."""
        return self.disk.room(self.keeper.now_ns(), self.journal.fault is StorageFault.FULL)

    def alive(self) -> bool:
        """Whether the parts without which nothing is kept still turn."""
        # one channel is taken over at once where it was derived again
        within_ns = REWORK_WITHIN_NS if self.deriver.reworking else TURN_WITHIN_NS
        turns = self.clock.mono_ns() - self.deriving.alive_ns < within_ns
        return self.journal.alive and turns
