"""Any order of publishing, hearing, commits, cuts and kills ends with each message kept once."""

from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from tests.daemon.journal.entries import SetClock

from edaphon.acquire.broker import BrokerReader
from edaphon.journal import Entry, EntryId
from edaphon_drivers.links.mqtt import Acknowledgement, MessageIn, MqttOptions
from edaphon_drivers.readings import unpack_message

IN_FLIGHT = 4
OPTIONS = MqttOptions("broker.invalid", "logger-1", ("plot/#",))


class Broker:
    """A persistent session of a broker that keeps to MQTT 3.1.1, sections 4.3.2 and 4.4."""

    def __init__(self, lowest_free: bool) -> None:
        self.lowest_free = lowest_free
        self.queue: deque[bytes] = deque()
        self.in_flight: dict[int, bytes] = {}
        self.last_mid = 0

    def send(self) -> tuple[int, bytes, bool]:
        data = self.queue.popleft()
        if self.lowest_free:
            mid = min(set(range(1, IN_FLIGHT + 1)) - self.in_flight.keys())
        else:
            mid = self.last_mid = self.last_mid % 65535 + 1
        self.in_flight[mid] = data
        return mid, data, False

    def send_again(self) -> list[tuple[int, bytes, bool]]:
        return [(mid, data, True) for mid, data in self.in_flight.items()]


class _Waiting(NamedTuple):
    entries: list[Entry]
    mids: list[int | None]
    done: Callable[[list[EntryId]], None] | None


class MemoryJournal:
    """A journal that commits on order and forgets the rest when it is killed."""

    def __init__(self) -> None:
        self.waiting: list[_Waiting] = []
        self.committed: list[tuple[int | None, bytes]] = []

    def append(self, entries: list[Entry], done: Any, mids: list[int | None]) -> None:
        self.waiting.append(_Waiting(entries, mids, done))

    def deliveries(self, source: str, at_most: int) -> list[tuple[int, bytes]]:
        return [(mid, payload) for mid, payload in self.committed if mid is not None][-at_most:]

    def commit(self, acknowledge: bool = True) -> None:
        waiting, self.waiting = self.waiting, []
        for entries, mids, _ in waiting:
            self.committed += [(mid, e.payload) for mid, e in zip(mids, entries, strict=True)]
        for _, _, done in waiting:
            if done is not None and acknowledge:
                done([])


class Wire:
    """The link's part: acknowledgements of earlier connections are dropped."""

    generation = 0

    def __init__(self, options: MqttOptions, *callbacks: Any) -> None:
        self.acks: deque[int] = deque()

    def acknowledge(self, acknowledgements: Iterable[Acknowledgement]) -> None:
        self.acks += [a.mid for a in acknowledgements if a.generation == Wire.generation]

    def resubscribe(self) -> None: ...


class BrokerMachine(RuleBasedStateMachine):
    @initialize(lowest_free=st.booleans())
    def begin(self, lowest_free: bool) -> None:
        self.broker, self.journal, self.clock = Broker(lowest_free), MemoryJournal(), SetClock()
        self.published: Counter[bytes] = Counter()
        self.sent: deque[tuple[int, bytes, bool]] = deque()  # on the way to the reader
        Wire.generation = 1
        self.start()

    def start(self) -> None:
        wires: list[Wire] = []

        def make(*words: Any) -> Wire:
            wires.append(Wire(*words))
            return wires[0]

        self.reader = BrokerReader(
            "ttn",
            OPTIONS,
            self.journal,  # type: ignore[arg-type]
            self.clock,
            "boot",
            make_link=make,  # type: ignore[arg-type]
        )
        self.wire = wires[0]

    @rule(data=st.sampled_from([b"A", b"B"]))
    def publish(self, data: bytes) -> None:
        if self.broker.lowest_free:  # equal bytes under one identifier can't be distinguished
            data += b"%d" % self.published.total()
        self.published[data] += 1
        self.broker.queue.append(data)

    @precondition(lambda self: self.broker.queue and len(self.broker.in_flight) < IN_FLIGHT)
    @rule()
    def send(self) -> None:
        self.sent.append(self.broker.send())

    @rule(n=st.integers(1, 3))
    def receive(self, n: int) -> None:
        for _ in range(min(n, len(self.sent))):
            mid, data, dup = self.sent.popleft()
            self.reader.receive(MessageIn("plot/1", data, 1, False, dup, mid, Wire.generation))
        self.reader.flush(Wire.generation)

    @rule()
    def commit(self) -> None:
        self.journal.commit()

    @rule(n=st.integers(1, 3))
    def acknowledgements_arrive(self, n: int) -> None:
        for _ in range(min(n, len(self.wire.acks))):
            self.broker.in_flight.pop(self.wire.acks.popleft(), None)

    @rule()
    def a_quiet_time_passes(self) -> None:
        """The connection stands: whatever was on the way has arrived."""
        self.receive(len(self.sent))
        self.acknowledgements_arrive(len(self.wire.acks))
        self.reader.flush(Wire.generation)
        self.clock.now_ns += 1_000_000_000_000
        self.reader.flush(Wire.generation)

    @rule(arrived=st.integers(0, 3))
    def cut(self, arrived: int) -> None:
        """The connection ends with anything on the way, and another one begins."""
        self.acknowledgements_arrive(arrived)
        self.wire.acks.clear()
        self.sent = deque(self.broker.send_again())
        Wire.generation += 1

    @rule(arrived=st.integers(0, 3), committed=st.booleans())
    def kill(self, arrived: int, committed: bool) -> None:
        """The reader is gone, perhaps between its commit and the acknowledgements."""
        if committed:
            self.journal.commit(acknowledge=False)
        self.journal.waiting.clear()
        self.cut(arrived)
        self.start()

    def teardown(self) -> None:
        if not hasattr(self, "broker"):
            return
        self.cut(0)
        while self.broker.queue or self.broker.in_flight:
            while self.broker.queue and len(self.broker.in_flight) < IN_FLIGHT:
                self.send()
            self.receive(IN_FLIGHT)
            self.commit()
            self.acknowledgements_arrive(IN_FLIGHT)
        kept = Counter(unpack_message(payload).data for _, payload in self.journal.committed)
        assert kept == self.published


TestBrokerMachine = BrokerMachine.TestCase
TestBrokerMachine.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
