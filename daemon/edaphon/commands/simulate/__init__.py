"""`edaphon simulate`: the plot of a configuration without its hardware, with faults on demand."""

import contextlib
import fcntl
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISDIR
from typing import Annotated, Any

import typer

from edaphon.commands.check import write_own
from edaphon.commands.options import TRY_AGAIN, USAGE
from edaphon.commands.programs import BROKER, ProgramEnded, Running, broker, find_program, watch
from edaphon.commands.simulate.plot import (
    SimulatedPlot,
    SimulatedSender,
    followed,
    lines_of,
    publish,
    senders_of,
)
from edaphon.config import JsonSource
from edaphon.facts import Knowledge
from edaphon.facts.knowledge import Known
from edaphon.model import EntryId
from edaphon.printer import show_error, show_line
from edaphon.service.check import Configured, configured
from edaphon.storage.access import fail
from edaphon.toml_input.lines import toml_key, toml_keys
from edaphon_drivers.outside import leaves
from edaphon_drivers.simulators.plugged import Pluggable

NO_PARITY = "8N1"  # a pseudo-terminal has none, and can be opened with one only once
NO_SWITCH = "/dev/null"  # takes what would switch a relay, so that no real one moves
OUTWARD = frozenset({"sink", "notify"})
SIGNS_OF_LIFE = frozenset({"heartbeat_url", "heartbeat_broker", "heartbeat_topic"})


@dataclass(frozen=True, slots=True)
class Places:
    """The places of the simulated plot's things, by name; no `brokers`: the real ones stay."""

    folder: Path
    buses: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    brokers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def inbox(self, real: str) -> str:
        """A copy of the inbox and its evidence; what was added to it stays."""
        copy = self.folder / "inbox"
        copy.mkdir(parents=True, exist_ok=True)
        shutil.copytree(real, copy, ignore=_not_copied, dirs_exist_ok=True)
        return str(copy)


def _not_copied(folder: str, names: list[str]) -> list[str]:
    """Pipes, sockets, devices, links to folders, and links that leave their folder."""
    return [name for name in names if not _copied(os.path.join(folder, name), folder)]


def _copied(path: str, folder: str) -> bool:
    mode = os.lstat(path).st_mode
    return S_ISDIR(mode) or (os.path.isfile(path) and not leaves(path, folder))


def simulated_tables(table: Mapping[str, Any], places: Places) -> dict[str, Any]:
    """Nothing of it reaches a real database, person or watcher: see `left_out`."""
    found = {key: value for key, value in table.items() if key not in OUTWARD}
    found["alerts"] = {k: v for k, v in table.get("alerts", {}).items() if k not in SIGNS_OF_LIFE}
    if "inbox" in table.get("facts", {}):
        found["facts"] = {**table["facts"], "inbox": places.inbox(str(table["facts"]["inbox"]))}
    found["storage"] = {**table.get("storage", {}), "folder": str(places.folder / "data")}
    found["clock"] = {**table.get("clock", {}), "trust": "system"}
    found["bus"] = {n: _bus(n, bus, places) for n, bus in table.get("bus", {}).items()}
    found["broker"] = {n: _broker(n, row, places) for n, row in table.get("broker", {}).items()}
    found["supply"] = {n: {**row, "file": NO_SWITCH} for n, row in table.get("supply", {}).items()}
    found["source"] = [_source(row, places) for row in table.get("source", ())]
    return {key: value for key, value in found.items() if value}


def left_out(table: Mapping[str, Any]) -> Iterator[str]:
    """What of a real plot its simulated one does not have, as sentences."""
    if table.get("sink"):
        yield "the sinks are left out: simulated numbers must not reach them"
    if table.get("notify"):
        yield "the receivers ([[notify]]) are left out: nobody must be alerted of simulated faults"
    if SIGNS_OF_LIFE & table.get("alerts", {}).keys():
        yield "the sign of life (heartbeat) is left out: it would stand for the real logger"


def _bus(name: str, bus: Mapping[str, Any], places: Places) -> dict[str, Any]:
    found = {**bus, **places.buses.get(name, {"port": str(places.folder / name)})}
    if "format" in bus:
        found["format"] = NO_PARITY
    if "multiplexer" in bus:
        found["multiplexer"] = {**bus["multiplexer"], "file": NO_SWITCH}
    return found


def _broker(name: str, row: Mapping[str, Any], places: Places) -> dict[str, Any]:
    """A real broker gets another client's name, or the recorder of the real plot is thrown out."""
    if name not in places.brokers:
        return {**row, "client_id": f"edaphon-simulated-{name}"[:64]}
    kept = {key: row[key] for key in ("envelope",) if key in row}
    return {**kept, **places.brokers[name]}


def _source(row: Mapping[str, Any], places: Places) -> dict[str, Any]:
    if "file" not in row or "name" not in row:
        return dict(row)
    file = followed(places.folder, str(row["name"]), str(row["file"]))
    file.parent.mkdir(parents=True, exist_ok=True)
    return {**row, "file": str(file)}


def toml_text(table: Mapping[str, Any]) -> str:
    """A table of tables as TOML; what lies deeper is in one line."""
    return "".join(_tables(table))


def _tables(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            for row in value:
                yield f"\n[[{toml_key(key)}]]\n" + toml_keys(row)
        elif isinstance(value, Mapping) and all(isinstance(v, Mapping) for v in value.values()):
            for name, row in value.items():
                yield f"\n[{toml_key(key)}.{toml_key(name)}]\n" + toml_keys(row)
        elif isinstance(value, Mapping):
            yield f"\n[{toml_key(key)}]\n" + toml_keys(value)


SHOW_EVERY_S = 2.0
_SIMULATED = "# Simulated:"
HELP = """sdi12/a silent       from now on; `sdi12/a ok` ends it
sdi12/a garbled 3    the next three answers
sdi12 unplug         the adapter is pulled out; `sdi12 replug` puts it back
faults of a probe: {faults}"""
_FAULTS = {
    "silent", "garbled", "late", "doubled", "residue", "noise", "abort", "cut", "exception", "busy",
    "echo", "no", "power on", "zeros",
}  # fmt: skip


class BadOrder(ValueError):
    """An order that can't be carried out; the words say what would be right."""


def simulate(
    station: Annotated[Path, typer.Argument(help="edaphon.toml of the plot")],
    folder: Annotated[Path, typer.Option(help="folder of the simulated plot")],
    fault: Annotated[
        list[str] | None, typer.Option(help="fault from the start, such as sdi12/a=silent")
    ] = None,
) -> None:
    """Simulate every instrument of a configuration, until Ctrl-C.

    `edaphon run FOLDER/edaphon.toml` records it. Type `help` to see how to make answers fail.
    """
    found = configured(station)
    home = _home(folder)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with contextlib.ExitStack() as parts:
        parts.enter_context(_alone_in(home))
        plot = lines_of(found.config, _knowledge(found), home)
        parts.callback(plot.stop)
        programs: list[Running] = []
        try:
            senders = _messages(parts, found, home, plot, stop, programs)
        except ProgramEnded as ended:
            raise fail(str(ended)) from None
        for text in fault or ():
            try:
                show_line(order(text.replace("=", " ", 1), plot, senders))
            except BadOrder as wrong:
                raise fail(str(wrong), USAGE) from None
        _show_home(found, plot, senders, home)
        threading.Thread(
            target=_take_orders, args=(plot, senders), name="orders", daemon=True
        ).start()
        _serve(plot, stop, programs)


def _serve(plot: SimulatedPlot, stop: threading.Event, programs: list[Running]) -> None:
    while not stop.is_set():
        try:
            watch(stop, programs, SHOW_EVERY_S)
        except ProgramEnded as ended:
            raise fail(str(ended)) from None
        plot.show()


def _home(folder: Path) -> Path:
    home = folder.resolve()
    if any(character.isspace() for character in str(home)):
        raise fail(f"expected a folder without spaces in its path, got {str(home)!r}", USAGE)
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        words = f"expected a folder that can be made, got {home} ({error.strerror})"
        raise fail(words, USAGE) from None
    return home


@contextlib.contextmanager
def _alone_in(home: Path) -> Iterator[None]:
    """One simulated plot in a folder at a time: a second one would take the ports of the first."""
    lock = os.open(home / "simulate.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            words = f"expected a folder where nothing is simulated, got {home}: another"
            words += " `edaphon simulate` serves it; end that one, or give another --folder"
            raise fail(words, TRY_AGAIN) from None
        yield
    finally:
        os.close(lock)


def _knowledge(found: Configured) -> Knowledge:
    """What the facts of the configuration and of its inbox say; the journal stays where it is."""
    return Knowledge(tuple(Known(EntryId(1, n), row.fact) for n, row in enumerate(found.rows, 1)))


def _messages(
    parts: contextlib.ExitStack,
    found: Configured,
    home: Path,
    plot: SimulatedPlot,
    stop: threading.Event,
    programs: list[Running],
) -> dict[str, SimulatedSender]:
    """Starts broker and senders, and writes the configuration that goes with all this."""
    senders, why = senders_of(found.config)
    plot.not_simulated |= why
    program, port = find_program(BROKER) if found.config.brokers else None, 0
    if program is not None:
        port, running = parts.enter_context(broker(program, home))
        programs.append(running)
    brokers: dict[str, dict[str, Any]] = {}
    for name in found.config.brokers if port else ():
        topics = [s.topic for s in senders if s.broker == name]
        topics += [s.topic for s in _nodes(found, name) if s.topic not in topics]
        brokers[name] = {"host": "127.0.0.1", "port": port, "topics": topics or ["edaphon/none"]}
    if found.config.brokers and not port:
        show_line("mosquitto is not installed: the brokers stay as they are, nobody publishes")
    if port and senders:
        thread = threading.Thread(target=publish, args=(senders, port, stop), name="senders")
        thread.start()
        parts.callback(thread.join)
        parts.callback(stop.set)
    places = Places(home, plot.buses, brokers)
    text = toml_text(simulated_tables(found.document.table, places))
    written = f"{_SIMULATED} made from {Path(found.document.file).name}.\n{text}"
    write_own(home / "edaphon.toml", written, _SIMULATED)
    return {sender.path: sender for sender in senders} if port else {}


def _nodes(found: Configured, broker: str) -> list[JsonSource]:
    """Senders of JSON: their broker must subscribe to their topics, whoever is simulated."""
    own = (s for s in found.config.sources if isinstance(s, JsonSource))
    return [source for source in own if source.broker == broker]


def _show_home(
    found: Configured, plot: SimulatedPlot, senders: dict[str, SimulatedSender], home: Path
) -> None:
    served = sorted({*plot.instruments, *senders})
    show_line(f"simulated: {', '.join(served) or 'nothing'}")
    for path, why in sorted(plot.not_simulated.items()):
        show_line(f"not simulated: {path}: {why}")
    for words in left_out(found.document.table):
        show_line(words)
    if found.config.facts and found.config.facts.inbox:
        show_line(f"the inbox is a copy: {home / 'inbox'}")
    show_line(f"record it: edaphon run {home / 'edaphon.toml'}")
    sys.stdout.flush()


def _take_orders(plot: SimulatedPlot, senders: dict[str, SimulatedSender]) -> None:
    """Orders on stdin, until it ends."""
    for line in sys.stdin:
        if line.strip():
            try:
                show_line(order(line, plot, senders))
            except BadOrder as wrong:
                show_error(str(wrong))
            sys.stdout.flush()


def order(line: str, plot: SimulatedPlot, senders: dict[str, SimulatedSender]) -> str:
    """Carries out one order and says what is so now; raises BadOrder."""
    place, _, words = line.strip().partition(" ")
    if place == "help":
        return HELP.format(faults=", ".join(sorted(_FAULTS)))
    if place in plot.lines and words in {"unplug", "replug"}:
        return _plugged(place, words, plot)
    targets: dict[str, Any] = {**plot.instruments, **senders}
    if place not in targets:
        known = ", ".join([*targets, *plot.lines])
        raise BadOrder(f"expected one of {known}, got {place!r}; `help` shows more")
    fault, _, times = words.strip().rpartition(" ") if words[-1:].isdecimal() else (words, "", "")
    if fault == "ok":
        _well(targets[place])
        return f"{place}: ok"
    try:
        if fault not in _FAULTS:
            raise ValueError(f"expected one of {', '.join(sorted(_FAULTS))}, got {fault!r}")
        if times:
            targets[place].fail(fault, int(times))
        else:
            _always(targets[place], fault)
    except ValueError as error:
        raise BadOrder(f"{place}: {error}") from None
    return f"{place}: {fault}" + (f", {times} times" if times else " until `ok`")


def _plugged(name: str, words: str, plot: SimulatedPlot) -> str:
    line = plot.lines[name]
    if not isinstance(line, Pluggable):
        raise BadOrder(f"{name} has no adapter that could be pulled out")
    if words == "unplug":
        line.unplug()
    else:
        line.replug()
    return f"{name}: {words}ged"


def _always(target: Any, fault: str) -> None:
    target.fail(fault, 0)  # raises for a fault that it does not know
    if not hasattr(target, "fault"):
        raise ValueError(f"expected how often, such as {fault} 3")
    target.fault = lambda _: fault


def _well(target: Any) -> None:
    if hasattr(target, "fault"):
        target.fault = lambda _: None
