"""All that brings records: lines that are asked, lines that are heard, files, brokers."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from edaphon.acquire.budget import Budgets, free_bytes
from edaphon.acquire.bus import Bus
from edaphon.acquire.clock_sync import Timekeeper
from edaphon.acquire.floods import Floods
from edaphon.acquire.gaps import Gap, SlotAccount
from edaphon.acquire.sampler import Sampler
from edaphon.acquire.slots import Schedule
from edaphon.acquire.stream import StreamReader
from edaphon.acquire.switches import BranchSwitch
from edaphon.clock import Clock, SystemClock
from edaphon.config import Broker, Configuration, FileSource, HeardSource, ScheduledSource
from edaphon.config import Bus as BusTable
from edaphon.config.model import secret_files
from edaphon.journal import Journal, StateFile
from edaphon.model import EntryId
from edaphon.service.wiring import (
    ClientName,
    branch_switch,
    client_id,
    link_opener,
    mqtt_options,
    scheduled,
    supply_switches,
)
from edaphon_drivers.faults import Fault
from edaphon_drivers.talk import Timing

if TYPE_CHECKING:
    from edaphon.acquire.broker import BrokerReader, Link
    from edaphon.acquire.follow import Follower
    from edaphon.acquire.pace import Pace

__all__ = ["ServiceSources", "Overrides"]

_BUDGETS = "budgets"
_CLIENT, _SESSION = "mqtt client of broker {}", "session at broker {}"
STOP_S = 2.0  # for a line or link that hangs in a call
_log = logging.getLogger("edaphon")


@dataclass(frozen=True, slots=True)
class Overrides:
    """What a test or the demo puts in the place of the usual: other clocks, other slots."""

    clock: Clock = field(default_factory=SystemClock)
    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    timing: Timing | None = None
    make_link: "Callable[..., Link] | None" = None  # to a broker; usually over MQTT
    make_bus: Callable[..., Bus] = Bus
    look_every_s: float = 30.0  # of the alerts at the station
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
        say: Callable[[str, str | None], None],
        overrides: Overrides,
        make_pace: Callable[[], "Pace"],
    ) -> None:
        self._make_pace = make_pace
        self._config, self._journal, self._state, self._keeper = config, journal, state, keeper
        self._run, self._say, self._own = run, say, overrides
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
        self.buses: dict[str, Bus] = {}
        self.samplers: dict[str, Sampler] = {}
        self.branches: dict[str, BranchSwitch | None] = {}
        self.streams: dict[str, StreamReader] = {}
        self.followers: dict[str, Follower] = {}
        self.readers: dict[str, BrokerReader] = {}

    @property
    def taken(self) -> int:
        """Records handed to the journal since the start, as the links counted them."""
        asked = sum(sampler.taken for sampler in self.samplers.values())
        streamed = sum(stream.taken for stream in self.streams.values())
        followed = sum(follower.taken for follower in self.followers.values())
        received = sum(reader.state.journalled for reader in self.readers.values())
        return asked + streamed + followed + received

    @property
    def open_gaps(self) -> list[Gap]:
        """The gaps that still grow."""
        accounts = [a for s in self.samplers.values() for a in s.accounts.values()]
        return [account.gap for account in accounts if account.gap is not None]

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
            self._save_client(name, reader)
            self._save_session(name, reader)

    def start(self, accounts: Mapping[str, SlotAccount], alive_until_ns: int) -> None:
        for name, supply in self._supplies.items():
            with self._telling(f"supply {name}"):
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
        """Nothing comes in any more; what came is in the journal's hands.

        A line or a link that hangs in a call is left behind after STOP_S.
        """
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
        self,
        name: str,
        table: BusTable,
        accounts: Mapping[str, SlotAccount],
        alive_until_ns: int,
    ) -> None:
        bus = self._own.make_bus(name, link_opener(table), SystemClock())
        branches = branch_switch(table)
        own = [
            scheduled(
                source,
                table,
                self._config.sheet(source),
                self._own.schedules.get(source.path),
                self._own.timing,
                self._supplies,
                branches,
            )
            for source in self._config.sources
            if isinstance(source, ScheduledSource) and source.bus == name
        ]
        takes = self._budgets.takes
        sampler = Sampler(bus, own, accounts, self._journal, self._keeper, self._say, takes)
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
            self._say,
            partial(self._budgets.takes, source.path),
            partial(self.floods.count, source.path),
        )
        self.streams[source.path] = reader
        self._run(f"stream of {source.bus}", partial(reader.run, self._stop))

    def _start_follower(self, source: FileSource) -> None:
        from edaphon.acquire.file_budget import FileBudget
        from edaphon.acquire.follow import Follower

        follower = Follower(
            source.path,
            source.file,
            self._config.sheet(source),
            self._journal,
            self._keeper,
            self._state,
            self._say,
            self._make_pace(),
            FileBudget(source.path, self._budgets, self.floods),
            secret_files(self._config),
        )
        self.followers[source.path] = follower
        self._run(f"files of {source.name}", partial(follower.run, self._stop))

    def _start_broker(self, name: str, broker: Broker) -> None:
        from edaphon.acquire.broker import BrokerReader
        from edaphon.acquire.broker_budget import BrokerBudget, owner_of
        from edaphon_drivers.links.mqtt import MqttLink

        options = mqtt_options(name, broker, self._client_name(name, broker))
        known = self._state.get(_SESSION.format(name)) == _session(broker, options.client_id)
        options = replace(options, expects_session=known and not options.own_id)
        reader = BrokerReader(
            name,
            options,
            self._journal,
            self._own.clock,
            self._keeper.boot,
            partial(self._on_broker, name),
            self._own.make_link or MqttLink,
            BrokerBudget(name, owner_of(self._config, name), self._budgets, self.floods),
        )
        self.readers[name] = reader
        reader.start()
        self._say(f"start of broker {name}", None)

    def _client_name(self, name: str, broker: Broker) -> ClientName:
        """Where the journal came from another machine its last session is tried: see MqttOptions.

        Messages may wait there; and if the card is a copy, its original is there too.
        """
        own = client_id(name, broker, self._config.logger.id, self._journal.origin)
        last = self._state.get(_CLIENT.format(name), {})
        if broker.client_id or last.get("client") in {None, own}:
            return ClientName(own)
        if last["journal"] != self._journal.id:
            return ClientName(last["client"], own)
        return ClientName(last["client"] if last["own"] == own else own)

    def _save_client(self, name: str, reader: "BrokerReader") -> None:
        """Keep which session this journal has at the broker, once that is certain."""
        if client := reader.link.state.client_id:
            own = client_id(
                name, self._config.brokers[name], self._config.logger.id, self._journal.origin
            )
            reported = {"journal": self._journal.id, "own": own, "client": client}
            if self._state.get(_CLIENT.format(name)) != reported:
                self._state.put(_CLIENT.format(name), reported)

    def _save_session(self, name: str, reader: "BrokerReader") -> None:
        """Keep that the broker knows this client, so that a later life sees when it does not."""
        state = reader.link.state
        if state.connects and state.client_id:
            session = _session(self._config.brokers[name], state.client_id)
            self._state.put(_SESSION.format(name), session)

    def _on_broker(self, name: str, connected: bool, words: str) -> None:
        self._say(f"broker {name}", None if connected else words)
        if connected and "connected again" not in words:
            _log.warning("broker %s: %s", name, words)  # a lost session, refused topics

    @contextmanager
    def _telling(self, who: str) -> Iterator[None]:
        """A fault in here is said, and keeps nothing else from starting."""
        try:
            yield
        except Fault as fault:
            self._say(who, str(fault))


def _session(broker: Broker, client: str) -> str:
    """What names a session; another name is another queue of messages."""
    return f"{broker.host}:{broker.port} {client}"
