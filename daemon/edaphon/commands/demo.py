"""`edaphon demo`: a simulated plot, recorded for real, without hardware or server."""

import contextlib
import math
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Annotated, Any

import orjson
import typer

from edaphon.commands.programs import (
    BROKER,
    ProgramEnded,
    Running,
    broker,
    find_program,
    free_port,
    launch,
    listens,
    publisher,
    watch,
)
from edaphon.commands.status import ledger_lines
from edaphon.printer import show_error_text, show_json, show_line, show_text
from edaphon.service.process import running
from edaphon.service.service import Service
from edaphon.service.sources import Overrides
from edaphon.service.status import ledgers
from edaphon.storage.access import fail
from edaphon_drivers.links.mqtt import MqttOptions
from edaphon_drivers.links.replay import ReplayLink
from edaphon_drivers.simulators import lorawan
from edaphon_drivers.simulators.sdi12 import Probe, SimulatedBus
from edaphon_drivers.talk import Timing

Clock = Callable[[], float]
NODE_TOPIC = "plot/node1"
DAY_S, STEP_S = 86_400, 600
# As demo.toml has them: the devices by their DevEUI, the depths [cm] of the probes by address.
DEVICES = {
    "A84041000000D001": "decentlab.dl-trs12",
    "A84041000000D002": "dragino.lse01-1.1.4",
    "A84041000000D003": "milesight.em500-smtc",
}
DEPTHS = {"a": 5, "b": 20, "c": 50}


def temperature(time_s: float, depth_cm: float) -> float:
    """Soil temperature [degC]: the daily wave damped and delayed with depth (damping 12 cm)."""
    damped = depth_cm / 12.0
    return 11.0 + 4.0 * math.exp(-damped) * math.sin(2 * math.pi * time_s / DAY_S - damped - 2.0)


def moisture(time_s: float, depth_cm: float) -> float:
    """Volumetric water content [m3/m3]: drying since a shower six hours into the day."""
    since_rain = (time_s - 21_600) % DAY_S
    wave = 0.05 * math.exp(-since_rain / 40_000.0 - depth_cm / 25.0)
    return 0.21 + 0.0012 * depth_cm + wave


class _Teros12:
    """What a TEROS 12 at a depth says: counts by its maker's mineral line, degC, uS/cm."""

    def __init__(self, depth_cm: float, now_s: Clock) -> None:
        self._depth_cm = depth_cm
        self._now_s = now_s
        self._noise = random.Random(round(depth_cm))  # noqa: S311  repeatable noise

    def __call__(self) -> list[float | str]:
        now = self._now_s()
        counts = (moisture(now, self._depth_cm) + 0.6956) / 3.879e-4
        stated = counts + self._noise.gauss(0.0, 0.3)
        return [round(stated, 2), round(temperature(now, self._depth_cm), 1), 120]


def probes(now_s: Clock) -> SimulatedBus:
    """Three probes; the deepest has a loose plug and now and then says nothing."""
    line = [
        Probe(address, f"13METER   TER12 411T12-0000{depth:04d}", _Teros12(depth, now_s))
        for address, depth in DEPTHS.items()
    ]
    asked = [0]

    def loose(command: str) -> str | None:
        asked[0] += 1
        return "silent" if asked[0] % 40 > 30 else None

    line[-1].fault = loose
    return SimulatedBus(line, second_s=0.1)


def messages(now_s: Clock) -> Iterator[tuple[float, str, bytes]]:
    """(seconds to wait, topic, payload): the node's stored day, then everybody in turn."""
    now = now_s()
    for past in range(DAY_S, 0, -STEP_S):
        yield 0.0, NODE_TOPIC, _node(now - past)
    counter = 0
    while True:
        for dev_eui, model in DEVICES.items():
            payload, f_port = lorawan.encode(model, _values_at(model, now_s()))
            time_ns = round(now_s() * 1e9)
            topic, data = lorawan.tts_v3(dev_eui, payload, f_port, counter, time_ns)
            yield 0.0, topic, data
        yield 2.0, NODE_TOPIC, _node(now_s())
        counter += 1


def _values_at(model: str, time_s: float) -> Mapping[str, float | None]:
    """The outputs of a device at its depth, in its own units."""
    if model == "decentlab.dl-trs12":
        counts = (moisture(time_s, 30) + 0.6956) / 3.879e-4
        return {
            "water_content_counts": round(counts, 1),
            "soil_temperature": round(temperature(time_s, 30), 1),
            "bulk_electrical_conductivity": 120,
            "battery_voltage": 3.1,
        }
    depth = 40 if model.startswith("dragino") else 60
    stated: dict[str, float | None] = {
        "soil_temperature": round(temperature(time_s, depth), 1),
        "volumetric_water_content": round(100 * moisture(time_s, depth), 2),
        "bulk_electrical_conductivity": 140,
    }
    if model.startswith("dragino"):
        stated |= {"battery_voltage": 3.3, "ds18b20_temperature": 0.0}
    return stated


def _node(time_s: float) -> bytes:
    table = {
        "t": round(time_s * 1000),
        "soil": {"vwc": round(moisture(time_s, 10), 4), "t": round(temperature(time_s, 10), 2)},
        "battery": 3.61,
    }
    return orjson.dumps(table)


def plot_text(folder: Path, port: str, broker_port: int, web: str) -> str:
    """edaphon.toml of this plot, its facts included."""
    text = (files("edaphon.commands") / "demo.toml").read_text("utf-8")
    places = {"folder": folder, "port": port, "broker_port": broker_port, "web": web}
    return Template(text).substitute(places)


PAGE_READY_S = 60.0  # on a slow board


def demo(
    seconds: Annotated[float | None, typer.Option(min=1.0, help="end after this time")] = None,
    headless: Annotated[bool, typer.Option("--headless", help="do not open the page")] = False,
    json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
    folder: Annotated[Path | None, typer.Option(help="folder to keep the plot in")] = None,
) -> None:
    """Record a simulated plot and show its page. Exit 1 if a record is missing at the end."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with contextlib.ExitStack() as parts:
        home = folder or Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="edaphon-")))
        home.mkdir(parents=True, exist_ok=True)
        say = show_error_text if json else show_text
        try:
            found = _record(parts, home, seconds, headless, stop, say)
        except ProgramEnded as ended:
            raise fail(str(ended)) from None
        closes = _closes(found)
        if json:
            show_json(found)
        else:
            for line in ledger_lines(found):
                show_line(line)
            show_line("all records accounted for" if closes else "RECORDS MISSING")
    if not closes:
        raise typer.Exit(1)


def _record(
    parts: contextlib.ExitStack,
    home: Path,
    seconds: float | None,
    headless: bool,
    stop: threading.Event,
    say: Any,
) -> dict[str, Any]:
    bus = probes(time.time)
    port = bus.start()
    parts.callback(bus.stop)
    broker_port, programs = _broker(parts, home, say)
    web_port = free_port()
    web = f"127.0.0.1:{web_port}"
    file = home / "edaphon.toml"
    file.write_text(plot_text(home, port, broker_port or 1883, web), "utf-8")
    overrides = Overrides(timing=Timing(second_s=0.2, answer_s=0.3, tries=1, sequences=1))
    if not broker_port:
        overrides = Overrides(timing=overrides.timing, make_link=_replay)
    with running(file, overrides) as service:
        if broker_port:
            parts.callback(_publish(broker_port).set)
        if not headless:
            programs.append(parts.enter_context(_page(home, file, web_port)))
            say(f"the plot is being recorded; its page: http://{web}/   (Ctrl-C ends)")
        watch(stop, programs, seconds)
        return _ended(service)


def _ended(service: Service) -> dict[str, Any]:
    """Stop the sources, let what came go through, and count."""
    service.stop_sources()
    until = time.monotonic() + 10.0
    while time.monotonic() < until and not _through(service):
        time.sleep(0.05)
    return ledgers(service)


def _through(service: Service) -> bool:
    """Whether everything that came is derived and delivered."""
    if service.deriver.position != service.journal.last:
        return False
    return all(parts.feed.waiting() == 0 for parts in service.sinks.values())


def _closes(found: dict[str, Any]) -> bool:
    e = found["entries"]
    entries = found["taken"] == found["journalled"] == e["records"] and e["records"] == (
        e["decoded"] + e["dead"] + e["duplicates"] + e["conflicts"] + e["held"]
    )
    stands_not = found["conflicts"] + found["repeats"] + found["replaced"]
    observations = found["derived"] == found["current"] + stands_not
    delivered = all(
        found["current"] == n + found["set_aside"][name] + found["waiting"][name]
        for name, n in found["delivered"].items()
    )
    return entries and observations and delivered


def _broker(parts: contextlib.ExitStack, home: Path, say: Any) -> tuple[int, list[Running]]:
    """A mosquitto of our own and its port; 0 where there is none, and the replay takes over."""
    program = find_program(BROKER)
    if program is None:
        say("mosquitto is not installed: the uplinks are played without a broker")
        return 0, []
    try:
        port, started = parts.enter_context(broker(program, home))
    except ProgramEnded as ended:
        say(str(ended))
        say("the uplinks are played without a broker")
        return 0, []
    return port, [started]


def _replay(options: MqttOptions, *hearing: Any) -> ReplayLink:
    """The part of the plot's messages that this broker's topics name."""
    node = NODE_TOPIC.partition("/")[0]
    own = node in options.topics[0]
    chosen = (m for m in messages(time.time) if m[1].startswith(node) == own)
    return ReplayLink(_paced(chosen, own), options, *hearing)


def _paced(chosen: Iterator[tuple[float, str, bytes]], own: bool) -> Iterator[Any]:
    for number, (wait_s, topic, data) in enumerate(chosen):
        yield (wait_s if own else 2.0 * (number % 3 == 0)), topic, data


def _publish(port: int) -> threading.Event:
    """Say on the broker what the plot says, until the event is set."""
    stop = threading.Event()

    def speak() -> None:
        with publisher(port) as send:
            for wait_s, topic, data in messages(time.time):
                send(topic, data)
                if stop.wait(wait_s):
                    break

    threading.Thread(target=speak, name="plot", daemon=True).start()
    return stop


@contextlib.contextmanager
def _page(home: Path, file: Path, port: int) -> Iterator[Running]:
    """`edaphon web` as a process of its own, ready. Raises ProgramEnded."""
    words = [sys.executable, "-m", "edaphon", "web", str(file)]
    page = launch(words, home / "web.log", name="edaphon web")
    try:
        page.wait_ready(lambda: listens(port), PAGE_READY_S)
        yield page
    finally:
        page.end()
