"""One fixed life of a small plot, and all that is derived from it, as text.

`python -m tests.stories.same_input FOLDER` writes each text to a file there, and their digests to
`same_digests.json`: run it with two states of the code and compare the folders. Numbers have twelve
significant digits: the last bits may differ between machines.
"""

import base64
import hashlib
import json
import platform
import re
import sqlite3
import struct
import sys
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from getpass import getuser
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
from tests.daemon.commands.calling import call
from tests.fake_influx import FakeInflux
from tests.programs import wait_until
from tests.stories.station import Station

from edaphon.clock import SystemClock
from edaphon.journal import Entry, Journal, Kind
from edaphon.service.process import running
from edaphon_drivers.readings import Follows, Piece, Turn, pack_exchange, pack_message, pack_piece

NOON_NS = 1_775_044_800 * 10**9  # 2026-04-01T12:00:00Z
MINUTE_NS = 60 * 10**9
DAY_MIN = 1440
EUI = "a84041b2c1d5e6f7"
LSE01 = "0ccc0000010f119f00a210"
SHEET = """
[model."own.csv"]
title = "own"
engine = "file"
output = [
  { name = "x", quantity = "soil_temperature", unit = "degC" },
  { name = "y", quantity = "soil_temperature", unit = "degC" },
]
[model."own.csv".frame]
form = "table"
separator = "comma"
column = [{ name = "X", output = "x" }, { name = "Y", output = "y" }]
time = { columns = ["Time"], formats = ["%Y-%m-%d %H:%M:%S"], utc_offset = "+00:00" }
"""
TABLES = """
[bus.sdi12]
kind = "sdi12"
port = "/dev/none"
[[source]]
bus = "sdi12"
address = "a"
model = "meter.teros12"
interval = "10min"
[bus.rs485]
kind = "serial"
port = "/dev/none2"
[[source]]
bus = "rs485"
address = "1"
model = "dfrobot.sen0601"
interval = "10min"
[broker.home]
host = "127.0.0.1"
port = 9
topics = ["#"]
[[source]]
broker = "home"
topic = "ec"
time = { path = "at", format = "epoch_ms" }
[[source.field]]
name = "bulk_electrical_conductivity"
path = "ec"
quantity = "bulk_electrical_conductivity"
unit = "uS/cm"
[broker.cs]
host = "127.0.0.1"
port = 9
topics = ["application/#"]
envelope = "chirpstack-v4"
[[source]]
broker = "cs"
dev_eui = "a84041b2c1d5e6f7"
model = "dragino.lse01-1.1.4"
[[source]]
name = "log"
file = "/data/log.csv"
model = "own.csv"
"""
FACTS = """
[[plot]]
id = "p"
treatment = "warmed"
block = "B2"
[[sensor]]
id = "T12-1"
model = "meter.teros12"
[[sensor]]
id = "EC-7"
model = "campbell.cs655"
[[channel]]
id = "vwc"
plot = "p"
quantity = "volumetric_water_content"
unit = "m3/m3"
depth_cm = 5
checks = { range = { suspect = [0.0, 0.6], fail = [0.0, 0.9] }, spike = { difference = 0.05 } }
[[channel]]
id = "soil"
plot = "p"
quantity = "volumetric_water_content"
unit = "m3/m3"
depth_cm = 20
[[channel]]
id = "temp"
plot = "p"
quantity = "soil_temperature"
unit = "degC"
depth_cm = 5
checks = { rate = { rise_per_hour = 1.2, fall_per_hour = 1.2 } }
[[channel]]
id = "ec25"
plot = "p"
quantity = "bulk_electrical_conductivity_25c"
unit = "uS/cm"
checks = { range = { suspect = [0.0, 900.0], fail = [0.0, 5000.0] } }
[[channel]]
id = "modbus"
plot = "p"
quantity = "soil_temperature"
unit = "K"
depth_cm = 40
[[channel]]
id = "radio"
plot = "p"
quantity = "volumetric_water_content"
unit = "m3/m3"
replicate = 2
[[channel]]
id = "x"
quantity = "soil_temperature"
unit = "degC"
statistic = "mean"
interval = "30min"
[[channel]]
id = "y"
quantity = "soil_temperature"
unit = "degC"
replicate = 3
[[deployment]]
id = "d-vwc"
channel = "vwc"
source = "sdi12/a"
output = "water_content_counts"
factory = "mineral"
sensor = "T12-1"
[[deployment]]
id = "d-soil"
channel = "soil"
source = "sdi12/a"
output = "water_content_counts"
factory = "mineral"
sensor = "T12-1"
[[deployment]]
id = "d-temp"
channel = "temp"
source = "sdi12/a"
output = "soil_temperature"
sensor = "T12-1"
[[deployment]]
id = "d-ec"
channel = "ec25"
source = "home/ec"
output = "bulk_electrical_conductivity"
sensor = "EC-7"
from = 2026-03-01T00:00:00Z
[[deployment]]
id = "d-modbus"
channel = "modbus"
source = "rs485/1"
output = "soil_temperature"
[[deployment]]
id = "d-radio"
channel = "radio"
source = "cs/a84041b2c1d5e6f7"
output = "volumetric_water_content"
[[deployment]]
id = "d-x"
channel = "x"
source = "file/log"
output = "x"
[[deployment]]
id = "d-y"
channel = "y"
source = "file/log"
output = "y"
[[deployment]]
id = "d-y-second"
channel = "y"
source = "file/log"
output = "x"
primary = false
[[calibration]]
id = "soil-1"
channel = "soil"
curve = "polynomial"
parameters = { c0 = -0.012, c1 = 1.043, c2 = 0.05 }
covariance = [[1e-6, 1e-7, 0.0], [1e-7, 4e-6, 0.0], [0.0, 0.0, 1e-6]]
from_unit = "m3/m3"
to_unit = "m3/m3"
domain = [0.1, 0.34]
drift_per_year = 0.002
from = 2026-03-01T00:00:00Z
[[calibration]]
id = "cell"
sensor = "EC-7"
output = "bulk_electrical_conductivity"
curve = "linear"
parameters = { c0 = 0.5, c1 = 1.02 }
covariance = [[0.04, 0.0], [0.0, 1e-4]]
from_unit = "uS/cm"
to_unit = "uS/cm"
operator = "K. Berg"
certificate = "KB-12.pdf"
expires = 2026-04-01T13:00:00Z
[[calibration]]
id = "to-25"
channel = "ec25"
curve = "conductivity_at_25"
second = { channel = "temp", max_age = "30min" }
[[calibration]]
id = "bath"
sensor = "T12-1"
output = "soil_temperature"
curve = "linear"
parameters = { c0 = 0.1, c1 = 0.999 }
covariance = [[1e-4, 0.0], [0.0, 1e-8]]
[[mark]]
id = "dug"
channels = ["temp", "x"]
cause = "a badger"
flag = 4
who = "K. Berg"
from = 2026-04-01T12:25:00Z
to = 2026-04-01T12:35:00Z
[[visit]]
id = "spring"
plot = "p"
who = "K. Berg"
from = 2026-04-01T14:00:00Z
to = 2026-04-01T14:25:00Z
[[check]]
id = "found"
channel = "modbus"
state = "as found"
reading = 287.0
reference_value = 286.5
u_reference = 0.1
from = 2026-04-01T12:00:00Z
to = 2026-04-01T13:15:00Z
[[check]]
id = "left"
channel = "modbus"
state = "as left"
reading = 286.6
reference_value = 286.5
u_reference = 0.1
from = 2026-04-01T13:15:00Z
"""
CORRECTION = """
[[calibration]]
id = "soil-2"
channel = "soil"
curve = "linear"
parameters = { c0 = 0.01, c1 = 1.1 }
covariance = [[1e-4, -1e-5], [-1e-5, 1e-4]]
from_unit = "m3/m3"
to_unit = "m3/m3"
supersedes = "soil-1"
[[calibration]]
id = "bath-after"
sensor = "T12-1"
output = "soil_temperature"
curve = "linear"
parameters = { c0 = 0.4, c1 = 0.998 }
covariance = [[1e-4, 0.0], [0.0, 1e-8]]
from = 2026-04-01T12:00:00Z
to = 2026-04-03T12:00:00Z
drifts_from = "bath"
[[deployment]]
id = "d-modbus-2"
channel = "modbus"
source = "rs485/1"
output = "soil_temperature"
from = 2026-04-01T12:30:00Z
supersedes = "d-modbus"
[[revocation]]
of = "dug"
why = "it was a mole"
"""
CHANNELS = ("ec25", "modbus", "radio", "soil", "temp", "vwc", "x", "y")
ASKED = {
    "vwc": (0, 50, 60, 100, 120),
    "soil": (0, 10, 100, 130),
    "temp": (0, 30, 130),
    "ec25": (1, 11, 61, 95),
    "modbus": (0, 20, 40, 80),
    "radio": (5, 65),
    "x": (0, 30, 60),
    "y": (0, 30),
}
PROSE = {"beyond", "formula", "reference", "time_from", "why"}
# The columns of a block in the file of the series, a frozen format.
COLUMNS = {
    "time_ns": "<i8",
    "support_ns": "<i8",
    "raw": "<f8",
    "value": "<f8",
    "u_random": "<f8",
    "u_systematic": "<f8",
    "flag": "i1",
    "doubt": "i1",
    "rank": "i1",
    "sequence": "<i8",
    "derivation": "<i4",
    "change": "<i8",
}


def entry(kind: Kind, minute: float, source: str, payload: bytes, boot: str = "boot-1") -> Entry:
    passed = round(minute * MINUTE_NS)
    slot = NOON_NS + passed if kind == Kind.RECORD and source in {"sdi12/a", "rs485/1"} else None
    return Entry(kind, NOON_NS + passed + 2 * 10**9, passed, boot, source, payload, slot)


def noted(kind: Kind, minute: float, table: dict[str, Any], boot: str = "boot-1") -> Entry:
    return entry(kind, minute, "", json.dumps(table, separators=(",", ":")).encode(), boot)


def probe(minute: float, counts: float, celsius: float, boot: str = "boot-1") -> Entry:
    turns = [
        Turn(0, True, b"aM!"),
        Turn(40, False, b"a0013\r\n"),
        Turn(1100, True, b"aD0!"),
        Turn(1150, False, f"a+{counts}{celsius:+.2f}+12\r\n".encode()),
    ]
    return entry(Kind.RECORD, minute, "sdi12/a", pack_exchange(turns), boot)


def crc(frame: bytes) -> bytes:
    """CRC-16 of Modbus."""
    register = 0xFFFF
    for byte in frame:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0xA001 if register & 1 else 0)
    return frame + register.to_bytes(2, "little")


def modbus(minute: float, *registers: int, damaged: bool = False) -> Entry:
    answer = crc(struct.pack(">BBB3h", 1, 3, 6, *registers))
    turns = [
        Turn(0, True, crc(bytes.fromhex("010300000003"))),
        Turn(30, False, answer[:-1] if damaged else answer),
    ]
    return entry(Kind.RECORD, minute, "rs485/1", pack_exchange(turns))


def node(minute: float, at: float | None = None, **numbers: float) -> Entry:
    table = numbers if at is None else {**numbers, "at": (NOON_NS + at * MINUTE_NS) / 10**6}
    payload = pack_message("ec", json.dumps(table).encode(), 1, False, False)
    return entry(Kind.RECORD, minute, "home", payload)


def uplink(minute: float, counter: int, hex: str) -> Entry:
    message = {
        "time": f"2026-04-01T{12 + int(minute) // 60}:{int(minute) % 60:02d}:00+00:00",
        "deviceInfo": {"devEui": EUI},
        "fPort": 2,
        "fCnt": counter,
        "devAddr": "01020304",
        "data": base64.b64encode(bytes.fromhex(hex)).decode(),
    }
    topic = f"application/1/device/{EUI}/event/up"
    payload = pack_message(topic, json.dumps(message).encode(), 1, False, False)
    return entry(Kind.RECORD, minute, "cs", payload)


def piece(minute: float, line: int, *rows: str) -> Entry:
    data = "".join(f"2026-04-01 {row}\n" for row in rows).encode()
    begins: dict[str, Any] = {"follows": Follows.BEGINS, "headed": True} if line == 1 else {}
    one = Piece(
        name="/data/log.csv",
        offset=9,
        header=b"Time,X,Y\n",
        data=data,
        line=line,
        lines=len(rows) + (line == 1),
        copy=1,
        **begins,
    )
    return entry(Kind.RECORD, minute, "file/log", pack_piece(one))


def gap(minute: float, begin: float, end: float) -> Entry:
    table = {
        "cause": "no answer",
        "first_ns": round(NOON_NS + begin * MINUTE_NS),
        "last_ns": round(NOON_NS + end * MINUTE_NS),
        "n": 2,
        "state": "closed",
        "detail": "a!",
    }
    return entry(Kind.GAP, minute, "sdi12/a", json.dumps(table).encode())


def first_records() -> Iterator[Entry]:
    yield noted(Kind.CLOCK, -5, {"offset_ns": NOON_NS})
    counts = (2550.5, 2551.5, 2550.0, 2549.0, 2550.0, 2552.0, 9000.0, 2553.5, 2790.0, 2555.0)
    for n, one in enumerate(counts):
        yield probe(10 * n, one, 15.0 + n / 7)
        yield modbus(10 * n, 658 + n, 134 + n, 1000)
    yield from (node(1, ec=400.0, at=1), node(11, ec=1000.0, at=11), node(12, nonsense=1.0))
    yield from (node(61, ec=400.0, at=61), node(61, ec=400.0, at=61))  # the same once more
    yield from (node(62, ec=410.0, at=61), node(95, ec=400.0), node(180, ec=420.0, at=179))
    yield from (uplink(5, 0, LSE01), uplink(65, 1, LSE01.replace("010f", "0b13")))
    yield uplink(66, 2, LSE01[:4])  # too short
    yield gap(96, 40, 50)
    identity = pack_exchange(
        [Turn(0, True, b"aI!"), Turn(40, False, b"a13METER   TER12 411T12-2\r\n")]
    )
    yield entry(Kind.IDENTITY, 97, "sdi12/a", identity)
    yield entry(Kind.RECORD, 98, "sdi12/a", pack_exchange([Turn(0, False, b"a+")]))
    yield modbus(99, 1, 2, 3, damaged=True)
    yield piece(100, 1, "12:00:00,4.25,5.5", "12:30:00,4.5,5.25", "12:30:00,4.75,5.0", "bad,1")
    yield piece(101, 6, "13:00:00,4.125,-5.5", "13:30:00,4.0625,1e3")
    yield probe(100, 2551.0, 15.5, "boot-2")  # of this boot no clock is known yet
    yield probe(120, 2552.0, 15.75, "boot-2")


def late_records() -> Iterator[Entry]:
    yield noted(Kind.CLOCK, 125, {"offset_ns": NOON_NS, "error_ns": 5}, "boot-2")
    yield probe(130, 2553.0, 16.0, "boot-2")
    yield probe(10, 2551.5, 15.0 + 1 / 7)  # again, as it was
    yield probe(20, 2600.0, 15.5)  # and one that contradicts
    yield node(200, ec=380.0, at=30)
    yield uplink(67, 3, LSE01.replace("010f", "0c00"))
    yield piece(300, 8, "14:00:00,4.5,2.5", "12:00:00,9.0,9.5")


@contextmanager
def wall(minute: float) -> Iterator[None]:
    """Whoever asks for the time meanwhile is given this one."""
    with patch.object(SystemClock, "wall_ns", lambda _: round(NOON_NS + minute * MINUTE_NS)):
        yield


class Plot:
    """The plot's storage, and the texts of what is derived there."""

    def __init__(self, folder: Path, influx: FakeInflux) -> None:
        self.folder, self.influx = folder, influx
        sink = (
            f'[[sink]]\nname = "influx"\nkind = "influxdb"\nversion = 2\nurl = "{influx.url}"\n'
            'bucket = "plots"\norg = "o"\n'
        )
        self.station = Station(folder, [TABLES, SHEET, sink], [FACTS])
        self.texts: dict[str, str] = {}
        self.exact: dict[str, str] = {}  # what is the same bit for bit on one machine

    def live(self) -> None:
        text = TABLES + SHEET
        head = '[logger]\nid = "story-1"\n[site]\nid = "story"\n[storage]\nfolder = "/s"\n'
        with wall(-20 * DAY_MIN):
            table = {"file": "edaphon.toml", "sha256": "", "text": head + text}
            self.append([noted(Kind.CONFIGURATION, -6, table)])
            self.call("apply", "--who", "M. Moser")
        self.append(sorted(first_records(), key=attrgetter("received_ns")))
        with wall(DAY_MIN):
            self.look("first")
            self.exact["release"] = json.loads(
                self.call("release", "spring", "--who", "A. Roth", "--json")
            )["digest"]
            self.deliver("first")
        with wall(30 * DAY_MIN):
            (self.folder / "correction.toml").write_text(CORRECTION)
            correction = str(self.folder / "correction.toml")
            found = json.loads(self.call("cal", "preview", correction, "--json"))
            self.keep("foreseen", json.dumps(without_prose(found), indent=1))
            self.call("apply", correction, "--who", "K. Berg")
            self.append(late_records())
        with wall(31 * DAY_MIN):
            self.look("corrected")
            self.deliver("corrected")
            for channel in CHANNELS:
                of = f"{channel} of the release"
                self.keep(of, self.query(channel, "--release", "spring"))
                then = ("--as-known-at", "2026-04-15")
                self.keep(f"{channel} as known then", self.query(channel, *then))
                for minute in ASKED[channel]:
                    self.explain(channel, minute)
            found = json.loads(self.call("cal", "list", "--json"))
            self.keep("calibrations", json.dumps(without_prose(found), indent=1))

    def append(self, entries: Iterator[Entry] | list[Entry]) -> None:
        with Journal(self.station.storage / "journal", SystemClock()) as journal:
            for one in entries:
                journal.append_now(one)

    def look(self, when: str) -> None:
        """Derive all, once on the way and once again, and read it."""
        again = json.loads(self.call("rebuild", "--json"))
        assert again["differing"] == 0
        self.keep(
            f"series, {when}", "\n".join(series_lines(self.station.storage, self.exact, when))
        )
        for channel in CHANNELS:
            self.keep(f"{channel} as JSON, {when}", self.query(channel))
            self.keep(f"{channel} raw, {when}", self.query(channel, "--level", "raw"))
        self.keep(f"vwc as CSV, {when}", self.query("vwc", format="csv"))
        self.keep(f"temp as table, {when}", self.query("temp", format="table"))

    def query(self, channel: str, *words: str, format: str = "json") -> str:
        return self.call("query", channel, "--format", format, *words)

    def explain(self, channel: str, minute: int) -> None:
        time = f"2026-04-01T{12 + minute // 60}:{minute % 60:02d}:00Z"
        found = without_prose(json.loads(self.call("explain", channel, time, "--json")))
        self.keep(f"{channel} explained, {minute}", json.dumps(found, indent=1))

    def deliver(self, when: str) -> None:
        """The service brings what is new to the sink, and nothing else."""
        before = len(self.influx.requests)
        with running(self.station.file):
            wait_until(self.is_delivered, "all points at the sink")
        bodies = [r.body.decode() for r in self.influx.requests[before:]]
        lines = [without_spaces(line) for body in bodies for line in body.splitlines()]
        self.exact[f"line protocol, {when}"] = digest("\n".join(sorted(lines)))
        self.keep(f"line protocol, {when}", "\n".join(sorted(lines)))
        points = (f"{point} {sorted(f.items())}" for point, f in sorted(self.influx.points.items()))
        self.keep(f"points, {when}", "\n".join(points))

    def is_delivered(self) -> bool:
        return not any(self.station.ask("status")["ledgers"]["waiting"].values())

    def call(self, *words: str) -> str:
        return call(self.station, *words, codes=(0, 1))[0]

    def keep(self, name: str, text: str) -> None:
        text = text.replace(str(self.folder), "FOLDER")
        self.texts[name] = rounded(re.sub(rf"\b{re.escape(getuser())}\b", "ACCOUNT", text))


# With a point or an exponent, and no part of a hash.
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+(?:e[-+]?\d+)?|e[-+]?\d{1,3})(?![\w.])")


def without_spaces(line: str) -> str:
    """A request to delete is JSON, whose spaces are the client's; a line is taken as it is."""
    return json.dumps(json.loads(line), separators=(",", ":")) if line.startswith("{") else line


def without_prose(found: Any) -> Any:
    """The sentences for people may become better at any time."""
    if isinstance(found, dict):
        return {name: without_prose(one) for name, one in found.items() if name not in PROSE}
    return [without_prose(one) for one in found] if isinstance(found, list) else found


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def rounded(text: str) -> str:
    return NUMBER.sub(lambda number: f"{float(number[0]):.12g}", text)


def series_lines(storage: Path, exact: dict[str, str], when: str) -> Iterator[str]:
    """Each row and each table of the file; derivations by name, what counts changes left out."""
    with closing(sqlite3.connect(f"file:{storage}/series.sqlite?mode=ro", uri=True)) as db:
        names = dict(db.execute("SELECT number, id FROM derivation"))
        for id, text in db.execute("SELECT id, text FROM derivation ORDER BY id"):
            yield f"derivation {id} {text}"
        for row in db.execute(
            "SELECT channel, day, n, passed, not_evaluated, suspect, failed, missing, lowest,"
            " highest, mean, digest, columns FROM block ORDER BY channel, day"
        ):
            *head, of_rows, packed = row
            exact[f"{head[0]} on day {head[1]}, {when}"] = of_rows
            yield f"block {head}"
            yield from (f"  {cells}" for cells in cells_of(packed, head[2], names))
        for row in db.execute("SELECT * FROM conflict ORDER BY 1, 2, 3, 4, 5"):
            yield f"conflict {row}"
        for row in db.execute("SELECT channel, time_ns FROM withdrawn ORDER BY 1, 2"):
            yield f"withdrawn {row}"


def cells_of(packed: bytes, n: int, names: dict[int, str]) -> Iterator[list[Any]]:
    data, at, columns = zlib.decompress(packed), 0, {}
    for name, kind in COLUMNS.items():
        columns[name] = np.frombuffer(data, kind, n, at).tolist()
        at += np.dtype(kind).itemsize * n
    assert at == len(data)
    columns["derivation"] = [names[number] for number in columns["derivation"]]
    del columns["change"]
    return map(list, zip(*columns.values(), strict=True))


def lived(folder: Path) -> Plot:
    """The plot after its life."""
    with FakeInflux(2) as influx:
        plot = Plot(folder, influx)
        plot.live()
    return plot


def digests(plot: Plot) -> dict[str, dict[str, str]]:
    """What must stay; `exact` is promised for one build of numpy on one kind of machine only."""
    return {
        "rounded": {name: digest(text) for name, text in plot.texts.items()},
        "exact": plot.exact,
        "of": {"numpy": np.__version__, "machine": platform.machine()},
    }


def main() -> None:
    with TemporaryDirectory() as folder:
        plot = lived(Path(folder) / "plot")
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for name, text in plot.texts.items():
        (out / f"{name}.txt").write_text(text)
    (out / "same_digests.json").write_text(json.dumps(digests(plot), indent=1) + "\n")


if __name__ == "__main__":
    main()
