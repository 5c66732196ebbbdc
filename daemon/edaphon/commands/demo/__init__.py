"""`edaphon demo`: a simulated plot, recorded for real, without hardware or server."""

import contextlib
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from edaphon.commands.demo.plot import NODE_TOPIC, messages, plot_text, probes
from edaphon.commands.programs import (
    BROKER,
    ProgramEnded,
    Running,
    broker,
    find_program,
    free_port,
    launch,
    listens,
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
from edaphon_drivers.talk import Timing

__all__ = ["demo"]

PAGE_READY_S = 60.0  # on a slow board


def demo(
    seconds: Annotated[
        float | None, typer.Option(min=1.0, help="end by itself after this time")
    ] = None,
    headless: Annotated[bool, typer.Option("--headless", help="without the page")] = False,
    json: Annotated[bool, typer.Option("--json", help="print the ledgers as JSON")] = False,
    folder: Annotated[Path | None, typer.Option(help="keep the plot here")] = None,
) -> None:
    """Record a simulated plot and show its page; ends with both ledgers, exit 1 if one is open."""
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
            show_line("both ledgers close" if closes else "A LEDGER STAYS OPEN")
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
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    stop = threading.Event()

    def speak() -> None:
        client = Client(CallbackAPIVersion.VERSION2)
        client.connect("127.0.0.1", port)
        client.loop_start()
        for wait_s, topic, data in messages(time.time):
            client.publish(topic, data, qos=1)
            if stop.wait(wait_s):
                break
        client.loop_stop()

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
