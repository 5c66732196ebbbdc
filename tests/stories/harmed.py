"""A station with an entry of every kind, killed while it ran, and what is true of it."""

import sqlite3
import struct
import threading
import time
import zlib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from tests.daemon.service.test_starts import boot, station_of
from tests.stories.disk_life import TOPIC
from tests.stories.station import Station, teros12_facts

from edaphon.acquire.slots import Gap
from edaphon.clock import SystemClock
from edaphon.journal import Entry, Journal, Kind
from edaphon.service.process import running
from edaphon_drivers.readings import Turn, pack_exchange, pack_message

__all__ = [
    "Row",
    "build",
    "fresh",
    "points",
    "rows_in",
    "settle",
    "sink_lines",
    "take_fresh",
    "twin",
]

SETTLED_S = 20.0
HOUR_NS = 3_600_000_000_000
BEGIN_NS = (time.time_ns() // HOUR_NS - 48) * HOUR_NS
FACTS = (
    '[[sensor]]\nid = "S-1"\nmodel = "meter.teros12"\n'
    '[[calibration]]\nid = "k-1"\nchannel = "n1-temp"\ncurve = "linear"\n'
    'parameters = { c0 = 0.5, c1 = 1.1 }\nfrom = "2020-01-01T00:00:00Z"\n'
    '[[mark]]\nid = "m-1"\nchannels = ["n1-vwc"]\ncause = "a badger"\nflag = 3\nwho = "me"\n'
    'from = "2020-01-01T00:00:00Z"\nto = "2100-01-01T00:00:00Z"\n'
    '[[plot]]\nid = "old"\n[[channel]]\nid = "log-temp"\nplot = "old"\n'
    'quantity = "soil_temperature"\nunit = "degC"\ndepth_cm = 1\n'
    '[[deployment]]\nid = "d-log"\nchannel = "log-temp"\nsource = "file/log"\noutput = "t1"\n'
)
PROBE = (
    '[bus.sdi12]\nkind = "sdi12"\nport = "/dev/none"\n'
    '[[source]]\nbus = "sdi12"\naddress = "a"\nmodel = "meter.teros12"\ninterval = "1h"\n'
)
LOGGER = (
    '[[source]]\nname = "log"\nfile = "FOLDER/data/*.dat"\nmodel = "plot.logger"\n'
    'settings = { utc_offset = "+00:00", interval_s = 600 }\n'
    '[model."plot.logger"]\ntitle = "a logger"\nengine = "file"\n[model."plot.logger".frame]\n'
    'form = "toa5"\ncolumn = [{ name = "T1_Avg", output = "t1" }]\nmissing = ["NAN"]\n'
    '[model."plot.logger".frame.time]\ncolumns = ["TIMESTAMP"]\nformats = ["%Y-%m-%d %H:%M:%S"]\n'
    '[[model."plot.logger".output]]\nname = "t1"\nquantity = "soil_temperature"\nunit = "degC"\n'
)
HEAD = (
    '"TOA5","plot","CR1000","1234","CR1000.Std.32","CPU:soil.CR1","5212","Soil"\r\n'
    '"TIMESTAMP","RECORD","T1_Avg"\r\n"TS","RN","Deg C"\r\n"","","Avg"\r\n'
)


class Point(NamedTuple):
    """What a sink gets of a value, its origin apart."""

    value: float | None
    raw: float | None
    u_random: float | None
    u_systematic: float | None
    flag: int


class Row(NamedTuple):
    """An entry as plain SQL finds it."""

    kind: int
    source: str
    received_ns: int
    payload: bytes


def build(folder: Path) -> Station:
    """Three journal files, all kinds of entries, values in a sink of lines, a release."""
    station = station_of(folder)
    (folder / "data").mkdir()
    with station.file.open("a") as config:
        config.write(PROBE + LOGGER.replace("FOLDER", str(folder)))
        config.write(f'[[sink]]\nname = "out"\nkind = "jsonl"\nfolder = "{folder / "out"}"\n')
    with (station.inbox / "first.toml").open("a") as facts:
        facts.write(FACTS + teros12_facts("sdi12/a", "p"))
    table = "".join(f'"2026-01-0{1 + k // 144} {k // 6 % 24:02}:{k % 6}0:00",{k},{k / 8}\r\n'
                    for k in range(300))  # fmt: skip
    (folder / "data" / "log.dat").write_text(HEAD + table)
    station.start()
    station.stop()
    with Journal(station.storage / "journal", SystemClock(), largest_bytes=60_000) as journal:
        for k in range(3):
            journal.append([*probes(k), *(message(300 * k + number) for number in range(300))])
            journal.append_now(Entry(Kind.NOTE, BEGIN_NS, 1, boot(), "", b'{"text": "a visit"}'))
    station.start()
    station.command("release", "r1", "--who", "test", "--config", str(station.file))
    end = time.monotonic() + 30
    while any(station.ask("status")["ledgers"]["waiting"].values()) and time.monotonic() < end:
        time.sleep(0.1)
    station.ask("flush")
    station.kill()
    return station


def probes(k: int) -> Iterator[Entry]:
    """An hour's record, a gap of three hours, and who the probe is."""
    turns = [
        Turn(0, True, b"aM!"),
        Turn(40, False, b"a0013\r\n"),
        Turn(1100, True, b"aD0!"),
        Turn(1150, False, b"a+2%d00.5+8.%d+12\r\n" % (k, k)),
    ]
    slot = BEGIN_NS + 4 * k * HOUR_NS
    yield _of(Kind.RECORD, slot, pack_exchange(turns), slot)
    gap = Gap("no answer", slot + HOUR_NS, slot + 3 * HOUR_NS, 3, "closed")
    yield _of(Kind.GAP, slot + 3 * HOUR_NS, gap.payload())
    who = [Turn(0, True, b"aI!"), Turn(40, False, b"a13METER   TER12 112T12-0000a\r\n")]
    yield _of(Kind.IDENTITY, slot + 3 * HOUR_NS + 1, pack_exchange(who))


def _of(kind: Kind, received_ns: int, payload: bytes, slot_ns: int | None = None) -> Entry:
    return Entry(kind, received_ns, received_ns % 10**9, boot(), "sdi12/a", payload, slot_ns)


def message(number: int) -> Entry:
    at_ns = BEGIN_NS + number * 60 * 10**9
    fields = {"t": at_ns // 10**6, "vwc": 0.1 + number / 10**4, "temp": number / 7, "ec": 0.1}
    payload = pack_message(TOPIC, orjson.dumps(fields), 1, False, False)
    return Entry(Kind.RECORD, at_ns + 10**8, number, boot(), "local", payload)


def fresh() -> list[Entry]:
    """What comes in after the harm."""
    return [message(2000 + number) for number in range(20)]


def rows_in(folder: Path) -> dict[tuple[int, int], Row]:
    """Every entry with a good CRC, read by plain SQL and a CRC of this file's own."""
    found = {}
    for path in sorted(folder.glob("journal-??????.sqlite")):
        number = int(path.stem[-6:])
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            names = dict(db.execute("SELECT id, text FROM name"))
            for row in db.execute("SELECT * FROM entry"):
                n, kind, at, mono, by, source, slot, purpose, payload, crc, _ = row
                head = struct.pack("<IIBqq?qB", number, n, kind, at, mono, slot is not None,
                                   slot or 0, purpose)  # fmt: skip
                texts = f"{names[by]}\0{names[source]}\0".encode()
                assert zlib.crc32(payload, zlib.crc32(head + texts)) == crc
                found[number, n] = Row(kind, names[source], at, payload)
    return found


def sink_lines(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The lines of a sink's files, in order."""
    return {
        path.name: [orjson.loads(line) for line in path.read_bytes().splitlines()]
        for path in sorted(folder.glob("*.jsonl"))
    }


def points(lines: list[dict[str, Any]]) -> dict[tuple[str, int], set[Point | None]]:
    """All that was ever sent of each point; None: it was withdrawn."""
    found: dict[tuple[str, int], set[Point | None]] = defaultdict(set)
    for line in lines:
        key = line["channel"], line["time_ns"]
        gone = line.get("withdrawn")
        found[key].add(None if gone else Point(*(line[name] for name in Point._fields)))
    return found


def twin(station: Station) -> None:
    """Let a station take what is fresh, and bring it to its sink."""
    with running(station.file) as service:
        take_fresh(service)


def take_fresh(service: Any) -> None:
    """What comes in after the harm, until it is in the sink."""
    committed = threading.Event()
    service.journal.append(fresh(), lambda _: committed.set())
    assert committed.wait(SETTLED_S), "what comes in is not committed"
    settle(service)


def settle(service: Any) -> None:
    """Until all that came is derived and in the sinks; a damaged one may never get there."""
    end = time.monotonic() + SETTLED_S
    while time.monotonic() < end and not _settled(service):
        time.sleep(0.05)


def _settled(service: Any) -> bool:
    place = service.journal.last
    derived = place is not None and service.deriver.position >= place
    waiting = any(parts.feed.waiting() for parts in service.sinks.values())
    return derived and not service.deriver.reworking and not waiting
