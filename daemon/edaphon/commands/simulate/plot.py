"""The instruments of a configuration as simulators, from what their model sheets say."""

import itertools
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import orjson

from edaphon.commands.programs import publisher
from edaphon.config import (
    Bus,
    Configuration,
    FileSource,
    HeardSource,
    JsonSource,
    LorawanSource,
    ScheduledSource,
)
from edaphon.facts import Knowledge
from edaphon.facts.conflicts import deployed_sensors
from edaphon.toml_input.lines import data_of
from edaphon_calibration.nomenclature import QUANTITIES
from edaphon_calibration.units import conversion
from edaphon_drivers.modbus.table import Item, Read, plan_of
from edaphon_drivers.sdi12.parse import measurement
from edaphon_drivers.sheets import Output, Sheet
from edaphon_drivers.simulators import ascii, lorawan, modbus, sdi12
from edaphon_drivers.simulators.plugged import W1_FAULTS, SimulatedThermometers
from edaphon_drivers.simulators.station import Cell, Wave, nested, registers

_IDENTITY_EXTRA = 13  # characters of aI! that may hold a serial number


@dataclass(slots=True)
class SimulatedPlot:
    """All that is simulated; `not_simulated` says of each other source why."""

    lines: dict[str, Any] = field(default_factory=dict)
    buses: dict[str, dict[str, Any]] = field(default_factory=dict)
    instruments: dict[str, Any] = field(default_factory=dict)
    not_simulated: dict[str, str] = field(default_factory=dict)

    def show(self) -> None:
        """Now and then: what is not asked, but shown in a folder."""
        for line in self.lines.values():
            if isinstance(line, _Thermometers):
                line.show()

    def stop(self) -> None:
        for line in self.lines.values():
            line.stop()


def wave(path: str, output: Output) -> Wave:
    """A plausible number of an output, within what its instrument can report."""
    lowest, highest = _limits(output)
    return Wave(f"{path} {output.name}", lowest, highest, output.resolution, output.failure)


def _limits(output: Output) -> tuple[float, float]:
    bottom = -np.inf if output.lowest is None else output.lowest
    top = np.inf if output.highest is None else output.highest
    usual = data_of("edaphon.commands.simulate", "usual").get(output.quantity)
    if usual is not None:
        scale = conversion(QUANTITIES[output.quantity].unit, output.unit)
        low, high = (float(x) for x in scale.apply(np.array(usual)))
        if bottom <= low <= high <= top:
            return low, high
    if np.isfinite(bottom) and np.isfinite(top):
        return bottom + 0.4 * (top - bottom), bottom + 0.5 * (top - bottom)
    if np.isfinite(top):
        return top - 2.0, top - 1.0
    start = bottom if np.isfinite(bottom) else 0.0
    return start + 1.0, start + 2.0


def lines_of(config: Configuration, knowledge: Knowledge, folder: Path) -> SimulatedPlot:
    """Starts a simulator for each line; stop the plot, even after a failure here."""
    plot = SimulatedPlot()
    serials = deployed_sensors(knowledge, time.time_ns())
    for name, bus in config.buses.items():
        sources = [s for s in config.sources if isinstance(s, ScheduledSource) and s.bus == name]
        _line(plot, config, name, bus, sources, serials, folder)
    for source in config.sources:
        if isinstance(source, HeardSource):
            _talker(plot, source, folder / source.bus)
        elif isinstance(source, FileSource):
            place = followed(folder, source.name, source.file)
            plot.not_simulated[source.path] = f"put files that fit {place}"
    return plot


def _line(
    plot: SimulatedPlot,
    config: Configuration,
    name: str,
    bus: Bus,
    sources: list[ScheduledSource],
    serials: Mapping[str, str],
    folder: Path,
) -> None:
    taken: dict[str, Any] = {}
    for source in sources:
        sheet = config.sheet(source)
        try:
            instrument = _instrument(source, sheet, serials.get(source.path, ""))
            if source.address in taken:
                raise _NotSimulated(f"another instrument has the address {source.address}")
        except _NotSimulated as why:
            plot.not_simulated[source.path] = str(why)
            continue
        taken[source.address] = plot.instruments[source.path] = instrument
    link = folder / name
    if bus.kind in {"sdi12", "sdi12-uart"}:
        plot.lines[name] = sdi12.SimulatedBus(tuple(taken.values()), link=link)
        plot.buses[name] = {"kind": "sdi12", "port": plot.lines[name].start()}
    elif bus.kind == "serial":
        plot.lines[name] = modbus.SimulatedLine(tuple(taken.values()), link)
        plot.buses[name] = {"port": plot.lines[name].start()}
    elif bus.kind == "modbus-tcp":
        plot.lines[name] = modbus.SimulatedServer(tuple(taken.values()))
        plot.buses[name] = {"port": f"tcp://127.0.0.1:{plot.lines[name].start()}"}
    elif bus.kind == "w1":
        plot.lines[name] = _Thermometers(link, tuple(taken.values()))
        plot.buses[name] = {"port": str(link)}


def _talker(plot: SimulatedPlot, source: HeardSource, link: Path) -> None:
    """The one instrument that talks by itself and has a simulator."""
    if source.model != "licor.li-7810" or source.bus in plot.lines:
        plot.not_simulated[source.path] = f"{source.model} talks by itself"
        return
    instrument = ascii.Instrument(lines=map(_licor_line, itertools.count(1)))
    plot.instruments[source.path] = instrument
    plot.lines[source.bus] = ascii.SimulatedPort(instrument, link)
    plot.buses[source.bus] = {"port": plot.lines[source.bus].start()}


def _licor_line(index: int) -> bytes:
    now = time.time()
    co2, ch4 = Wave("co2", 420.0, 480.0).at(now), Wave("ch4", 1950.0, 2050.0).at(now)
    return ascii.licor_7810_line(int(now), index, co2, ch4)


class _NotSimulated(Exception):
    """Why an instrument has no simulator."""


def _instrument(source: ScheduledSource, sheet: Sheet, serial: str) -> Any:
    if sheet.engine == "sdi12":
        return _probe(source, sheet, serial)
    if sheet.engine == "modbus":
        return _unit(source, sheet, serial)
    if sheet.engine == "w1":
        output = next(iter(sheet.outputs.values()))
        return _Thermometer(source.address, wave(source.path, output))
    raise _NotSimulated(f"{sheet.model} speaks {sheet.engine}")


def _numbers(path: str, sheet: Sheet) -> dict[str, Callable[[], float]]:
    return {name: partial(_now, wave(path, output)) for name, output in sheet.outputs.items()}


def _now(shown: Wave) -> float:
    return shown.at(time.time())


# -- SDI-12 --------------------------------------------------------------------------------


def _probe(source: ScheduledSource, sheet: Sheet, serial: str) -> sdi12.Probe:
    numbers = _numbers(source.path, sheet)
    commands: dict[str, Callable[[], list[float | str]]] = {}
    for command in sheet.commands:
        asked = measurement(command.send)
        if asked is None or asked.letters not in {"M", "C"}:
            raise _NotSimulated(f"{sheet.model} is asked with {command.send}")
        commands[asked.number] = partial(_reported, command.outputs, numbers)
    maker, _, model = sheet.model.upper().partition(".")
    extra = serial if len(serial) <= _IDENTITY_EXTRA and serial.isascii() else ""
    identity = f"13{maker[:8]:8}{model[:6]:6}100{extra}"
    more = {int(number): values for number, values in commands.items() if number}
    return sdi12.Probe(source.address, identity, commands.get("", ()), more=more)


def _reported(
    outputs: tuple[str, ...], numbers: Mapping[str, Callable[[], float]]
) -> list[float | str]:
    return [numbers[name]() if name in numbers else 0.0 for name in outputs]


# -- Modbus --------------------------------------------------------------------------------


def _unit(source: ScheduledSource, sheet: Sheet, serial: str) -> modbus.Unit:
    numbers = _numbers(source.path, sheet)
    tables: dict[int, tuple[list[Cell], dict[int, int]]] = {3: ([], {}), 4: ([], {})}
    memory: dict[int, Cell] = {}
    plan = plan_of(sheet)
    for read in plan.reads:
        if read.address is None:
            memory |= _memory(read, numbers)
        for function in {read.function, read.also_function} & tables.keys():
            cells, fixed = tables[function]
            _fill(read, numbers, cells, fixed)
    for read in plan.identity:
        if read.function in tables and read.address is not None:
            tables[read.function][1].update(_registers_of(read, serial))
    return modbus.Unit(
        int(source.address),
        holding=partial(registers, *tables[3]),
        inputs=partial(registers, *tables[4]),
        memory=_Bytes(memory),
    )


def _fill(
    read: Read, numbers: Mapping[str, Callable[[], float]], cells: list[Cell], fixed: dict[int, int]
) -> None:
    """Registers of a read: zeros that say that all is well, and cells for its numbers."""
    if read.address is None:
        return
    for at in range((read.shape.size or 0) // 2):
        fixed.setdefault(read.address + at, 0)
    for state in read.states:
        if state.equals == 0:
            fixed[read.address + state.at] = ~state.bits & 1
    if read.wait is not None:
        fixed[read.address] = read.wait.equals
    cells += [_cell(item, read.address + item.at, numbers[item.output]) for item in read.items]


def _cell(item: Item, address: int, number: Callable[[], float]) -> Cell:
    order, scale = (item.word_order, item.byte_order), (item.multiply, item.plus, item.divide)
    return Cell(address, number, item.type, *order, *scale)


def _registers_of(read: Read, serial: str) -> dict[int, int]:
    """An identity's registers with the deployed serial number, none where they can't hold it."""
    for item in read.items:
        data = _serial_bytes(item, serial) if item.field == "serial" and serial else b""
        if data and read.address is not None:
            zeros = {read.address + at: 0 for at in range((read.shape.size or 0) // 2)}
            words = (data[at : at + 2] for at in range(0, len(data), 2))
            start = read.address + item.at
            return zeros | {start + n: int.from_bytes(word) for n, word in enumerate(words)}
    return {}


def _serial_bytes(item: Item, serial: str) -> bytes:
    if item.form == "text" and serial.isascii() and len(serial) <= item.n_bytes:
        return serial.encode().ljust(item.n_bytes, b"\0")
    if item.form == "hex" and len(serial) == 2 * item.n_bytes:
        try:
            return bytes.fromhex(serial)
        except ValueError:
            return b""
    if item.form == "number" and serial.isdecimal() and item.word_order == item.byte_order == "big":
        number = int(serial)
        fits = item.type[0] in "ui" and number < 1 << 8 * item.n_bytes - 1
        return number.to_bytes(item.n_bytes) if fits else b""
    return b""


def _memory(read: Read, numbers: Mapping[str, Callable[[], float]]) -> dict[int, Cell]:
    """Bytes that are asked by their place in memory (Senseair 0x44: place, count)."""
    if read.function != 0x44 or len(read.pdu) != 4:
        raise _NotSimulated(f"function {read.function} has no simulator")
    place = int.from_bytes(read.pdu[1:3])
    return {place + 2 * item.at: _cell(item, 0, numbers[item.output]) for item in read.items}


class _Bytes(dict[int, int]):
    """Bytes of memory that are made when they are asked for."""

    def __init__(self, cells: Mapping[int, Cell]) -> None:
        super().__init__()
        self._cells = cells

    def get(self, place: int, default: Any = None) -> Any:
        for start, cell in self._cells.items():
            data = b"".join(word.to_bytes(2) for word in cell.words())
            if start <= place < start + len(data):
                return data[place - start]
        return default


# -- 1-wire --------------------------------------------------------------------------------


@dataclass(slots=True)
class _Failing:
    """What has faults on demand: those in the queue, then what `fault` says."""

    faults: ClassVar[tuple[str, ...]] = ()
    fault: Callable[[object], str | None] = field(default=lambda _: None, kw_only=True)
    _queued: list[str] = field(default_factory=list, kw_only=True)

    def fail(self, fault: str, times: int = 1) -> None:
        """The next `times` answers or messages meet that fault."""
        if fault not in self.faults:
            raise ValueError(f"expected one of {', '.join(self.faults)}, got {fault!r}")
        self._queued += [fault] * times

    def next_fault(self) -> str:
        return self._queued.pop(0) if self._queued else self.fault(None) or ""


@dataclass(slots=True)
class _Thermometer(_Failing):
    address: str
    shown: Wave
    faults = W1_FAULTS


class _Thermometers:
    """The kernel's folder, shown again every few seconds by `show`."""

    def __init__(self, folder: Path, thermometers: tuple[_Thermometer, ...]) -> None:
        self._folder = SimulatedThermometers(folder)
        self._thermometers = thermometers
        self._plugged = True
        self.show()

    def show(self) -> None:
        for one in self._thermometers if self._plugged else ():
            celsius = one.shown.at(time.time())
            self._folder.show(one.address, celsius, fault=one.next_fault())

    def unplug(self) -> None:
        self._plugged = False
        self._folder.unplug()

    def replug(self) -> None:
        self._plugged = True
        self._folder.folder.mkdir(parents=True, exist_ok=True)
        self.show()

    def stop(self) -> None:
        self._folder.unplug()


HURRIED, HURRIED_S = 30, 2.0
USUAL_S, MOST_S = 60.0, 86_400.0
_DRAWN = 30  # frames from which the outputs of a model are taken
_ENVELOPES = {
    "tts-v3": lorawan.tts_v3,
    "chirpstack-v4": lorawan.chirpstack_v4,
    "chirpstack-v3": lorawan.chirpstack_v3,
    "helium": lorawan.helium,
}
_PER_SECOND = {"epoch_s": 1, "epoch_ms": 1000, "epoch_ns": 10**9}


@dataclass(slots=True)
class SimulatedSender(_Failing):
    """One device; `say` makes its message of that number. A silent one says nothing."""

    path: str
    broker: str
    topic: str
    every_s: float
    say: Callable[[int], bytes]
    next_s: float = 0.0
    n: int = 0
    faults = ("silent", "cut")

    @property
    def wait_s(self) -> float:
        """Until the next message [s]; the first ones hurry, a recorder may just have started."""
        return min(self.every_s, HURRIED_S) if self.n < HURRIED else self.every_s

    def spoilt(self, data: bytes) -> bytes | None:
        """What goes out of it, None for nothing."""
        fault = self.next_fault()
        if fault == "silent":
            return None
        return data[: len(data) // 2] if fault == "cut" else data


def senders_of(config: Configuration) -> tuple[list[SimulatedSender], dict[str, str]]:
    """The senders that can be simulated, and why each other one can't."""
    found: list[SimulatedSender] = []
    why: dict[str, str] = {}
    for source in config.sources:
        if isinstance(source, LorawanSource):
            sender = _device(config, source)
        elif isinstance(source, JsonSource):
            sender = _node(config, source)
        else:
            continue
        if isinstance(sender, str):
            why[source.path] = sender
        else:
            found.append(sender)
    return found, why


def publish(senders: list[SimulatedSender], port: int, stop: threading.Event) -> None:
    """Says everything when it is due, on a broker of this machine, until `stop`."""
    with publisher(port) as send:
        while not stop.wait(0.2):
            now = time.monotonic()
            for sender in senders:
                if sender.next_s <= now:
                    sender.next_s = now + sender.wait_s
                    data = sender.spoilt(sender.say(sender.n))
                    sender.n += 1
                    if data is not None:
                        send(sender.topic, data)


def _every_s(expect_ns: int | None) -> float:
    return min(MOST_S, expect_ns / 1e9) if expect_ns else USUAL_S


# -- LoRaWAN -------------------------------------------------------------------------------


def _device(config: Configuration, source: LorawanSource) -> SimulatedSender | str:
    envelope = _ENVELOPES.get(config.brokers[source.broker].envelope)
    if source.model is None or source.model not in lorawan.SIMULATED:
        return f"{source.model or 'a codec'} has no simulated device"
    if envelope is None:
        return "its network server has no simulator"
    model, sheet = source.model, config.sheet(source)
    session = secrets.token_hex(4)  # or a new start would be taken for old frames again

    def wrapped(number: int) -> tuple[str, bytes]:
        payload, f_port = _frame(model, sheet, source.path, number)
        return envelope(source.dev_eui, payload, f_port, number, time.time_ns(), session)

    topic, _ = wrapped(0)
    every_s = _every_s(source.expect_ns)
    return SimulatedSender(source.path, source.broker, topic, every_s, lambda n: wrapped(n)[1])


def _frame(model: str, sheet: Sheet, path: str, number: int) -> tuple[bytes, int]:
    if model not in lorawan.MODELS:
        frame = next(lorawan.frames(model, number, 1))
        return frame.payload, frame.f_port
    drawn: dict[str, float | None] = {}
    for one in lorawan.frames(model, 1, _DRAWN):
        drawn |= one.values
    now = time.time()
    known = {n: wave(path, o).at(now) for n, o in sheet.outputs.items() if n in drawn}
    return lorawan.encode(model, {**drawn, **known})


# -- JSON ----------------------------------------------------------------------------------


def _node(config: Configuration, source: JsonSource) -> SimulatedSender | str:
    if source.model is not None:
        sheet = config.sheet(source)
        values = _of_sheet(sheet)
        if values is None:
            return f"{source.model} sends no JSON with a path to each number"
        outputs, fixed = values
    else:
        outputs = {f.path: Output(f.name, f.quantity, f.unit) for f in source.field}
        fixed = {f.unit_path: f.unit for f in source.field if f.unit_path}

    def say(_: int) -> bytes:
        return orjson.dumps(nested({**fixed, **_values_now(source, outputs), **_dated(source)}))

    every_s = _every_s(source.expect_ns)
    return SimulatedSender(source.path, source.broker, source.topic, every_s, say)


def _of_sheet(sheet: Sheet) -> tuple[dict[str, Output], dict[str, Any]] | None:
    """Path -> output, and path -> unit word; None for forms that are not simulated."""
    frame = sheet.frame
    if frame.get("form", "json") != "json" or "member" in frame or "path" not in frame:
        return None
    outputs = {frame["path"][name]: o for name, o in sheet.outputs.items() if name in frame["path"]}
    units = frame.get("unit", {})
    return outputs, {row["path"]: row["word"] for row in units.values() if "word" in row}


def _values_now(source: JsonSource, outputs: Mapping[str, Output]) -> Mapping[str, float]:
    now = time.time()
    return {path: wave(source.path, output).at(now) for path, output in outputs.items()}


def _dated(source: JsonSource) -> dict[str, Any]:
    if source.time is None:
        return {}
    if source.time.format == "rfc3339":
        stated: Any = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    else:
        stated = time.time_ns() * _PER_SECOND[source.time.format] // 10**9
    return {source.time.path: stated}


def followed(folder: Path, name: str, file: str | Path) -> Path:
    """What the file source of that name follows in the simulated plot."""
    return folder / "files" / name / Path(file).name
