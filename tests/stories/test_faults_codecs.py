"""Hostile codecs of makers on a station: each ends as a value or a refusal, and the others go on.

A few dozen with every test, 510 with EDAPHON_FAULTS=long.
"""

import contextlib
import os
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.programs import Mosquitto, wait_until
from tests.stories.hostile_codecs import GOOD, KINDS, hostile_codecs
from tests.stories.load import LONG, resident_mb, table
from tests.stories.sending import broker_table, publish
from tests.stories.station import Station

from edaphon_drivers.codec_process import pool
from edaphon_drivers.faults import Fault
from edaphon_drivers.javascript import Codec
from edaphon_drivers.simulators import lorawan as simulated

SEED = 12
COUNT = 510 if LONG else 2 * len(KINDS)
ON_STATION = 500 if LONG else 5
DATA, VALUE = b"\x04\xd2", 12.34
MOST_CHILD_MB = 100
GOOD_EUI, NATIVE_EUI = "a84041b2c1d5e6f7", "a84041b2c1d5e6f8"


@pytest.mark.timeout(3600 if LONG else 120)
def test_hostile_codecs_end_as_a_value_or_a_refusal_and_good_ones_go_on(
    capfd: pytest.CaptureFixture[str],
) -> None:
    good = [Codec(text, "good.js") for text in GOOD]
    ended: Counter[str] = Counter()
    longest_s, highest_mb = 0.0, 0.0
    before_mb = resident_mb(os.getpid())
    for number, (_, text) in enumerate(hostile_codecs(COUNT, SEED)):
        begun = time.monotonic()
        codec = Codec(text, "hostile.js", time_limit_s=0.25 if LONG else 0.05)
        try:
            assert isinstance(codec.decode(DATA, 2, 0), dict)
            ended["value"] += 1
        except Fault as fault:
            ended["limit" if "CPU" in str(fault) else "refusal"] += 1
        longest_s = max(longest_s, time.monotonic() - begun)
        highest_mb = max([highest_mb, *map(_peak_mb, pool.processes())])
        assert good[number % 3].decode(DATA, 2) == {"t": VALUE}, text
    assert ended.total() == COUNT
    assert min(ended.values()) > 0
    assert longest_s < 60
    assert highest_mb < MOST_CHILD_MB
    assert resident_mb(os.getpid()) - before_mb < 50
    head = ("hostile", *sorted(ended), "longest [s]", "process [MB]")
    row = (COUNT, *(ended[kind] for kind in sorted(ended)), f"{longest_s:.1f}", f"{highest_mb:.0f}")
    table(capfd, "codecs", [head, tuple(str(cell) for cell in row)])


def _peak_mb(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return next((int(x.split()[1]) / 1000 for x in text.splitlines() if x[:6] == "VmHWM:"), 0.0)


def _codec_processes(daemon: int) -> list[str]:
    """Of a daemon, also of one that is gone; not those that are only to be reaped."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = place.read_text().split("\0")
            if words[-2:-1] == [str(daemon)] and any("codec_child" in word for word in words):
                found.append(place.parent.name)
    return found


def _eui(number: int) -> str:
    return f"b{number:015x}"


def _source(eui: str, codec: Path | None) -> str:
    head = f'[[source]]\nbroker = "cs"\ndev_eui = "{eui}"\n'
    if codec is None:
        return head + 'model = "milesight.em500-smtc"\n'
    return head + (
        f'codec_file = "{codec}"\n[[source.field]]\nname = "t"\npath = "t"\n'
        'quantity = "soil_temperature"\nunit = "degC"\n'
    )


def _channel(name: str, eui: str, output: str, replicate: int) -> str:
    return (
        f'[[channel]]\nid = "{name}"\nquantity = "soil_temperature"\nunit = "degC"\n'
        f"replicate = {replicate}\n"
        f'[[deployment]]\nid = "d-{name}"\nchannel = "{name}"\nsource = "cs/{eui}"\n'
        f'output = "{output}"\n'
    )


class Plot:
    """A station with a native codec, a maker's good one, and hostile ones among them."""

    def __init__(self, folder: Path, broker: Mosquitto) -> None:
        self.broker, self.counter = broker, 0
        files = folder / "codecs"
        files.mkdir()
        texts = [GOOD[0], *(text for _, text in hostile_codecs(ON_STATION, SEED + 1))]
        for number, text in enumerate(texts):
            (files / f"{number}.js").write_text(text)
        own = [_source(_eui(n), files / f"{n}.js") for n in range(1, ON_STATION + 1)]
        tables = [broker_table(broker, "cs", "application/#", "chirpstack-v4"), *own]
        tables += [_source(GOOD_EUI, files / "0.js"), _source(NATIVE_EUI, None)]
        facts = [
            _channel("good", GOOD_EUI, "t", 1),
            _channel("native", NATIVE_EUI, "soil_temperature", 2),
        ]
        self.station = Station(folder, tables, facts)

    def send(self, *euis: str) -> None:
        self.counter += 1
        now = int(datetime.now(UTC).timestamp() * 1e9)
        uplinks = []
        for eui in euis:
            data = bytes.fromhex("0367fa00") if eui == NATIVE_EUI else DATA
            uplinks.append(simulated.chirpstack_v4(eui, data, 85, self.counter, now))
        publish(self.broker, uplinks)

    def values(self, channel: str) -> list[float]:
        rows = self.station.ask("series", channel=channel, start_ns=0, end_ns=2**62)
        return list(rows["value"])


@pytest.fixture
def plot(tmp_path: Path) -> Iterator[Plot]:
    with Mosquitto(tmp_path / "broker") as broker:
        plot = Plot(tmp_path, broker)
        plot.station.start()
        wait_until(lambda: not plot.station.ask("status")["trouble"], "the broker")
        try:
            yield plot
        finally:
            plot.station.stop()


@pytest.mark.timeout(3600 if LONG else 120)
def test_a_station_with_hostile_codecs_has_its_other_values_answers_and_ends(
    plot: Plot, capfd: pytest.CaptureFixture[str]
) -> None:
    within_s = 1800 if LONG else 60
    hostile = [_eui(n) for n in range(1, ON_STATION + 1)]
    slowest_s = 0.0

    def answered() -> dict[str, int]:
        nonlocal slowest_s
        begun = time.monotonic()
        found = plot.station.ask("status")["ledgers"]["entries"]
        slowest_s = max(slowest_s, time.monotonic() - begun)
        return dict(found)

    plot.send(*hostile, GOOD_EUI, NATIVE_EUI)
    plot.send(GOOD_EUI, NATIVE_EUI, *hostile[:5])

    def all_known() -> bool:
        entries = answered()
        return entries["decoded"] + entries["dead"] >= 2 * 2 + ON_STATION + 5

    wait_until(all_known, "every uplink as a value or a refusal", within_s)
    assert plot.values("good") == [VALUE] * 2
    assert plot.values("native") == [25.0] * 2
    entries = answered()
    assert entries["records"] == entries["decoded"] + entries["dead"] == 4 + ON_STATION + 5
    assert entries["dead"] > 0
    assert slowest_s < 20
    plot.send(*hostile[:5])
    stopped_s = plot.station.stop()
    assert stopped_s < 20
    plot.station.start()
    plot.send(GOOD_EUI)
    wait_until(lambda: plot.values("good") == [VALUE] * 3, "a value after the restart", within_s)
    daemon = plot.station.process
    assert daemon is not None
    assert _codec_processes(daemon.pid)
    plot.station.kill()
    wait_until(lambda: not _codec_processes(daemon.pid), "the end of the codecs' processes", 60)
    head = ("hostile", "dead", "slowest status [s]", "SIGTERM [s]")
    row = (ON_STATION, entries["dead"], f"{slowest_s:.2f}", f"{stopped_s:.1f}")
    table(capfd, "codecs on a station", [head, tuple(str(cell) for cell in row)])
