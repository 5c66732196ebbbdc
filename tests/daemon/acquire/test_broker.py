"""A broker's messages: what is journalled, what is acknowledged and when, and what comes twice."""

import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.daemon.journal.entries import NOON_NS, SetClock, everything
from tests.programs import wait_until

from edaphon.acquire.broker import WINDOW, BrokerReader, Deliveries, digest_of
from edaphon.journal import Journal, JournalClosed, Kind
from edaphon.journal.store import OpenFile
from edaphon_drivers.links.mqtt import Acknowledgement, MessageIn, MqttOptions, MqttState
from edaphon_drivers.readings import CUT_TO_BYTES, Message, unpack_message

OPTIONS = MqttOptions("broker.invalid", "logger-1", ("plot/#",))


class HeldLink:
    """A link without a wire that remembers its orders."""

    def __init__(self, options: MqttOptions, *callbacks: Any) -> None:
        self.state = MqttState()
        self.reported: list[Acknowledgement] = []
        self.subscriptions = 0

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def alive(self) -> bool:
        return True

    def acknowledge(self, acknowledgements: Iterable[Acknowledgement]) -> None:
        self.reported.extend(acknowledgements)

    def resubscribe(self) -> None:
        self.subscriptions += 1


def message(mid: int, data: bytes = b"12.5", dup: bool = False, generation: int = 1) -> MessageIn:
    return MessageIn("plot/1", data, 1 if mid else 0, False, dup, mid, generation)


class Received:
    """A reader over a held link and a real journal."""

    def __init__(self, folder: Path) -> None:
        self.clock = SetClock()
        self.journal = Journal(folder, self.clock, on_problem=lambda text: None)
        self.links: list[HeldLink] = []
        self.reader = BrokerReader(
            "ttn", OPTIONS, self.journal, self.clock, "boot", make_link=self._make
        )
        self.link = self.links[0]

    def _make(self, *words: Any) -> HeldLink:
        self.links.append(HeldLink(*words))
        return self.links[-1]

    def take(self, *messages: MessageIn) -> None:
        """Hear these in one round, wait for all they wait for."""
        owed = len(self.link.reported) + sum(m.qos > 0 for m in messages)
        for one in messages:
            self.reader.receive(one)
        self.reader.flush(messages[-1].generation)
        wait_until(lambda: len(self.link.reported) >= owed, "acknowledgements")
        self.reader.flush(messages[-1].generation)

    @property
    def kept(self) -> list[Message]:
        return [unpack_message(entry.payload) for entry in everything(self.journal)]


@pytest.fixture
def received(tmp_path: Path) -> Iterator[Received]:
    made = Received(tmp_path)
    yield made
    made.journal.close()


def reopened(received: Received) -> Received:
    received.journal.close()
    return Received(received.journal.folder)


def test_a_message_is_kept_as_it_came_with_time_boot_and_the_brokers_name(
    received: Received,
) -> None:
    received.take(MessageIn("plot/ü", b"\0\xff{", 1, True, False, 7, 3))
    (entry,) = everything(received.journal)
    assert (entry.kind, entry.source, entry.boot) == (Kind.RECORD, "ttn", "boot")
    assert (entry.received_ns, entry.mono_ns, entry.slot_ns) == (NOON_NS, 0, None)
    assert received.kept == [Message("plot/ü", b"\0\xff{", 1, True, False, 3)]
    assert received.link.reported == [Acknowledgement(7, 1, 3)]


def test_nothing_is_acknowledged_before_its_commit(
    received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, real = threading.Event(), OpenFile.write
    seen: list[int] = []

    def write(self: OpenFile, *words: Any) -> int:
        seen.append(len(received.link.reported))
        assert gate.wait(20)
        return real(self, *words)

    monkeypatch.setattr(OpenFile, "write", write)
    received.reader.receive(message(1))
    received.reader.flush(1)
    wait_until(lambda: bool(seen), "a commit")
    received.reader.receive(message(1, dup=True, generation=2))  # the broker got impatient
    received.reader.flush(2)
    assert received.link.reported == []
    gate.set()
    wait_until(lambda: len(received.link.reported) == 2, "both acknowledgements")
    assert received.link.reported == [Acknowledgement(1, 1, 1), Acknowledgement(1, 1, 2)]
    assert len(received.kept) == 1
    assert received.reader.state.repeats == 1


def test_a_redelivery_is_acknowledged_and_not_kept_again(received: Received) -> None:
    received.take(message(1), message(2, b"13"))
    received.take(message(1, dup=True, generation=2), message(2, b"13", dup=True, generation=2))
    assert [m.data for m in received.kept] == [b"12.5", b"13"]
    assert received.link.reported[2:] == [Acknowledgement(1, 1, 2), Acknowledgement(2, 1, 2)]
    assert (received.reader.state.journalled, received.reader.state.repeats) == (2, 2)


def test_a_redelivery_after_a_restart_is_known_from_the_journal(received: Received) -> None:
    received.take(message(1), message(2, b"13"))
    again = reopened(received)
    again.take(message(2, b"13", dup=True), message(3, b"14", dup=True))
    assert [m.data for m in again.kept] == [b"12.5", b"13", b"14"]
    again.journal.close()


def test_equal_messages_published_twice_are_both_kept(received: Received) -> None:
    received.take(message(1), message(2), message(2, dup=True))
    again = reopened(received)
    again.take(message(1, dup=True), message(3, dup=True), message(4))
    assert len(again.kept) == 4  # 1 and 2 before, 3 and 4 after the restart
    again.journal.close()


@pytest.mark.parametrize(
    "other",
    [
        message(1, b"13", dup=True),
        message(2, dup=True),
        message(1),
        message(1, dup=True)._replace(topic="plot/2"),
    ],
)
def test_another_identifier_content_topic_or_no_dup_is_another_message(
    received: Received, other: MessageIn
) -> None:
    received.take(message(1))
    received.take(other)
    assert len(received.kept) == 2


def test_an_identifier_used_again_stands_for_its_last_message(received: Received) -> None:
    received.take(message(1, b"old"), message(1, b"new"))
    received.take(message(1, b"new", dup=True), message(1, b"old", dup=True))
    assert [m.data for m in received.kept] == [b"old", b"new", b"old"]


def test_quality_of_service_zero_is_kept_and_never_acknowledged(received: Received) -> None:
    received.reader.receive(message(0))
    received.reader.receive(message(0))
    received.reader.flush(1)
    assert received.journal.wait_newer(None, 10)
    assert len(received.kept) == 2
    assert received.link.reported == []


def test_the_brokers_own_statistics_are_acknowledged_and_not_kept(received: Received) -> None:
    received.take(message(1)._replace(topic="$SYS/broker/uptime"))
    assert received.kept == []
    assert received.reader.state.ignored == 1


def test_a_huge_message_is_cut_acknowledged_and_its_redelivery_known(received: Received) -> None:
    big = bytes(range(256)) * 400
    received.take(message(1, big))
    received.take(message(1, big, dup=True))
    (kept,) = received.kept
    assert (len(kept.data), kept.whole_bytes) == (CUT_TO_BYTES, len(big))
    assert len(received.link.reported) == 2


def test_what_the_journal_did_not_take_is_not_acknowledged_when_it_comes_again(
    received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = received.journal.append

    def closed(*words: Any) -> None:
        raise JournalClosed

    monkeypatch.setattr(received.journal, "append", closed)
    received.reader.receive(message(1))
    with pytest.raises(JournalClosed):
        received.reader.flush(1)
    monkeypatch.setattr(received.journal, "append", real)
    received.take(message(1, dup=True, generation=2))
    assert len(received.kept) == 1
    assert received.link.reported == [Acknowledgement(1, 1, 2)]


def test_late_commits_make_the_broker_save_what_is_in_flight(
    received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, real = threading.Event(), OpenFile.write
    monkeypatch.setattr(OpenFile, "write", lambda *words: gate.wait(20) and real(*words))
    received.reader.receive(message(1))
    received.reader.flush(1)
    after: Callable[[float], int] = lambda s: turn(received, s)  # noqa: E731
    assert [after(1.9), after(0.2), after(30), after(31)] == [0, 1, 1, 2]
    gate.set()
    wait_until(lambda: bool(received.link.reported), "the acknowledgement")
    assert after(100) == 2


def turn(received: Received, seconds: float) -> int:
    received.clock.now_ns += int(seconds * 1e9)
    received.reader.flush(1)
    return received.link.subscriptions


def test_a_delivery_is_forgotten_when_its_acknowledgement_must_have_arrived() -> None:
    known = Deliveries(settled_ns=100, recent=[(1, digest_of(b"xxA")), (2, digest_of(b"xxB"))])
    assert known.is_repeat(2, True, b"xxB")
    known.note(3, b"xxC")
    known.settle(1, 1000)
    known.settle(1, 1099)
    assert len(known) == 3
    known.settle(1, 1100)  # the connection has stood for 100 ns: 1 and 2 can't come again
    assert not known.is_repeat(1, True, b"xxA")
    assert known.is_repeat(3, True, b"xxC")  # not committed yet
    known.acknowledged(3, 1150)
    known.settle(2, 1160)  # a new connection: its acknowledgement may be lost
    known.settle(2, 1259)
    assert known.is_repeat(3, True, b"xxC")
    known.settle(2, 1260)
    assert len(known) == 0


def test_what_the_journal_holds_is_taken_over_at_the_first_repeat_and_never_over_newer() -> None:
    read: list[int] = []

    def recent() -> Iterator[tuple[int, bytes]]:
        for mid, payload in ((1, b"xxold"), (2, b"xxB"), (1, b"xxA"), (3, b"xxC")):
            read.append(mid)
            yield mid, digest_of(payload)

    known = Deliveries(100, recent())
    known.note(3, b"xxnew")
    assert not known.is_repeat(1, False, b"xxA")
    assert read == []
    assert known.is_repeat(1, True, b"xxA")
    assert not known.is_repeat(1, True, b"xxold")
    assert known.is_repeat(2, True, b"xxB")
    assert known.is_repeat(3, True, b"xxnew")
    known.acknowledged(3, 50)
    known.settle(1, 60)
    known.settle(1, 159)
    assert len(known) == 3


def test_what_the_journal_holds_is_let_go_once_a_connection_has_stood() -> None:
    known = Deliveries(100, iter([(1, digest_of(b"xxA"))]))
    known.settle(1, 1000)
    known.settle(1, 1100)
    assert not known.is_repeat(1, True, b"xxA")


def test_memory_of_deliveries_is_bounded_while_they_are_acknowledged() -> None:
    known = Deliveries(settled_ns=10**18)
    for mid in range(1, 3 * WINDOW):
        known.note(mid, b"xx%d" % mid)
        known.acknowledged(mid, 1)
        known.bound()
    assert len(known) == WINDOW
    for mid in range(30_000, 30_000 + 2 * WINDOW):
        known.note(mid, b"xx%d" % mid)
        known.bound()
    assert len(known) == 2 * WINDOW  # all of these still wait for their commit
