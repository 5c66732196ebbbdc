"""What people put right afterwards: calibrations, deployments; InfluxDB ends as if always known."""

import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.programs import Influx1, Mosquitto, wait_until
from tests.stories.influx import Database
from tests.stories.sending import broker_table, publish
from tests.stories.station import Station, json_node, json_node_facts

from edaphon.journal import read_only

MINUTE_NS = 60 * 10**9
RECORDS = 3000
TOPIC = "plot/node"
EC_BESIDE = (
    '[[channel]]\nid = "next"\nplot = "node"\nquantity = "bulk_electrical_conductivity"\n'
    'unit = "dS/m"\ndepth_cm = 30\n'
)


class Corrected:
    """A node's records, delivered, and what must stand in InfluxDB after each new fact."""

    def __init__(self, folder: Path, server: Influx1, broker: Mosquitto) -> None:
        self.broker = broker
        self.database = Database(server, folder.name)
        tables = [
            broker_table(broker, "local", "plot/#"),
            json_node("local", TOPIC),
            self.database.sink,
        ]
        facts = [json_node_facts("local", TOPIC, "node"), EC_BESIDE]
        self.station = Station(folder / "station", tables, facts)
        minute = time.time_ns() // MINUTE_NS
        self.times = [(minute - RECORDS + n) * MINUTE_NS for n in range(RECORDS)]
        self.temp = {t: 5 + n % 311 / 16 for n, t in enumerate(self.times)}
        self.ec = {t: n % 173 / 64 for n, t in enumerate(self.times)}

    def record(self) -> None:
        self.station.start()
        wait_until(lambda: not self.station.ask("status")["trouble"], "the broker")
        publish(self.broker, ((TOPIC, self.message(t)) for t in self.times))
        self.settled()

    def message(self, time_ns: int) -> bytes:
        numbers = {"temp": self.temp[time_ns], "ec": self.ec[time_ns], "vwc": 0.25}
        return json.dumps({"t": time_ns // 10**6, **numbers}).encode()

    def instant(self, n: int) -> str:
        return datetime.fromtimestamp(self.times[n] // 10**9, UTC).isoformat()

    def learn(self, name: str, text: str) -> None:
        """`edaphon apply` of a file with these facts."""
        path = self.station.folder / f"{name}.toml"
        path.write_text(text)
        self.station.command("apply", str(path), "--config", str(self.station.file))

    def settled(self) -> None:
        def done() -> bool:
            """In the order in which it comes about, so that no step is passed over."""
            status = self.station.ask("status")
            last = read_only(self.station.storage / "journal").last
            if status["journal"]["position"] != str(last):
                return False
            if status["ledgers"]["entries"]["records"] != RECORDS:
                return False
            if not self.station.ask("rebuild")["done"]:
                return False
            return not any(self.station.ask("status")["ledgers"]["waiting"].values())

        wait_until(done, "all derived and delivered", within_s=40)

    def expect(self, channel: str, quantity: str, values: Mapping[int, float | None]) -> None:
        """Exactly these points, each with exactly this value, or with none and flag 9."""
        points = self.database.points(quantity, channel)
        assert list(points) == list(values), channel
        for time_ns, value in values.items():
            if value is None:
                assert (points[time_ns]["value"], points[time_ns]["flag"]) == (None, 9)
                continue
            assert math.isclose(points[time_ns]["value"], value, rel_tol=1e-12), (channel, time_ns)
            assert points[time_ns]["flag"] in {1, 2, 3, 4}

    def expect_temp(self, values: Mapping[int, float | None]) -> None:
        self.expect("node-temp", "soil_temperature", values)

    def expect_ec(self, own: Mapping[int, float], second_input: Mapping[int, float]) -> None:
        self.expect("node-ec", "bulk_electrical_conductivity", own)
        self.expect("next", "bulk_electrical_conductivity", second_input)

    def proved(self) -> None:
        """Both ledgers close, every number is in InfluxDB, and deriving again changes nothing."""
        self.station.json("verify", "--deep", "--wait", "20")
        assert self.station.json("rebuild")["differing"] == 0
        self.station.json("verify", "--deep", "--wait", "20")

    def calibration(self, name: str, first: int, supersedes: str = "", c1: float = 1.004) -> str:
        again = f'supersedes = "{supersedes}"\n' if supersedes else ""
        return (
            f'[[calibration]]\nid = "{name}"\nchannel = "node-temp"\n{again}'
            f'from = {self.instant(first)}\ncurve = "polynomial"\nto_unit = "degC"\n'
            f"parameters = {{ c0 = -0.12, c1 = {c1} }}\n"
        )

    def calibrated(self, first: int, c1: float = 1.004) -> dict[int, float | None]:
        """Before the first validity there is no value."""
        start = self.times[first]
        return {t: -0.12 + c1 * x if t >= start else None for t, x in self.temp.items()}

    def crossed(self, name: str, of: str, first: int) -> str:
        """The EC probe hung at another depth from then on."""
        fed = f'source = "local/{TOPIC}"\noutput = "ec"\n'
        return (
            f'[[deployment]]\nid = "{name}"\nsupersedes = "{of}"\nchannel = "node-ec"\n{fed}'
            f"to = {self.instant(first)}\n"
            f'[[deployment]]\nid = "{name}-next"\nchannel = "next"\n{fed}'
            f"from = {self.instant(first)}\n"
        )

    def parted(self, first: int) -> tuple[dict[int, float], dict[int, float]]:
        before = {t: self.ec[t] for t in self.times[:first]}
        return before, {t: self.ec[t] for t in self.times[first:]}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path_factory.mktemp("broker")) as program:
        yield program


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influx1]:
    with Influx1(tmp_path_factory.mktemp("influx")) as program:
        yield program


@pytest.fixture
def story(tmp_path: Path, server: Influx1, broker: Mosquitto) -> Iterator[Corrected]:
    made = Corrected(tmp_path, server, broker)
    try:
        made.record()
        yield made
    finally:
        made.station.stop()


@pytest.mark.timeout(180)
def test_what_is_put_right_afterwards_stands_in_influxdb_as_if_always_known(
    story: Corrected,
) -> None:
    story.expect_temp(story.temp)
    story.expect_ec(story.ec, {})
    derivations = {p["derivation"] for p in temp_points(story)}

    story.learn("calibrated", story.calibration("cal-1", 1000))
    story.settled()
    story.expect_temp(story.calibrated(1000))
    assert len({p["derivation"] for p in temp_points(story)}) == 2
    story.proved()

    story.learn("revoked", '[[revocation]]\nof = "cal-1"\nwhy = "the bath was not stirred"\n')
    story.settled()
    story.expect_temp(story.temp)
    assert {p["derivation"] for p in temp_points(story)} == derivations

    node = f'channel = "node-temp"\nsource = "local/{TOPIC}"\noutput = "temp"\n'
    start = f"from = {story.instant(1234)}\n"
    text = f'[[deployment]]\nid = "later"\nsupersedes = "d-node-temp"\n{node}{start}'
    story.learn("later", text)
    story.settled()
    story.expect_temp({t: story.temp[t] for t in story.times[1234:]})

    story.learn("crossed", story.crossed("crossed", "d-node-ec", 2345))
    story.settled()
    story.expect_ec(*story.parted(2345))
    story.proved()

    story.learn(
        "back",
        '[[revocation]]\nof = "crossed-next"\nwhy = "no, it hung right"\n'
        '[[revocation]]\nof = "crossed"\nwhy = "no, it hung right"\n',
    )
    story.settled()
    story.expect_ec(story.ec, {})
    story.proved()


def temp_points(story: Corrected) -> list[Mapping[str, object]]:
    return list(story.database.points("soil_temperature", "node-temp").values())


@pytest.mark.timeout(240)
@pytest.mark.parametrize("proved_before", [False, True])
def test_a_kill_while_values_are_derived_again_changes_nothing_in_the_end(
    story: Corrected, proved_before: bool
) -> None:
    if proved_before:  # which also writes the series for the first time
        story.proved()
    first, of = 0, "d-node-ec"
    cal = ""
    for n in range(3):
        first = 500 + 750 * n
        text = story.crossed(f"crossed-{n}", of, first)
        if n:
            text += f'[[revocation]]\nof = "{of}-next"\nwhy = "at another time"\n'
        text += story.calibration(f"cal-{n}", 500 * n, cal, 1 + n / 64)
        killed_in_the_middle(story, lambda text=text, n=n: story.learn(f"fact-{n}", text))
        story.station.start()
        story.settled()
        story.expect_ec(*story.parted(first))
        story.expect_temp(story.calibrated(500 * n, 1 + n / 64))
        of, cal = f"crossed-{n}", f"cal-{n}"
    story.proved()


def killed_in_the_middle(story: Corrected, learn: Callable[[], None]) -> None:
    """kill -9 as soon as the values that the facts change are in the making."""
    again = story.station.storage / "series-again.sqlite"
    seen = threading.Event()

    def watch() -> None:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            if again.exists():
                seen.set()
                story.station.kill()
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        learn()
    except AssertionError:  # the command may lose its daemon
        if not seen.is_set():
            raise
    watcher.join()
    assert seen.is_set(), "the values were never in the making"
