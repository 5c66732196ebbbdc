"""Which files of the product a reading or a command passes: python -m tests.journeys JOURNEY.

JOURNEY is `answer`, `uplink`, `query` or `cal apply`. Only called functions count; imports and the
start of the service are left out. With `--json` the last line is JSON, for the test.
"""

import inspect
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import CodeType, FrameType
from typing import Self

from tests.documents import ROOT
from tests.programs import Influx1, Missing, Mosquitto, find, wait_until
from tests.stories.influx import Database
from tests.stories.sending import broker_table, publish
from tests.stories.station import Station, teros12_facts

from edaphon_drivers.simulators.lorawan import chirpstack_v4
from edaphon_drivers.simulators.sdi12 import Probe, SimulatedBus

ROOMS = tuple(str(ROOT / room) + "/" for room in ("daemon", "drivers", "calibration"))
EUI = "A840410000000001"
UPLINK = bytes.fromhex("0ccc0000010f119f00a210")  # of a Dragino LSE01, its maker's example layout
SECOND_NS = 10**9
# Threads that look at the clock, the machine and the folder whether a reading comes or not
PERIODIC = ("APScheduler", "alerts", "clock", "disk", "floods", "job", "saved places")
CALIBRATION = """
[[calibration]]
id = "soil"
channel = "probe-vwc"
curve = "polynomial"
parameters = { c0 = 0.01, c1 = 1.1 }
from_unit = "m3/m3"
to_unit = "m3/m3"
"""

Passed = dict[str, dict[str, set[str]]]  # by thread, by file, the functions
Threads = dict[str, dict[str, list[str]]]


def file_of(code: CodeType) -> str:
    return code.co_filename.removeprefix(f"{ROOT}/").partition("/")[2]


def is_import(frame: FrameType | None) -> bool:
    """Whether the body of a module or class of the product runs, or what it calls."""
    while frame:
        code = frame.f_code
        if not code.co_flags & inspect.CO_OPTIMIZED and code.co_filename.startswith(ROOMS):
            return True
        frame = frame.f_back
    return False


class Recorder:
    """Notes each function of the product that a thread calls while `is_on`."""

    def __init__(self) -> None:
        self.is_on = False
        self.passed: Passed = {}

    def __call__(self, frame: FrameType, event: str, arg: object) -> None:
        code = frame.f_code
        if not self.is_on or event != "call" or not code.co_filename.startswith(ROOMS):
            return
        files = self.passed.setdefault(threading.current_thread().name, {})
        names = files.get(file := file_of(code), set())
        if code.co_name not in names and not is_import(frame):
            names.add(code.co_name)
            files[file] = names

    @contextmanager
    def on(self) -> Iterator[None]:
        self.is_on = True
        try:
            yield
        finally:
            self.is_on = False


class Plot:
    """A TEROS 12 on a simulated line, or a LoRaWAN node, with a sink of the kind that is there."""

    def __init__(self, folder: Path, has_line: bool) -> None:
        self.folder, self.has_line = folder, has_line
        try:
            find(Influx1.program, Influx1.package)
            self.influx: Influx1 | None = Influx1(folder)
            self.database = Database(self.influx, "plot")
            sink = self.database.sink
        except Missing:
            self.influx = None
            sink = f'[[sink]]\nname = "file"\nkind = "jsonl"\nfolder = "{folder / "out"}"\n'
        source, facts = self._line() if has_line else self._node()
        self.station = Station(folder / "plot", [source, sink], [facts])

    def _line(self) -> tuple[str, str]:
        probe = Probe("0", "13METER   TER12 411T12-00001", [2541.37, 11.5, 120])
        self.line = SimulatedBus([probe], second_s=0.05)
        self.stop = self.line.stop
        return (
            f'[bus.line]\nkind = "sdi12"\nport = "{self.line.start()}"\n'
            '[[source]]\nbus = "line"\naddress = "0"\nmodel = "meter.teros12"\ninterval = "1s"\n'
        ), teros12_facts("line/0", "probe")

    def _node(self) -> tuple[str, str]:
        self.sent = 0
        self.broker = Mosquitto(self.folder)
        self.stop = self.broker.kill
        return broker_table(self.broker, "cs", "application/#", "chirpstack-v4") + (
            f'[[source]]\nbroker = "cs"\ndev_eui = "{EUI}"\nmodel = "dragino.lse01-1.1.4"\n'
        ), (
            '[[plot]]\nid = "node"\n[[channel]]\nid = "probe-temp"\nplot = "node"\n'
            'quantity = "soil_temperature"\nunit = "degC"\ndepth_cm = 5\n'
            '[[deployment]]\nid = "d-probe-temp"\nchannel = "probe-temp"\n'
            f'source = "cs/{EUI.lower()}"\noutput = "soil_temperature"\n'
        )

    def points(self) -> int:
        """How many points the sink has of the temperature."""
        if self.influx:
            return len(self.database.points("soil_temperature", "probe-temp"))
        lines = [x for f in (self.folder / "out").rglob("*.jsonl") for x in f.open()]
        return sum('"probe-temp"' in line for line in lines)

    def readings(self, more: int) -> None:
        """Wait for so many readings at the sink; a node sends them one by one."""
        for wanted in range(self.points() + 1, self.points() + 1 + more):
            if not self.has_line:
                self.sent += 1
                publish(self.broker, [chirpstack_v4(EUI, UPLINK, 2, self.sent, time.time_ns())])
            wait_until(lambda n=wanted: self.points() >= n, "a point at the sink", 30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
        if self.influx:
            self.influx.kill()


def recorded(plot: Plot, recorder: Recorder) -> None:
    """The service runs, gets warm with two readings, and then takes the journey of two more."""
    from edaphon.service.process import running

    threading.setprofile(recorder)
    try:
        with running(plot.station.file):
            plot.readings(2)
            with recorder.on():
                plot.readings(2)
                time.sleep(1.0)  # for what follows the sink's answer
    finally:
        threading.setprofile(None)


def called(recorder: Recorder, *words: str) -> None:
    """A command in this process."""
    from edaphon.commands import main

    sys.setprofile(recorder)
    threading.setprofile(recorder)
    try:
        with recorder.on():
            main(words)
    except SystemExit as end:
        if end.code:
            raise
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def passed(journey: str, folder: Path) -> Passed:
    service, command = Recorder(), Recorder()
    with Plot(folder, has_line=journey != "uplink") as plot:
        recorded(plot, service)
    if journey in {"answer", "uplink"}:
        return {n: t for n, t in service.passed.items() if not n.startswith(PERIODIC)}
    (folder / "soil.toml").write_text(CALIBRATION)
    words = {"query": ("query", "probe-vwc"), "cal apply": ("cal", "apply", f"{folder}/soil.toml")}
    called(command, *words[journey], "--config", str(plot.station.file))
    return command.passed


def text_of(threads: Threads) -> str:
    files = {file for own in threads.values() for file in own}
    lines = [f"{len(files)} files in all"]
    for thread, own in threads.items():
        lines.append(f"thread {thread}: {len(own)} files")
        lines += [f"  {file}: {', '.join(names)}" for file, names in own.items()]
    return "\n".join(lines)


def main() -> None:
    journey = " ".join(word for word in sys.argv[1:] if word != "--json")
    with TemporaryDirectory() as folder:
        found = passed(journey, Path(folder))
    threads = {
        name: {file: sorted(names) for file, names in sorted(own.items())}
        for name, own in found.items()
    }
    print(json.dumps(threads) if "--json" in sys.argv else text_of(threads))


if __name__ == "__main__":
    main()
