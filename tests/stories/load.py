"""What a station has to bear in the fault stories: probes, a stream of messages, and what is true.

EDAPHON_FAULTS=long (`./run faults`) asks for the campaigns in full, else their short forms run.
"""

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import orjson
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from tests.programs import Mosquitto, wait_until
from tests.stories.influx import Database, sink_table
from tests.stories.station import Station, json_node, json_node_facts, teros12_facts

from edaphon.journal import Kind, read_only
from edaphon_drivers.readings import unpack_message
from edaphon_drivers.simulators.sdi12 import Probe, SimulatedBus

__all__ = [
    "LONG",
    "Spread",
    "Probes",
    "Publisher",
    "cpu_s",
    "kept_messages",
    "loaded_station",
    "points",
    "random_of",
    "resident_mb",
    "table",
]

LONG = os.environ.get("EDAPHON_FAULTS") == "long"
NODES = tuple(f"node{k}" for k in range(10))
PROBES = ("a", "b")
SINK = "influx"
Row = Sequence[object]


class Probes:
    """Two TEROS 12 on one line, behind a path that stays the same."""

    def __init__(self, folder: Path) -> None:
        self._asked = 0
        probes = [Probe(a, f"13METER   TER12 112T12-0000{a}", self._values) for a in PROBES]
        self.bus = SimulatedBus(probes, second_s=0.02, link=folder / "port")

    def _values(self) -> tuple[float, ...]:
        """Never the same twice in a row."""
        self._asked += 1
        return (2400 + self._asked % 500, 5 + self._asked % 200 / 10, 100 + self._asked % 50)

    def __enter__(self) -> Self:
        self.port = self.bus.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.bus.stop()


class Publisher:
    """Ten nodes that send in turn at QoS 1; `accepted` are the payloads that got a PUBACK."""

    def __init__(self, broker: Mosquitto, per_s: float = 100.0, nodes: Sequence[str] = NODES):
        self.sent: list[bytes] = []
        self._period_s, self._nodes = 1 / per_s, nodes
        self._begun_ms = time.time_ns() // 10**6
        self._by_mid: dict[int, bytes] = {}
        self._answered: set[int] = set()
        self._stop = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="nodes", clean_session=False)
        self._client.max_queued_messages_set(0)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_publish = lambda *words: self._answered.add(words[2])
        self._client.connect(broker.host, broker.port)
        self._thread = threading.Thread(target=self._run, name="nodes")

    def __enter__(self) -> Self:
        self._client.loop_start()
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()
        self._client.disconnect()
        self._client.loop_stop()

    def finish(self) -> None:
        """Send no more and wait until the broker has answered for everything."""
        self._stop.set()
        self._thread.join()
        # A broker that saves a long queue at each message takes 50 messages a second.
        wait_until(lambda: len(self._answered) == len(self.sent), "all PUBACKs", 240)

    @property
    def accepted(self) -> set[bytes]:
        return {self._by_mid[mid] for mid in self._answered.copy() if mid in self._by_mid}

    def _run(self) -> None:
        begun, k = time.monotonic(), 0
        self._begun_ms = time.time_ns() // 10**6
        while not self._stop.wait(max(0.0, begun + k * self._period_s - time.monotonic())):
            self._publish(k)
            k += 1

    def _publish(self, k: int) -> None:
        # The time it was due: a thread that catches up must not date two of a node the same.
        due_ms = self._begun_ms + int(k * self._period_s * 1000)
        fields = {"t": due_ms, "vwc": 0.1 + k % 300 / 1000, "temp": k % 40, "n": k}
        payload = orjson.dumps({**fields, "ec": k % 17 / 10})
        self.sent.append(payload)
        sent = self._client.publish(f"plot/{self._nodes[k % len(self._nodes)]}", payload, qos=1)
        assert sent.mid not in self._by_mid, "more messages than packet identifiers"
        self._by_mid[sent.mid] = payload


def points(database: Database) -> dict[str, int]:
    """How many points each channel has."""
    counts: Counter[str] = Counter()
    for found in database.ask('SELECT count("flag") FROM /.*/ GROUP BY "channel"'):
        counts[found["tags"]["channel"]] += found["values"][0][1]
    return dict(counts)


def loaded_station(
    folder: Path,
    broker: Mosquitto | None = None,
    sink: str = "",
    port: str = "",
    program: tuple[str, ...] = ("-m", "edaphon", "run"),
) -> Station:
    """A station with the probes where a port is given, the nodes where a broker is."""
    tables, facts = [], []
    if sink:
        tables.append(sink_table(sink, "soil", name=SINK))
    if broker is not None:
        tables.append(
            f'[broker.local]\nhost = "{broker.host}"\nport = {broker.port}\ntopics = ["plot/#"]\n'
        )
        tables += [json_node("local", f"plot/{node}") for node in NODES]
        facts += [json_node_facts("local", f"plot/{node}", node) for node in NODES]
    if port:
        tables.append(f'[bus.sdi12]\nkind = "sdi12"\nport = "{port}"\n')
        tables += [
            f'[[source]]\nbus = "sdi12"\naddress = "{a}"\nmodel = "meter.teros12"\n'
            f'interval = "1s"\n'
            for a in PROBES
        ]
        facts += [teros12_facts(f"sdi12/{a}", f"probe-{a}") for a in PROBES]
    folder.mkdir(parents=True, exist_ok=True)
    return Station(folder, tables, facts, program)


def kept_messages(station: Station) -> Counter[bytes]:
    """The MQTT payloads in the journal, each with how often it is there."""
    records = read_only(station.storage / "journal").scan(sources={"local"}, kinds={Kind.RECORD})
    return Counter(unpack_message(entry.payload).data for _, entry in records)


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """VmRSS."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


@dataclass(frozen=True)
class Spread:
    """A distribution, for a table."""

    values: Sequence[float]

    def __str__(self) -> str:
        if not self.values:
            return "none"
        ordered = sorted(self.values)
        at = [ordered[min(len(ordered) - 1, int(q * len(ordered)))] for q in (0.5, 0.95, 1.0)]
        return f"median {at[0]:.2f}  p95 {at[1]:.2f}  max {at[2]:.2f}  (n = {len(ordered)})"


def table(capture: pytest.CaptureFixture[str], title: str, rows: Iterable[Row]) -> None:
    """Show figures to whoever watches the tests; nothing is asserted about them."""
    with capture.disabled():
        print(f"\n{title}")
        for name, *cells in rows:
            print(f"  {name!s:<44} {'  '.join(map(str, cells))}")


def random_of(test: str) -> random.Random:
    """Repeatable choices, other ones with EDAPHON_SEED."""
    return random.Random(f"{test} {os.environ.get('EDAPHON_SEED', '1')}")
