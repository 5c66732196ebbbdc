"""All that brings records: lines that are polled, lines that send by themselves, files, brokers."""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from edaphon.acquire.budget import Budgets, Floods, free_bytes
from edaphon.acquire.bus import BusOwner, link_opener
from edaphon.acquire.sampler import Sampler, scheduled
from edaphon.acquire.slots import Gap, Schedule, SlotAccount, Timekeeper, accounts_of
from edaphon.acquire.stream import StreamReader
from edaphon.acquire.switches import BranchSwitch, branch_switch, supply_switches
from edaphon.clock import Clock, SystemClock
from edaphon.config import Broker, Bus, Configuration, FileSource, HeardSource, ScheduledSource
from edaphon.config.model import secret_files
from edaphon.journal import Journal, StateFile
from edaphon.model import EntryId
from edaphon.series import Series
from edaphon.service.audit import JOURNAL_SUMMARY
from edaphon.service.jobs import Threads
from edaphon_drivers.faults import Fault
from edaphon_drivers.talk import Timing

if TYPE_CHECKING:
    from edaphon.acquire.broker import BrokerLink, BrokerReader, BrokerSession
    from edaphon.acquire.budget import Pace
    from edaphon.acquire.files import Follower

_BUDGETS, _ACCOUNTS = "budgets", "slot accounts"
COMMIT_WITHIN_S = 2.0  # at a stop; on a full disk what came is not acknowledged either
SAVE_AT_ENTRIES = 100_000  # behind what is saved: a start reads no more than these
WATCH_SAVED_S = 10.0
STOP_S = 2.0  # for a line or link that hangs in a call
_log = logging.getLogger("edaphon")


@dataclass(frozen=True, slots=True)
class Overrides:
    """What a test or the demo puts in the place of the usual: other clocks, other slots."""

    clock: Clock = field(default_factory=SystemClock)
    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    timing: Timing | None = None
    make_link: "Callable[..., BrokerLink] | None" = None  # to a broker; usually over MQTT
    make_bus: Callable[..., BusOwner] = BusOwner
    look_every_s: float = 30.0  # of the alerts at the station
    make_threads: Callable[[], Threads] = Threads
    is_armed: bool = False  # a step of the deriver that never ends ends the process


class ServiceSources:
    """`start` and `stop` are called once each; `run` starts a named, supervised thread."""

    def __init__(
        self,
        config: Configuration,
        journal: Journal,
        state: StateFile,
        keeper: Timekeeper,
        run: Callable[[str, Callable[[], None]], None],
        report: Callable[[str, str | None], None],
        overrides: Overrides,
        make_pace: Callable[[], "Pace"],
    ) -> None:
        self._make_pace = make_pace
        self._config, self._journal, self._state, self._keeper = config, journal, state, keeper
        self._run, self._report, self._own = run, report, overrides
        self._stop = threading.Event()
        self.floods = Floods(journal, state, keeper)
        self._budgets = Budgets(
            config.budget.source_mb_per_day * 1_000_000,
            config.budget.unknown_mb_per_day * 1_000_000,
            len(config.sources),
            partial(free_bytes, config.storage.folder),
        )
        if kept := state.get(_BUDGETS):
            passed_ns = self._keeper.now_ns() - kept["at_ns"]
            self._budgets.restore(kept["levels"], passed_ns / 1e9)
        self._supplies = supply_switches(config)
        self.buses: dict[str, BusOwner] = {}
        self.samplers: dict[str, Sampler] = {}
        self.branches: dict[str, BranchSwitch | None] = {}
        self.streams: dict[str, StreamReader] = {}
        self.followers: dict[str, Follower] = {}
        self.readers: dict[str, BrokerReader] = {}
        self._sessions: dict[str, BrokerSession] = {}

    @property
    def taken(self) -> int:
        """Records handed to the journal since the start, as the links counted them."""
        links: list[Sampler | StreamReader | Follower] = [*self.samplers.values()]
        links += [*self.streams.values(), *self.followers.values()]
        received = sum(reader.state.journalled for reader in self.readers.values())
        return received + sum(link.taken for link in links)

    @property
    def open_gaps(self) -> list[Gap]:
        """The gaps that still grow."""
        accounts = [a for s in self.samplers.values() for a in s.accounts.values()]
        return [account.gap for account in accounts if account.gap is not None]

    def identify_again(self) -> None:
        """Each instrument that is asked may be another one since."""
        for sampler in self.samplers.values():
            sampler.identify_again()

    def saved_accounts(self) -> dict[str, dict[str, Any]]:
        """What became of each slot of each scheduled source, to be kept over a restart."""
        return {p: a for s in self.samplers.values() for p, a in s.saved_accounts().items()}

    def save(self, place: EntryId) -> None:
        """Keep how far the files were read, up to a place of the journal that is committed."""
        self.floods.keep()
        levels = {"at_ns": self._keeper.now_ns(), "levels": self._budgets.save()}
        self._state.put(_BUDGETS, levels)
        for follower in self.followers.values():
            follower.save(place)
        for name, reader in self.readers.items():
            self._sessions[name].save(reader.link.state)

    def start(self, accounts: Mapping[str, SlotAccount], alive_until_ns: int) -> None:
        for name, supply in self._supplies.items():
            with self._reporting(f"supply {name}"):
                supply.off()
        for name, bus in self._config.buses.items():
            if bus.kind != "stream":
                self._start_bus(name, bus, accounts, alive_until_ns)
        for source in self._config.sources:
            if isinstance(source, HeardSource):
                self._start_stream(source)
            elif isinstance(source, FileSource):
                self._start_follower(source)
        self._run("floods", partial(self.floods.run, self._stop))
        for name, broker in self._config.brokers.items():
            self._run(f"start of broker {name}", partial(self._start_broker, name, broker))

    def stop(self) -> None:
        """Nothing comes in any more; what hangs in a call is left behind after STOP_S."""
        self._stop.set()
        ends: list[Callable[[], None]] = [reader.stop for reader in self.readers.values()]
        ends += [bus.stop for bus in self.buses.values()]
        ends += [stream.wait_stopped for stream in self.streams.values()]
        threads = [threading.Thread(target=end, daemon=True) for end in ends]
        for thread in threads:
            thread.start()
        until = time.monotonic() + STOP_S
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        self.floods.close()

    def _start_bus(
        self, name: str, table: Bus, accounts: Mapping[str, SlotAccount], alive_until_ns: int
    ) -> None:
        bus = self._own.make_bus(name, link_opener(table), SystemClock())
        branches = branch_switch(table)
        missing = self._config.missing()
        own = [
            scheduled(
                source,
                table,
                self._config.sheet(source),
                self._own.schedules.get(source.path),
                self._own.timing,
                self._supplies,
                branches,
                missing.get(source.path, ""),
            )
            for source in self._config.sources
            if isinstance(source, ScheduledSource) and source.bus == name
        ]
        takes = self._budgets.takes
        sampler = Sampler(bus, own, accounts, self._journal, self._keeper, self._report, takes)
        sampler.account_for_absence(alive_until_ns)
        self.buses[name], self.samplers[name] = bus, sampler
        self.branches[name] = branches
        bus.start()
        self._run(f"slots of {name}", partial(sampler.run, self._stop))

    # What only some plots have is imported where it is needed: a start pays for nothing else.

    def _start_stream(self, source: HeardSource) -> None:
        from edaphon_drivers.ascii import engine as ascii_lines

        sheet = self._config.sheet(source)
        reader = StreamReader(
            source.path,
            link_opener(self._config.buses[source.bus]),
            ascii_lines.line_end(sheet),
            ascii_lines.start_commands(sheet),
            self._journal,
            self._keeper,
            self._report,
            partial(self._budgets.takes, source.path),
            partial(self.floods.count, source.path),
        )
        self.streams[source.path] = reader
        self._run(f"stream of {source.bus}", partial(reader.run, self._stop))

    def _start_follower(self, source: FileSource) -> None:
        from edaphon.acquire.file_pieces import FileBudget
        from edaphon.acquire.files import Follower

        follower = Follower(
            source.path,
            source.file,
            self._config.sheet(source),
            self._journal,
            self._keeper,
            self._state,
            self._make_pace(),
            FileBudget(source.path, self._budgets, self.floods),
            self._report,
            secret_files(self._config),
        )
        self.followers[source.path] = follower
        self._run(f"files of {source.name}", partial(follower.run, self._stop))

    def _start_broker(self, name: str, broker: Broker) -> None:
        from edaphon.acquire.broker import BrokerBudget, BrokerReader, BrokerSession, owner_of
        from edaphon_drivers.links.mqtt import MqttLink

        logger = self._config.logger.id
        session = BrokerSession(name, broker, logger, self._journal, self._state)
        reader = BrokerReader(
            name,
            session.options(),
            self._journal,
            self._own.clock,
            self._keeper.boot,
            partial(self._on_broker, name),
            self._own.make_link or MqttLink,
            BrokerBudget(name, owner_of(self._config, name), self._budgets, self.floods),
        )
        self._sessions[name], self.readers[name] = session, reader
        reader.start()
        self._report(f"start of broker {name}", None)

    def _on_broker(self, name: str, connected: bool, words: str) -> None:
        self._report(f"broker {name}", None if connected else words)
        if connected and "connected again" not in words:
            _log.warning("broker %s: %s", name, words)  # a lost session, refused topics

    @contextmanager
    def _reporting(self, who: str) -> Iterator[None]:
        """A fault in here is reported, and keeps nothing else from starting."""
        try:
            yield
        except Fault as fault:
            self._report(who, str(fault))


class SavedPlaces:
    """From where a start goes on: slot accounts, files, budgets, as of one committed place."""

    def __init__(
        self,
        journal: Journal,
        state: StateFile,
        keeper: Timekeeper,
        series: Series,
        report: Callable[[str, str | None], None],
    ) -> None:
        """`series` has a copy of what the state file has."""
        self._journal, self._state, self._keeper = journal, state, keeper
        self._report = report
        copy = orjson.loads(series.checkpoint(_ACCOUNTS) or b"null")
        self._saved: Any = state.get(_ACCOUNTS) or copy
        self._former: dict[str, Any] = {}
        self._saved_at: EntryId | None = None  # what a start would read is behind this place

    def accounts(self, config: Configuration) -> dict[str, SlotAccount]:
        """Those of the scheduled sources, as they were and as the journal went on."""
        accounts = dict[str, SlotAccount]()
        if self._saved or any(isinstance(source, ScheduledSource) for source in config.sources):
            accounts = accounts_of(self._saved, self._journal)
        self._former = {
            path: {**account.to_json(), "mono_ns": self._keeper.mono_ns()}
            for path, account in accounts.items()
        }
        return accounts

    def save(self, sources: ServiceSources, series: Series) -> None:
        """A place from which the journal gives the rest; a disk that refuses it is asked again."""
        try:
            self._write(sources, series)
        except sqlite3.Error as error:
            self._report("saved places", f"can't be written, and are tried again: {error}")
        else:
            self._report("saved places", None)

    def _write(self, sources: ServiceSources, series: Series) -> None:
        place = self._journal.last
        summary = self._journal.summary
        accounts = {**self._former, **sources.saved_accounts()}
        if place is None or not all_committed(self._journal):
            return
        sources.save(place)
        saved = [list(place), accounts, self._keeper.boot]
        self._state.put(_ACCOUNTS, saved)
        if summary is not None:
            self._state.put(JOURNAL_SUMMARY, summary.to_json(self._journal))
        series.flush_notes({_ACCOUNTS: orjson.dumps(saved).decode()})
        self._saved_at = place

    def watch(self, save: Callable[[], None], stop: threading.Event) -> None:
        """Save again where so much came in that a start would read long."""
        while not stop.is_set():
            last, saved = self._journal.last, self._saved_at
            if last is not None and (
                saved is None or last.file > saved.file or last.n - saved.n > SAVE_AT_ENTRIES
            ):
                save()
            stop.wait(WATCH_SAVED_S)


def all_committed(journal: Journal) -> bool:
    """Whether all that was appended until now is committed; it waits for that."""
    if journal.is_failing:
        return False
    committed = threading.Event()
    journal.append([], lambda _: committed.set())
    return committed.wait(COMMIT_WITHIN_S)
