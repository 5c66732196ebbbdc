"""What makes a value doubtful: a foreign serial number, an expired calibration, a retained word."""

from pathlib import Path

import orjson
import pytest
from tests.daemon.derive.lives import T0, Life, MemoryJournal

from edaphon.clock import instant_text
from edaphon.facts import fact_of, to_payload
from edaphon.journal import Entry, Kind
from edaphon.model import Observations
from edaphon_calibration.checks import Flag
from edaphon_drivers.readings import Turn, pack_exchange, pack_message

MINUTE_NS = 60_000_000_000
CONFIGURATION = """
[logger]
id = "l"
[site]
id = "s"
[storage]
folder = "/nowhere"
[bus.sdi12]
kind = "sdi12"
port = "/dev/ttyUSB0"
[broker.local]
host = "h"
topics = ["#"]
[[source]]
bus = "sdi12"
address = "1"
model = "meter.teros21"
interval = "1min"
[[source]]
broker = "local"
topic = "a"
time = { path = "t", format = "epoch_ms" }
[[source.field]]
name = "x"
path = "x"
quantity = "soil_temperature"
unit = "degC"
"""
CHANNELS = (
    ("warm", "soil_temperature", "degC", "sdi12/1", "soil_temperature", "T21-1"),
    ("node", "soil_temperature", "degC", "local/a", "x", None),
)
NO_CHECKS = {"range": {"fail_lowest": -99, "fail_highest": 99}}


class EnteredFacts:
    """Entries in the making; each is a minute later than the one before."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        table = {"file": "edaphon.toml", "sha256": "", "text": CONFIGURATION}
        self.add(Kind.CONFIGURATION, "", orjson.dumps(table))
        self.add(Kind.CLOCK, "", orjson.dumps({"offset_ns": T0, "error_ns": 1, "how": "ntp"}))
        self.learn({"kind": "sensor", "id": "T21-1", "model": "meter.teros21"})
        for number, (id, quantity, unit, source, output, sensor) in enumerate(CHANNELS, 1):
            channel = {"id": id, "quantity": quantity, "unit": unit, "replicate": number}
            self.learn({"kind": "channel", "checks": NO_CHECKS, **channel})
            deployment = {"id": f"d{id}", "channel": id, "source": source, "output": output}
            self.learn({"kind": "deployment", "sensor": sensor, **deployment})

    @property
    def now_ns(self) -> int:
        return T0 + len(self.entries) * MINUTE_NS

    def add(self, kind: Kind, source: str, payload: bytes) -> None:
        now = self.now_ns
        self.entries.append(Entry(kind, now, now - T0, "boot", source, payload))

    def learn(self, table: dict[str, object]) -> None:
        fact = fact_of({key: value for key, value in table.items() if value is not None})
        kind = {"calibration": Kind.CALIBRATION}.get(fact.table, Kind.FACT)
        self.add(kind, "", to_payload(fact, "", "", "facts.toml", "me"))

    def say(self, *stated: tuple[bytes, bytes], kind: Kind = Kind.RECORD) -> None:
        turns = [t for q, a in stated for t in (Turn(0, True, q), Turn(1, False, a))]
        self.add(kind, "sdi12/1", pack_exchange(turns))

    def identify(self, serial: bytes) -> None:
        self.say((b"1I!", b"113METER   TER21 201" + serial + b"\r\n"), kind=Kind.IDENTITY)

    def measure(self) -> None:
        self.say((b"1M!", b"10002\r\n"), (b"1D0!", b"1-12.5+21.5\r\n"))

    def hear(self, message: bytes, retain: bool) -> None:
        self.add(Kind.RECORD, "local", pack_message("a", message, 1, retain, False))


@pytest.fixture
def reported() -> EnteredFacts:
    return EnteredFacts()


@pytest.fixture
def runs(tmp_path: Path, reported: EnteredFacts) -> "Derived":
    return Derived(tmp_path, reported)


class Derived:
    def __init__(self, folder: Path, reported: EnteredFacts) -> None:
        self.folder, self.reported = folder, reported

    def of(self, channel: str) -> list[Observations]:
        journal = MemoryJournal(self.reported.entries)
        journal.shown = len(self.reported.entries)
        life = Life(self.folder, journal)
        life.settle()
        found = life.series.read(channel, 0, 2**62)
        life.close()
        return list(found)

    def flags(self, channel: str) -> list[int]:
        return [int(flag) for run in self.of(channel) for flag in run.flag]


def test_a_serial_number_that_is_not_the_deployed_ones_makes_values_suspect(reported, runs):
    reported.measure()
    reported.identify(b"T21-1")
    reported.measure()
    reported.identify(b"T21-7")
    reported.measure()
    reported.identify(b"T21-1")
    reported.measure()
    assert runs.flags("warm") == [Flag.PASSED, Flag.PASSED, Flag.SUSPECT, Flag.PASSED]


def test_what_the_former_sensor_said_before_an_exchange_is_no_doubt_about_the_new_one(
    reported, runs
):
    reported.identify(b"T21-1")
    reported.measure()
    exchange = instant_text(reported.now_ns)
    reported.measure()  # by T21-7; it is asked for its name later
    reported.identify(b"T21-7")
    reported.measure()
    assert runs.flags("warm") == [Flag.PASSED, Flag.PASSED, Flag.SUSPECT]
    reported.learn({"kind": "sensor", "id": "T21-7", "model": "meter.teros21"})
    warm = {"kind": "deployment", "channel": "warm", "source": "sdi12/1"}
    warm["output"] = "soil_temperature"
    before = {"id": "before", "sensor": "T21-1", "to": exchange, "supersedes": "dwarm"}
    reported.learn({**warm, **before})
    reported.learn({**warm, "id": "after", "sensor": "T21-7", "from": exchange})
    assert runs.flags("warm") == [Flag.PASSED, Flag.PASSED, Flag.PASSED]
    reported.identify(b"T21-1")
    reported.measure()
    assert runs.flags("warm")[-1] == Flag.SUSPECT


def test_values_later_than_a_calibrations_expiry_are_suspect_and_stay_values(reported, runs):
    reported.learn(
        {
            "kind": "calibration",
            "id": "c1",
            "sensor": "T21-1",
            "output": "soil_temperature",
            "curve": "polynomial",
            "parameters": {"c0": 1.0, "c1": 1.0},
            "from_unit": "degC",
            "to_unit": "degC",
            "expires": instant_text(reported.now_ns + 2 * MINUTE_NS),
        }
    )
    reported.measure()
    reported.measure()
    reported.measure()
    assert runs.flags("warm") == [Flag.PASSED, Flag.SUSPECT, Flag.SUSPECT]
    assert [v for run in runs.of("warm") for v in run.value] == [22.5] * 3


def test_a_retained_message_counts_only_with_a_time_of_its_own(reported, runs):
    reported.hear(b'{"x": 1.5}', retain=True)
    reported.hear(b'{"x": 2.5}', retain=False)
    reported.hear(b'{"x": 3.5, "t": %d}' % (reported.now_ns // 10**6), retain=True)
    assert [v for run in runs.of("node") for v in run.value] == [2.5, 3.5]


@pytest.mark.parametrize("stated", ["", ', "t": null', ', "t": "soon"', ', "t": []', ', "t": true'])
def test_a_time_that_is_missing_or_unreadable_gives_the_time_of_receipt_and_doubt(
    reported, runs, stated: str
):
    received_ns = reported.now_ns
    reported.hear(b'{"x": 1.5' + stated.encode() + b"}", retain=False)
    assert runs.flags("node") == [Flag.SUSPECT]
    assert [t for run in runs.of("node") for t in run.time_ns.tolist()] == [received_ns]


def test_a_time_as_text_is_the_senders_time(reported, runs):
    sent_ns = reported.now_ns - MINUTE_NS
    reported.hear(b'{"x": 1.5, "t": "%d"}' % (sent_ns // 10**6), retain=False)
    assert [t for run in runs.of("node") for t in run.time_ns.tolist()] == [sent_ns]
    assert runs.flags("node") == [Flag.PASSED]


def test_a_retained_message_with_an_unreadable_time_has_no_value(reported, runs):
    reported.hear(b'{"x": 1.5, "t": "soon"}', retain=True)
    assert runs.of("node") == []
