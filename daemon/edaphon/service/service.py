"""The service: every part put together, started, supervised and stopped in the right order."""

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

import orjson

from edaphon.acquire.clock_sync import Timekeeper, boot_id, kernel_is_synchronised
from edaphon.acquire.gaps import SlotAccount, accounts_of
from edaphon.acquire.pace import Pace
from edaphon.clock import SystemClock
from edaphon.config import Configuration, ScheduledSource
from edaphon.config import Sink as SinkConfig
from edaphon.databases import (
    StorageFault,
    explained,
    make_folder,
)
from edaphon.derive.deriver import Deriver
from edaphon.facts import FactRow, knowledge_conflicts, new_rows
from edaphon.journal import DamagedRow, Entry, Journal, Kind, StateFile
from edaphon.journal.fact_log import FACT_LOG_KINDS
from edaphon.journal.guard import ORDERS
from edaphon.journal.salvage import (
    acknowledgement,
    covered,
    declaration,
    entered_again,
    losses_in,
    open_losses,
)
from edaphon.model import Channel, EntryId
from edaphon.series import Series
from edaphon.service.deriving import Deriving, guarded, line_key
from edaphon.service.disk import Disk, Room
from edaphon.service.jobs import Housekeeping
from edaphon.service.outputs import SinkParts, moved
from edaphon.service.refused_log import RefusedLog
from edaphon.service.sources import Overrides, ServiceSources
from edaphon.service.stored import StoredCheck
from edaphon.service.submit import (
    Evidence,
    configuration_payload,
    entry_of_evidence,
    fact_entries,
)
from edaphon.service.summaries import JOURNAL_SUMMARY
from edaphon.service.watching.alerting import notifier_of
from edaphon.sinks.delivery import Delivery, DeliveryState
from edaphon.sinks.feed import SeriesFeed, cursor_name
from edaphon.sinks.sink import Sink, sink_kind
from edaphon.storage.access import Storage
from edaphon.storage.paths import Layout
from edaphon.storage.series_file import reached_by
from edaphon.toml_input import ConfigError, Document

__all__ = ["NotKept", "Overrides", "Refusal", "Service"]

FLUSH_EVERY_S = 3600
TURN_WITHIN_NS, REWORK_WITHIN_NS = 30 * 10**9, 600 * 10**9  # for the machine's watchdog
STOP_THREADS_S, STOP_DERIVER_S, STOP_SINK_S = 1.5, 1.0, 3.0
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
    """`start` and `stop` are called once each, from one thread."""

    def __init__(
        self, document: Document, config: Configuration, overrides: Overrides | None = None
    ) -> None:
        self.config = config
        self.document = document
        self.since_ns = time.time_ns()
        self._own = overrides or Overrides()
        self.clock = self._own.clock
        self.since_mono_ns = self.clock.mono_ns()
        self.layout = Layout(config.storage.folder)
        self.disk = Disk(self.layout.folder)
        self.keeper = Timekeeper(self.clock, boot_id())
        self.stop_event = threading.Event()
        self.is_over = False  # whether all threads have ended at the stop
        self._applying, self._declaring = threading.Lock(), threading.Lock()
        self._declared: set[tuple[EntryId, EntryId]] = set()  # runs of entries, in this life
        self.stored = StoredCheck(
            Storage(config, self.layout),
            self.on_damage,
            lambda words: self.series.note_damage(words),
            self.stop_event,
        )
        self.problem: dict[str, str] = {}
        self.refused = RefusedLog()
        self._failed_s: dict[str, float] = {}  # monotonic [s]
        self.channels: dict[str, Channel] = {}
        self.clock_how = ""
        self._saved_at: EntryId | None = None  # what a start would read is behind this place
        self._told_offset_ns = self.keeper.offset_ns
        self._threads: list[threading.Thread] = []
        self.sinks: dict[str, SinkParts] = {}
        self._housekeeping = Housekeeping()

    # -- life ------------------------------------------------------------------------------

    def start(self) -> None:
        make_folder(self.layout.folder)
        for path, words in self.layout.set_aside_non_files():
            self.say_trouble(f"file {path.name}", words)
        self.disk.prepare()
        self.journal = Journal.open(
            self.layout.journal,
            self.clock,
            on_problem=self._on_journal,
            on_full=self.disk.give_up,
            reached=reached_by(self.layout.series),
        )
        self.guard = guarded(self.journal, self._own.is_armed)
        if self._own.is_armed:
            self.guard.keep_trace()
        self.state = StateFile(self.layout.folder)
        self.disk.restore(self.state.get("disk"))
        if self.state.moved:
            self.say_trouble("file state.sqlite", self.state.moved)
        kept = self.state.get(JOURNAL_SUMMARY)
        self.journal.summarise(kept, FACT_LOG_KINDS, self._keep_summary)
        self.inlets = ServiceSources(
            self.config,
            self.journal,
            self.state,
            self.keeper,
            self._run,
            self.say_trouble,
            self._own,
            lambda: Pace(lambda: self.deriver.position, self._sinks_keep_up),
        )
        self.deriving = Deriving(self, self.guard)
        accounts, alive_until = self._slot_accounts()
        self._journal_configuration()
        self._begin_clock()
        self.deriving.begin()
        self.records_before = self.deriver.journalled
        self.follow_series()
        self._run("deriver", self.deriving.run)
        self.inlets.start(accounts, alive_until)
        self._run("clock", self._watch_clock)
        keep = partial(self._note, "disk")
        self._run("disk", lambda: self.disk.watch(self.stop_event, self.keeper.now_ns, keep))
        self._run("saved places", self._watch_saved)
        self._run("stored files", self.stored.run)
        self._start_housekeeping()
        self.alerts = notifier_of(self, self._own.look_every_s)
        self._run("alerts", partial(self.alerts.run, self.stop_event))
        self.alerts.start_sending(self._run, self.stop_event)

    def stop(self) -> None:
        """Within 10 s in any state of any server: sources first, then what they brought.

        What hangs in a call is left behind: `is_over` is False then, and the process should be
        ended without waiting for its threads.
        """
        self.stop_sources()
        self.stop_event.set()
        self.alerts.wake()
        self._housekeeping.stop()
        until = time.monotonic() + STOP_THREADS_S
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        with self.deriver.idle(STOP_DERIVER_S) as is_idle:
            if is_idle:
                self._save_accounts()
                self.settle()
        self._stop_sinks()
        self.alerts.save(at_once=True)
        if is_idle:
            self._keep_house()
        self.journal.close()
        if is_idle:
            self.series.close()
        else:
            _log.error(HUNG)
        self.is_over = is_idle and not any(thread.is_alive() for thread in self._threads)
        self.guard.forget()  # left by order: no entry is blamed for it
        self.guard.close()
        self.state.close()

    def _stop_sinks(self) -> None:
        for parts in self.sinks.values():
            parts.delivery.wake()
        for parts in self.sinks.values():
            parts.delivery.stop(STOP_SINK_S / len(self.sinks))

    def stop_sources(self) -> None:
        """Nothing comes in any more; what came still goes through."""
        self.inlets.stop()
        self._all_committed()

    def settle(self) -> None:
        """Derive what is committed now; for the end of a life and the end of a story."""
        limit = time.monotonic() + 1.5
        with contextlib.suppress(sqlite3.Error):  # of a disk that fails: the next start derives it
            while time.monotonic() < limit and self.deriver.turn():
                pass

    def flush(self) -> None:
        """Write the open day blocks with the cursors of deriver and sinks."""
        cursors = {cursor_name(n): str(p.feed.cursor) for n, p in self.sinks.items()}
        self.deriver.flush(cursors)
        if self.sinks:
            self.series.forget_withdrawn(min(p.feed.cursor for p in self.sinks.values()))
        self._save_accounts()

    def _run(self, name: str, life: Callable[[], None]) -> None:
        thread = threading.Thread(target=self._supervise, args=(name, life), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _supervise(self, name: str, life: Callable[[], None]) -> None:
        """The one place that catches everything: name it, say it once, begin again."""
        wait_s = FAILED_WAIT_S[0]
        while not self.stop_event.is_set():
            try:
                life()
                return
            except BaseException as error:  # a panic of a library is no Exception; others go on
                if isinstance(error, ORDERS) and self.stop_event.is_set():
                    return
                words = f"{type(error).__name__}: {error}"
                self.say_trouble(name, f"failed and begins again: {words}")
                self._failed_s[name] = time.monotonic()
                _log.debug("%s", name, exc_info=True)
                self.stop_event.wait(wait_s)
                wait_s = min(2 * wait_s, FAILED_WAIT_S[1])

    def failing(self) -> dict[str, str]:
        """Parts of the service that failed lately, and why; one that runs since is back."""
        for name, failed_s in list(self._failed_s.items()):
            if time.monotonic() - failed_s > RECOVERED_S:
                del self._failed_s[name]
                self.say_trouble(name, None)
        names = [*self._failed_s, "series"]
        return {name: self.problem[name] for name in names if name in self.problem}

    # -- beginning -------------------------------------------------------------------------

    def _journal_configuration(self) -> None:
        payload, sha256 = configuration_payload(self.document, self.config, self.say_trouble)
        self.guard.use_key(line_key(self.config, sha256))
        last = self.journal.copies.last(Kind.CONFIGURATION)
        lost = last is None or last[1].payload != payload
        if lost or sha256 != self.state.get("configuration"):
            # Not waited for, here and with the clock: a full disk must not keep the start waiting.
            self.journal.append(
                [self.keeper.entry(Kind.CONFIGURATION, "", payload)],
                lambda _: self._note("configuration", sha256),
            )
            self._all_committed()  # what is derived from here on is read by it

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

    def follow_series(self) -> None:
        """Sinks and channels of another deriver."""
        self.channels = self.deriver.channels
        self._start_sinks()

    def _begin_clock(self) -> None:
        if self.config.clock.trust == "system":
            self._know_clock("assumed", 1_000_000_000)
        elif kernel_is_synchronised():
            self._know_clock("ntp", 100_000_000)

    def _know_clock(self, how: str, error_ns: int) -> None:
        self.clock_how = how
        self._told_offset_ns = self.keeper.offset_ns
        self.journal.append([self.keeper.clock_entry(how, error_ns)])

    def _watch_clock(self) -> None:
        while not self.stop_event.wait(WATCH_CLOCK_S):
            self.keeper.follow_step()  # a sampler may have followed it first
            self._housekeeping.wake()
            step = self.keeper.offset_ns - self._told_offset_ns
            if not self.clock_how and kernel_is_synchronised():
                self._know_clock("ntp", 100_000_000)
            elif step and self.clock_how:
                _log.warning("the wall clock stepped by %.3f s", step / 1e9)
                self._know_clock(self.clock_how, abs(step))

    def _slot_accounts(self) -> tuple[dict[str, SlotAccount], int]:
        """(accounts of the scheduled sources, when the service was last alive)."""
        saved, accounts = self._saved_accounts(), dict[str, SlotAccount]()
        if saved or any(isinstance(source, ScheduledSource) for source in self.config.sources):
            accounts = accounts_of(saved, self.journal)
        self._former_accounts = {
            path: {**account.to_json(), "mono_ns": self.keeper.mono_ns()}
            for path, account in accounts.items()
        }
        last = self.journal.last
        return accounts, self.received_ns(last) or 0

    def received_ns(self, place: EntryId | None) -> int | None:
        """When the entry there was received [UTC ns]; None where it can't be read."""
        try:
            return self.journal.entry(place).received_ns if place is not None else None
        except (DamagedRow, KeyError):
            return None

    def _keep_summary(self, table: Mapping[str, Any]) -> None:
        self._note(JOURNAL_SUMMARY, table)

    def _note(self, key: str, value: object) -> None:
        """Keep a small fact that costs only work where the disk refuses it."""
        try:
            self.state.put(key, value)
        except sqlite3.Error as error:
            words = f"expected to keep {key}, got: {explained(error, self.layout.state)}"
            self.say_trouble("file state.sqlite", words)

    def _saved_accounts(self) -> Any:
        """As the state file has them, or the series where that was lost."""
        copy = orjson.loads(self.series.checkpoint(_ACCOUNTS) or b"null")
        return self.state.get(_ACCOUNTS) or copy

    def _save_accounts(self) -> None:
        """A place from which the journal tells the rest; the accounts may be old, never too new.

        So a disk that refuses them is no error of who asked: they are saved the next time.
        """
        try:
            self._write_accounts()
        except sqlite3.Error as error:
            self.say_trouble("saved places", f"can't be written, and are tried again: {error}")
        else:
            self.say_trouble("saved places", None)

    def _write_accounts(self) -> None:
        place = self.journal.last
        summary = self.journal.summary
        accounts = {**self._former_accounts, **self.inlets.saved_accounts()}
        if place is None or not self._all_committed():
            return
        self.inlets.save(place)
        saved = [list(place), accounts, self.keeper.boot]
        self.state.put(_ACCOUNTS, saved)
        if summary is not None:
            self.state.put(JOURNAL_SUMMARY, summary.to_json(self.journal))
        self.series.flush_notes({_ACCOUNTS: orjson.dumps(saved).decode()})
        self._saved_at = place

    def _watch_saved(self) -> None:
        """Save again where so much came in that a start would read long."""
        while not self.stop_event.is_set():
            last, saved = self.journal.last, self._saved_at
            if last is not None and (
                saved is None or last.file > saved.file or last.n - saved.n > SAVE_AT_ENTRIES
            ):
                self._save_accounts()
            self.stop_event.wait(WATCH_SAVED_S)

    def _all_committed(self) -> bool:
        """Whether all that was appended until now is committed; it waits for that."""
        if self.journal.is_failing:
            return False
        committed = threading.Event()
        self.journal.append([], lambda _: committed.set())
        return committed.wait(COMMIT_WITHIN_S)

    def _start_sinks(self) -> None:
        for config in self.config.sinks:
            feed = SeriesFeed(config.name, self.series, self.channels, self.state)
            delivery = Delivery(
                config.name,
                partial(self.open_sink, config),
                feed,
                self.state,
                SystemClock(),
                self._on_sink,
            )
            self.sinks[config.name] = SinkParts(config, feed, delivery)
            if moved(self.state, config, feed.cursor):
                feed.send_again()
            delivery.start()

    def _sinks_keep_up(self) -> bool:
        """Those that are lost do not count: nothing waits for a server."""
        return all(p.feed.keeps_up for p in self.sinks.values() if p.delivery.state.up)

    def open_sink(self, config: SinkConfig) -> Sink:
        kind = sink_kind(config.kind)
        return kind.open_sink(kind.Settings.model_validate(config.settings), self.channels)

    def _start_housekeeping(self) -> None:
        self._housekeeping.add(self._keep_house, FLUSH_EVERY_S)
        self._housekeeping.start()

    def _keep_house(self) -> None:
        try:
            self.flush()
        except sqlite3.Error as error:
            self.say_trouble("series", f"can't be written, and is tried again: {error}")
        else:
            self.say_trouble("series", None)

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

    def say_trouble(self, who: str, what: str | None) -> None:
        """Once when something is lost, once when it is back."""
        if what is None:
            if self.problem.pop(who, None) is not None:
                _log.warning("%s is back", who)
        elif who not in self.problem:
            self.problem[who] = what
            _log.warning("%s: %s", who, what)

    def clear_file(self, file: str) -> None:
        """What the start left out of a file of facts no longer stands there: all of it is right."""
        for name in [name for name in self.problem if name.startswith(f"fact at {file}:")]:
            self.say_trouble(name, None)

    def _on_journal(self, text: str) -> None:
        _log.error("%s", text)

    def on_damage(self, damage: DamagedRow) -> None:
        """Declare entries that can't be read, once, so that a person sees it until it is noted."""
        with self._declaring:
            run = damage.first, damage.last
            if run in self._declared or covered(losses_in(self.journal.copies), damage):
                return
            self._declared.add(run)
            payload = declaration(damage, self.layout.journal)
            self.journal.append([self.keeper.entry(Kind.LOST, "", payload)])

    def on_entered_again(self, places: frozenset[EntryId], by: EntryId | None) -> None:
        """What was lost of these places is known again by later entries."""
        self.journal.append([self.keeper.entry(Kind.LOST, "", entered_again(places, by))])

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

    def _on_sink(self, state: DeliveryState) -> None:
        self.say_trouble(f"sink {state.sink}", None if state.up else state.why)

    def room(self) -> Room:
        """The disk, full too where a commit was refused for want of room."""
        return self.disk.room(self.keeper.now_ns(), self.journal.fault is StorageFault.FULL)

    def alive(self) -> bool:
        """Whether the parts without which nothing is kept still turn."""
        # one channel is taken over at once where it was derived again
        within_ns = REWORK_WITHIN_NS if self.deriver.reworking else TURN_WITHIN_NS
        turns = self.clock.mono_ns() - self.deriving.alive_ns < within_ns
        return self.journal.alive and turns
