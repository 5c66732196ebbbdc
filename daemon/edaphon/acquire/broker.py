"""Messages of a broker: each goes into the journal once and is acknowledged after its commit.

A QoS 1 message that was journalled but whose acknowledgement got lost comes again. It is known by
three things together: DUP is set, and the packet identifier, topic and payload are those of a
message that this reader journalled. The identifier is kept in the journal, in the transaction
that keeps the message, so that a kill between commit and acknowledgement changes nothing.

- Brokers use an identifier again, and a sensor may say the same thing twice: both count. Without
  DUP a message is a new one: a broker that gives the lowest free identifier sends each message of
  a constant sensor with the identifier and content of the last. A few brokers forget DUP
  (FlashMQ 1.27): they make a second entry, never a loss.
- A delivery is forgotten once its acknowledgement must have arrived: the connection that carried
  it still stood after two keepalives. So a new message is taken for an old one only within those
  minutes, from a broker that gives identifiers again at once, with equal bytes.
- A repeat is acknowledged only when the first copy is committed, which may still be waiting.

What comes above a budget is counted and not journalled. It is acknowledged once its count is
durable, and known again in the same way: its identifiers are kept with the counts.

mosquitto 2.0.11, tried with the shipped configuration: a message that was sent and not
acknowledged comes again with its identifier and DUP set, after a reconnect, after the broker's
own restart, and after kill -9 of the broker. One exception: messages in flight to a connected
client are not saved at the time, so that kill -9 loses them; while commits are late this reader
therefore subscribes again, which makes the broker save them.
"""

import logging
import sqlite3
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import Protocol

from edaphon.acquire.budget import ROW_BYTES, Budgets, Floods, message_bytes
from edaphon.clock import Clock
from edaphon.config import Broker, Configuration, JsonSource, LorawanSource
from edaphon.journal import Entry, EntryId, Journal, Kind, Origin, StateFile
from edaphon_drivers.faults import Fault
from edaphon_drivers.links.mqtt import Acknowledgement, MessageIn, MqttLink, MqttOptions, MqttState
from edaphon_drivers.lorawan import read_envelope
from edaphon_drivers.readings import pack_message

LATE_NS = 2_000_000_000
SECURE_AGAIN_NS = 60_000_000_000
WINDOW = 65_535  # there are no more packet identifiers
_log = logging.getLogger("edaphon")
Owner = Callable[[str, bytes], str]


@dataclass(slots=True)
class _Delivery:
    digest: int
    owed: int = 0  # acknowledgements that wait for a commit
    acknowledged_ns: int = 0  # when the last one was handed to the link, monotonic


class Deliveries:
    """The QoS 1 messages that may come again, by packet identifier, oldest first."""

    def __init__(self, settled_ns: int, recent: Iterable[tuple[int, int]] = ()) -> None:
        """`recent`: identifiers and digests of messages from an earlier life, oldest first.

        They are taken over when a repeat comes: most lives of a service see none.
        """
        self._settled_ns = settled_ns
        # Not a dict: finding the first of one that loses its first all the time is slow.
        self._by_mid: OrderedDict[int, _Delivery] = OrderedDict()
        self._generation, self._connected_ns = 0, 0
        self._recent = recent

    def __len__(self) -> int:
        return len(self._by_mid)

    def is_repeat(self, mid: int, dup: bool, payload: bytes) -> bool:
        """Whether this packed message is journalled, or on its way there, already."""
        if not dup:
            return False
        self._take_over()
        known = self._by_mid.get(mid)
        return known is not None and known.digest == digest_of(payload)

    def note(self, mid: int, payload: bytes) -> None:
        """A new message is on its way to the journal."""
        self._put(mid, _Delivery(digest_of(payload), 1))

    def note_repeat(self, mid: int) -> None:
        """It came again and will be acknowledged again."""
        self._by_mid[mid].owed += 1
        self._by_mid.move_to_end(mid)

    def acknowledged(self, mid: int, now_ns: int) -> None:
        """Its commit is done, one acknowledgement is on its way."""
        if (known := self._by_mid.get(mid)) is not None:
            known.owed = max(0, known.owed - 1)
            known.acknowledged_ns = now_ns

    def forget(self, mids: Iterable[int | None]) -> None:
        """Their messages did not reach the journal after all."""
        for mid in mids:
            self._by_mid.pop(mid or 0, None)  # 0 is no packet identifier

    def settle(self, generation: int, now_ns: int) -> None:
        """Forget what can't come again: the connection of that generation is up at this time."""
        if generation != self._generation:
            self._generation, self._connected_ns = generation, now_ns
        if now_ns - self._connected_ns >= self._settled_ns:
            self._recent = ()
        came_ns = now_ns - self._settled_ns
        self._forget_oldest(lambda d: max(d.acknowledged_ns, self._connected_ns) <= came_ns)

    def bound(self) -> None:
        """Forget the oldest beyond the window."""
        self._forget_oldest(lambda _: len(self._by_mid) > WINDOW)

    def _forget_oldest(self, may: Callable[[_Delivery], bool]) -> None:
        """One after the other, but none that waits for its commit."""
        while self._by_mid:
            mid, oldest = next(iter(self._by_mid.items()))
            if oldest.owed or not may(oldest):
                return
            del self._by_mid[mid]

    def _take_over(self) -> None:
        """What came since uses identifiers again, and comes after all this."""
        for mid, digest in reversed(list(self._recent)):
            if mid not in self._by_mid:
                self._by_mid[mid] = _Delivery(digest)
                self._by_mid.move_to_end(mid, last=False)
        self._recent = ()

    def _put(self, mid: int, delivery: _Delivery) -> None:
        self._by_mid.pop(mid, None)  # so that the newest is last
        self._by_mid[mid] = delivery


def _recent(
    journal: Journal, name: str, counted: Iterable[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    """Read when they are asked for, not before."""
    for mid, payload in journal.deliveries(name, WINDOW):
        yield mid, digest_of(payload)
    yield from counted


def digest_of(payload: bytes) -> int:
    """64 bits of a packed message, without version and flags, of which DUP differs."""
    return int.from_bytes(blake2b(payload[2:], digest_size=8).digest())


class BrokerLink(Protocol):
    """The part of MqttLink that a reader uses."""

    state: MqttState

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def alive(self) -> bool: ...

    def acknowledge(self, acknowledgements: Iterable[Acknowledgement]) -> None: ...

    def resubscribe(self) -> None: ...


@dataclass(slots=True)
class BrokerState:
    """Counted since start."""

    journalled: int = 0
    counted: int = 0  # above a budget, and not journalled
    repeats: int = 0  # deliveries that the journal had already
    ignored: int = 0  # the broker's own statistics


class BrokerReader:
    """One broker's messages on their way to the journal."""

    def __init__(
        self,
        name: str,
        options: MqttOptions,
        journal: Journal,
        clock: Clock,
        boot: str,
        on_state: Callable[[bool, str], None] = lambda connected, words: None,
        make_link: Callable[..., BrokerLink] = MqttLink,
        budget: "BrokerBudget | None" = None,
    ) -> None:
        self.name, self.state, self._budget = name, BrokerState(), budget
        self._journal, self._clock, self._boot = journal, clock, boot
        # paho finds a dead connection after two keepalives at the latest.
        settled_ns = (2 * options.keepalive_s + 30) * 1_000_000_000
        counted = budget.floods.earlier_deliveries(name) if budget is not None else ()
        self._deliveries = Deliveries(settled_ns, _recent(journal, name, counted))
        self._entries: list[Entry] = []
        self._mids: list[int | None] = []
        self._owed: list[Acknowledgement] = []
        self._counted = False  # something of this round, or of one that could not be made durable
        self._not_durable: deque[list[Acknowledgement]] = deque()
        self._committed: deque[list[Acknowledgement]] = deque()
        self._awaited: deque[int] = deque()  # when each batch went to the journal, monotonic [ns]
        self._secured_ns = -SECURE_AGAIN_NS
        self.link = make_link(options, self.receive, self.flush, on_state)

    def start(self) -> None:
        self.link.start()

    def stop(self) -> None:
        """Receive no more. What is not acknowledged by now comes again and is then recognised."""
        self.link.stop()

    def alive(self) -> bool:
        return self.link.alive()

    def receive(self, message: MessageIn) -> None:
        """Take one message; flush() sends what was taken to the journal."""
        topic, data, qos, retain, dup, mid, generation = message
        if self._committed:  # before the broker's next use of an identifier is noted
            self._note_committed()
        if topic.startswith("$SYS/"):
            self.state.ignored += 1
        elif not self._is_repeat(payload := pack_message(topic, data, qos, retain, dup), message):
            if self._budget is None or self._budget.keeps(message, payload, digest_of(payload)):
                self._keep(payload, mid if qos else None)
            else:
                self._counted = True
                self.state.counted += 1
            if qos:
                self._deliveries.note(mid, payload)
        if qos:  # last, so that nothing is acknowledged that failed above
            self._owed.append(Acknowledgement(mid, qos, generation))

    def _keep(self, payload: bytes, mid: int | None) -> None:
        now = self._clock
        self._entries.append(
            Entry(Kind.RECORD, now.wall_ns(), now.mono_ns(), self._boot, self.name, payload)
        )
        self._mids.append(mid)
        self.state.journalled += 1

    def flush(self, generation: int) -> None:
        """Hand over what came; the acknowledgements follow the commit."""
        self._note_committed()
        while self._not_durable:
            self._owed += self._not_durable.popleft()
            self._awaited.popleft()
            self._counted = True
        now_ns = self._clock.mono_ns()
        self._secure(now_ns)
        entries, mids, owed = self._entries, self._mids, self._owed
        if not entries and not owed:
            # Only now: while there is something to read, redeliveries may be in line.
            self._deliveries.settle(generation, now_ns)
            return
        self._deliveries.bound()
        then = self._acknowledge_counted if self._counted else self._acknowledge
        self._entries, self._mids, self._owed, self._counted = [], [], [], False
        done = partial(then, owed) if owed else None
        try:
            self._journal.append(entries, done, mids)
        except BaseException:
            self._deliveries.forget(mids)  # or their repeats would be acknowledged unkept
            raise
        if owed:
            self._awaited.append(now_ns)

    def _note_committed(self) -> None:
        now_ns = self._clock.mono_ns()
        while self._committed:
            self._awaited.popleft()
            for mid, _, _ in self._committed.popleft():
                self._deliveries.acknowledged(mid, now_ns)

    def _secure(self, now_ns: int) -> None:
        """Make the broker save what it waits for, when commits are late."""
        late = bool(self._awaited) and now_ns - self._awaited[0] > LATE_NS
        if late and now_ns - self._secured_ns > SECURE_AGAIN_NS:
            self._secured_ns = now_ns
            self.link.resubscribe()

    def _is_repeat(self, payload: bytes, message: MessageIn) -> bool:
        if not message.qos or not self._deliveries.is_repeat(message.mid, message.dup, payload):
            return False
        self.state.repeats += 1
        self._deliveries.note_repeat(message.mid)
        return True

    def _acknowledge(self, owed: list[Acknowledgement], sequences: list[EntryId]) -> None:
        self._committed.append(owed)  # the deliveries belong to the link's thread
        self.link.acknowledge(owed)

    def _acknowledge_counted(self, owed: list[Acknowledgement], sequences: list[EntryId]) -> None:
        """As `_acknowledge`, where counts of what was not journalled must be durable first."""
        try:
            if self._budget is not None:
                self._budget.floods.keep()
        except sqlite3.Error as error:
            _log.debug("broker %s: counts can't be kept now: %s", self.name, error)
            self._not_durable.append(owed)
        else:
            self._acknowledge(owed, sequences)


def owner_of(config: Configuration, broker: str) -> Owner:
    """From topic and bytes to the path of the configured source, "" for none."""
    own = [s for s in config.sources if getattr(s, "broker", None) == broker]
    envelope = config.brokers[broker].envelope
    if envelope == "json":
        topics = {s.topic: s.path for s in own if isinstance(s, JsonSource)}
        return lambda topic, data: topics.get(topic, "")
    devices = {s.dev_eui: s.path for s in own if isinstance(s, LorawanSource)}
    return partial(_device, envelope, devices)


def _device(envelope: str, devices: dict[str, str], topic: str, data: bytes) -> str:
    try:
        uplink = read_envelope(envelope, topic, data)
    except (Fault, LookupError):  # a stranger's message, or the envelope's package is missing
        return ""
    return devices.get(uplink.dev_eui, "") if uplink is not None else ""


class BrokerBudget:
    """The budgets of all sources of one broker."""

    def __init__(self, broker: str, owner: Owner, budgets: Budgets, floods: Floods) -> None:
        self._broker, self._owner = broker, owner
        self._budgets, self.floods = budgets, floods

    def keeps(self, message: MessageIn, packed: bytes, digest: int) -> bool:
        """Whether a message is kept; if not, it is counted."""
        topic, data, qos, _, dup, mid, _ = message
        path, size = self._owner(topic, data), len(packed) + ROW_BYTES
        if path:
            if self._budgets.takes(path, size):
                return True
        elif self._budgets.takes_unknown(self._broker, size):
            return True
        whole: int = getattr(data, "whole", len(data))
        hashed = message_bytes(topic, data)
        self.floods.count(path or self._broker, hashed, whole, dup, packed)
        if qos:
            self.floods.note_delivery(self._broker, mid, digest)
        return False


def client_id(name: str, broker: Broker, logger: str, origin: Origin) -> str:
    """The name of a session at a broker: the owner's, or one that no other logger shares.

    A journal of an older version keeps the name that it had, which lacks the journal's id:
    messages may wait under it at the broker.
    """
    if broker.client_id:
        return broker.client_id
    return f"edaphon-{logger}-{name}" + (f"-{origin.named}" if origin.named else "")


class BrokerSession:
    """Which session a journal has at a broker, kept over restarts: messages may wait there."""

    def __init__(
        self, name: str, broker: Broker, logger: str, journal: Journal, state: StateFile
    ) -> None:
        self._name, self._broker, self._journal, self._state = name, broker, journal, state
        self._own = client_id(name, broker, logger, journal.origin)
        self._client_key, self._key = f"mqtt client of broker {name}", f"session at broker {name}"

    def options(self) -> MqttOptions:
        """Raises LookupError when the password can't be had."""
        broker = self._broker
        if broker.password is not None and (problem := broker.password.problem()):
            raise LookupError(f"password of broker {self._name}: {problem}")
        client, own_id = self._client()
        return MqttOptions(
            host=broker.host,
            client_id=client,
            own_id=own_id,
            topics=broker.topics,
            port=broker.port,
            username=broker.username,
            password=broker.password.reveal() if broker.password else None,
            tls=broker.tls,
            ca_file=broker.ca_file,
            expects_session=not own_id and self._state.get(self._key) == self._at(client),
        )

    def _client(self) -> tuple[str, str]:
        """The client id to begin with, and the one to take if that is another logger's; "": none.

        Where the journal came from another machine its last session is tried: see MqttOptions. If
        the card is a copy, its original is there too.
        """
        last = self._state.get(self._client_key, {})
        if self._broker.client_id or last.get("client") in {None, self._own}:
            return self._own, ""
        if last["journal"] != self._journal.id:
            return last["client"], self._own
        return last["client"] if last["own"] == self._own else self._own, ""

    def save(self, state: MqttState) -> None:
        """Keep the session, once it is certain: a later life sees when the broker forgot it."""
        if not state.client_id:
            return
        reported = {"journal": self._journal.id, "own": self._own, "client": state.client_id}
        if self._state.get(self._client_key) != reported:
            self._state.put(self._client_key, reported)
        if state.connects:
            self._state.put(self._key, self._at(state.client_id))

    def _at(self, client: str) -> str:
        """What names a session; another name is another queue of messages."""
        return f"{self._broker.host}:{self._broker.port} {client}"
