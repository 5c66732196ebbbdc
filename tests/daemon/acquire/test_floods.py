"""Messages above a budget: counted exactly, acknowledged after the count, declared in gaps."""

import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon.acquire.test_broker import OPTIONS, HeldLink
from tests.daemon.journal.entries import SetClock
from tests.programs import wait_until

from edaphon.acquire.broker import BrokerBudget, BrokerReader, owner_of
from edaphon.acquire.budget import ROW_BYTES, Budgets, Floods, message_bytes
from edaphon.acquire.clock_sync import Timekeeper
from edaphon.acquire.gaps import Gap, accounts_of, is_flood
from edaphon.config import read_config
from edaphon.journal import Journal, Kind, StateFile
from edaphon.toml_input.lines import read_document
from edaphon_drivers.links.mqtt import MessageIn
from edaphon_drivers.links.mqtt_stream import Stream

KNOWN = "plot/known"
BYTES = 1000  # of strangers that are kept


class Station:
    """One life after another over the same folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, SetClock()
        self.begin()

    def begin(self) -> None:
        self.journal = Journal.open(self.folder, self.clock, on_problem=lambda text: None)
        self.state = StateFile(self.folder)
        keeper = Timekeeper(self.clock, "boot")
        self.floods = Floods(self.journal, self.state, keeper)
        budgets = Budgets(10**9, BYTES, 1, lambda: 10**12)
        owner = lambda topic, data: KNOWN if topic == KNOWN else ""  # noqa: E731
        budget = BrokerBudget("ttn", owner, budgets, self.floods)
        self.link = HeldLink(OPTIONS)
        self.reader = BrokerReader(
            "ttn",
            OPTIONS,
            self.journal,
            self.clock,
            "boot",
            make_link=lambda *_: self.link,
            budget=budget,
        )

    def take(self, *messages: MessageIn) -> None:
        owed = len(self.link.reported) + sum(m.qos > 0 for m in messages)
        for one in messages:
            self.reader.receive(one)
        self.reader.flush(1)
        wait_until(lambda: len(self.link.reported) >= owed, "acknowledgements")
        self.reader.flush(1)

    def kill(self) -> None:
        """What is not durable by now is forgotten; nothing is closed in order."""
        self.journal.close()
        self.state.close()

    @property
    def records(self) -> int:
        return sum(entry.kind == Kind.RECORD for _, entry in self.journal.scan())

    @property
    def gaps(self) -> list[tuple[str, Gap]]:
        return [
            (entry.source, Gap.of_payload(entry.payload))
            for _, entry in self.journal.scan()
            if is_flood(entry)
        ]

    def declare(self) -> list[tuple[str, Gap]]:
        self.floods.close()
        self.journal.append_now(Timekeeper(self.clock, "boot").entry(Kind.NOTE, "", b""))
        return self.gaps


def stranger(mid: int, dup: bool = False, data: bytes = b"x" * 100) -> MessageIn:
    return MessageIn(f"plot/{mid}", data, 1 if mid else 0, False, dup, mid, 1)


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    made = Station(tmp_path)
    yield made
    made.kill()


def sha256_of(messages: list[MessageIn]) -> str:
    return hashlib.sha256(b"".join(message_bytes(m.topic, m.data) for m in messages)).hexdigest()


def test_what_is_kept_and_what_is_counted_are_all_that_came_and_each_is_acknowledged(station):
    sent = [stranger(mid) for mid in range(1, 301)]
    station.take(*sent)
    kept = station.records
    assert 0 < kept <= 1 + BYTES // (100 + ROW_BYTES)
    ((source, gap),) = station.declare()
    assert (source, gap.cause, gap.n) == ("ttn", "flood", 300 - kept)
    assert f"{100 * (300 - kept)} bytes" in gap.detail
    assert gap.detail.endswith(sha256_of(sent[kept:]))
    assert {a.mid for a in station.link.reported} == set(range(1, 301))
    assert station.floods.all()["ttn"].n == 300 - kept


def test_a_flood_to_no_source_costs_a_configured_one_nothing(station):
    known = [MessageIn(KNOWN, b"%d" % n, 1, False, False, 1000 + n, 1) for n in range(50)]
    mixed = [one for pair in zip(map(stranger, range(1, 51)), known, strict=True) for one in pair]
    station.take(*map(stranger, range(100, 200)), *mixed)
    payloads = [entry.payload for _, entry in station.journal.scan() if entry.kind == Kind.RECORD]
    assert sum(KNOWN.encode() in payload for payload in payloads) == 50


def test_nothing_is_acknowledged_before_its_count_is_durable(station, monkeypatch):
    station.take(*map(stranger, range(1, 11)))
    before = len(station.link.reported)

    def refused(values: object) -> None:
        raise sqlite3.OperationalError("database is locked")

    with monkeypatch.context() as patch:
        patch.setattr(station.state, "put_all", refused)
        station.reader.receive(stranger(20))
        station.reader.flush(1)
        station.journal.append_now(Timekeeper(station.clock, "boot").entry(Kind.NOTE, "", b""))
        assert len(station.link.reported) == before
    station.reader.flush(1)
    wait_until(lambda: [a.mid for a in station.link.reported][before:] == [20], "acknowledgement")


def test_a_kill_loses_no_count_and_a_message_that_comes_again_counts_once(station):
    for first in range(1, 101, 20):
        station.take(*map(stranger, range(first, first + 20)))
    kept = station.records
    station.kill()
    station.begin()
    station.take(*(stranger(mid, dup=True) for mid in range(60, 101)))  # their PUBACK got lost
    station.take(*map(stranger, range(101, 121)))
    assert sum(gap.n for _, gap in station.declare()) + station.records == 120
    assert station.reader.state.repeats == 41
    assert station.records > kept  # a new life has a new bucket


def test_a_second_kill_before_the_repeats_came_forgets_none_of_them(station):
    station.take(*map(stranger, range(1, 101)))
    for _ in range(2):
        station.kill()
        station.begin()
        station.take(*map(stranger, range(1001, 1011)))
        station.floods.keep()
    station.take(*(stranger(mid, dup=True) for mid in range(60, 101)))
    assert station.reader.state.repeats == 41


def test_a_part_that_was_journalled_before_a_kill_is_not_declared_again(station):
    station.take(*map(stranger, range(1, 101)))
    put = station.state.put_all
    station.state.put_all = lambda values: put(values) if values["floods"]["parts"] else None
    before = station.declare()
    station.kill()
    station.begin()
    assert station.declare() == before


def test_a_flood_of_minutes_is_declared_in_few_entries(station):
    for _ in range(300):
        station.reader.receive(stranger(0))
        station.reader.flush(1)
        station.clock.now_ns += 10**9
        station.floods.look()
    gaps = station.declare()
    assert sum(gap.n for _, gap in gaps) + station.records == 300
    assert len(gaps) <= 7


def test_a_message_too_long_to_hold_is_counted_with_its_whole_length(station):
    station.take(*map(stranger, range(1, 11)))
    before = station.floods.all()["ttn"].size
    long = 3_000_000
    whole = bytes(long)
    body = b"\0\6plot/z\0\7" + whole
    head = b"\x32" + bytes([len(body) & 127 | 128, len(body) >> 7 & 127 | 128])
    head += bytes([len(body) >> 14 & 127 | 128, len(body) >> 21])

    class Wire:
        def __init__(self) -> None:
            self.left = head + body

        def recv(self, n: int) -> bytes:
            part, self.left = self.left[:n], self.left[n:]
            return part

    stream, found = Stream(Wire()), []
    while not found:
        found = stream.read()
    station.take(MessageIn(*found[0], 1))
    assert station.floods.all()["ttn"].size - before == long
    expected = message_bytes("plot/z", whole)
    assert message_bytes("plot/z", found[0].data) == expected


def test_gaps_of_floods_are_no_slots(station):
    station.take(*map(stranger, range(1, 101)))
    assert station.declare()
    assert accounts_of(None, station.journal) == {}


CONFIG = """
[logger]
id = "l"
[site]
id = "s"
[storage]
folder = "/tmp/x"
[broker.ttn]
host = "127.0.0.1"
envelope = "tts-v3"
topics = ["v3/#"]
[broker.local]
host = "127.0.0.1"
envelope = "json"
topics = ["#"]
[[source]]
broker = "ttn"
dev_eui = "A84041B2C1D5E6F7"
model = "dragino.lse01-1.1.4"
[[source]]
broker = "local"
topic = "plot/node1"
field = [{ name = "t", path = "t", quantity = "soil_temperature", unit = "degC" }]
"""


def test_a_message_belongs_to_the_device_that_it_names_or_to_the_topic_of_a_source():
    config, config_errors = read_config(read_document("edaphon.toml", CONFIG))
    assert config is not None, config_errors
    local = owner_of(config, "local")
    assert [local("plot/node1", b""), local("plot/node2", b"{}")] == ["local/plot/node1", ""]
    ttn = owner_of(config, "ttn")
    uplink = (
        b'{"end_device_ids": {"dev_eui": "%s"}, "received_at": "2026-03-01T00:00:00Z",'
        b' "uplink_message": {"f_port": 2, "f_cnt": 7, "frm_payload": "AAAA",'
        b' "session_key_id": "x"}}'
    )
    topic = "v3/app/devices/d/up"
    assert ttn(topic, uplink % b"A84041B2C1D5E6F7") == "ttn/a84041b2c1d5e6f7"
    assert ttn(topic, uplink % b"0000000000000001") == ""
    for hostile in (b"", b"\xff", b"[" * 5000, b'{"end_device_ids": 7}', b"null", b"1e999"):
        assert ttn(topic, hostile) == ""
