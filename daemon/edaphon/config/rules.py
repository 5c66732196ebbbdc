"""What must fit between the tables of edaphon.toml: names, duplicates, models, units."""

import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from edaphon.config.model import (
    Alerts,
    Facts,
    Notify,
    OwnModel,
    SinkTable,
    StorageTable,
    secret_files,
)
from edaphon.config.sources import (
    BUS_KINDS,
    FILES,
    Broker,
    Bus,
    FileSource,
    HeardSource,
    JsonField,
    JsonSource,
    LorawanSource,
    ScheduledSource,
    Source,
    SupplyTable,
)
from edaphon.toml_input.lines import ConfigError, Document, Place, did_you_mean, refusal
from edaphon.toml_input.models import MOST_ERRORS
from edaphon_calibration.nomenclature import QUANTITIES
from edaphon_calibration.units import check_unit
from edaphon_drivers.registry import (
    ASKED_ON,
    ENGINES,
    ENVELOPES,
    LINKS,
    completed,
    engine,
    sheet_errors,
)
from edaphon_drivers.sheets import Output, Sheet, Sheets, model_names, table_errors

Found = Iterator[tuple[Place, str, str]]  # place, what came, what would be right


@dataclass(frozen=True, slots=True)
class Parts:
    """By name, or by number in the file; `sheets` lacks the owner's that are wrong inside."""

    buses: Mapping[str, Bus] = field(default_factory=dict)
    brokers: Mapping[str, Broker] = field(default_factory=dict)
    sources: Mapping[int, Source] = field(default_factory=dict)
    sinks: Mapping[int, SinkTable] = field(default_factory=dict)
    supplies: Mapping[str, SupplyTable] = field(default_factory=dict)
    models: Mapping[str, OwnModel] = field(default_factory=dict)
    notify: Mapping[int, Notify] = field(default_factory=dict)
    facts: Facts | None = None
    storage: StorageTable | None = None
    alerts: Alerts | None = None
    sheets: Sheets = field(default_factory=Sheets)

    @classmethod
    def of(cls, tables: Mapping[str, Any]) -> "Parts":
        buses, brokers, sources, sinks, supplies, models, notify = (
            tables[key] or {}
            for key in ("bus", "broker", "source", "sink", "supply", "model", "notify")
        )
        own = {name: sheet for name, model in models.items() if (sheet := _sheet(name, model))}
        facts, storage, alerts = tables["facts"], tables["storage"], tables["alerts"]
        lines = buses, brokers, sources, sinks, supplies, models, notify
        return cls(*lines, facts, storage, alerts, Sheets(own))


def _sheet(name: str, model: OwnModel) -> Sheet | None:
    try:
        return model.sheet(name)
    except (TypeError, KeyError, ValueError):
        return None


# What the instruments on each kind of line speak when they are asked.
_SPOKEN = {
    bus: tuple(engine for engine, kinds in ASKED_ON.items() if bus in kinds) for bus in BUS_KINDS
}

# An error that the settings of a source correct, so that it is the source's.
_SETTING = re.compile(r"\b(?:utc_offset|date_order|frame\.time\.(?:year|start)) is missing")
_TABLE = re.compile(r"(\[{1,2})(command|frame|output)\b")  # as a sheet of its own file writes it


def _own_models(_: Document, parts: Parts) -> Found:
    """The sheets that the owner wrote."""
    for name, model in parts.models.items():
        place = ("model", name)
        if name in model_names():
            yield place, f'"{name}" is a sheet of this package', "another name"
        if name not in parts.sheets.own:
            for inside, came, right in table_errors(model.model_dump()):
                yield (*place, *inside), came, _TABLE.sub(rf'\1model."{name}".\2', right)
            continue
        for problem in _own_errors(name, parts):
            key = _frame_place(name, problem)
            yield key, f'"{_part_named(key, parts.sheets.own[name]) or name}"', problem
        for at, output in enumerate(parts.sheets.own[name].outputs.values()):
            yield from _output(output, (*place, "output", at))


def _own_errors(name: str, parts: Parts) -> list[str]:
    """What is wrong in an owner's sheet whatever the sources that name it set."""
    sheet = parts.sheets.own.get(name)
    if sheet is None:
        return []
    using = [source for source in parts.sources.values() if source.model == name]
    found = list(sheet_errors(sheet))
    for source in using:
        still = set(sheet_errors(completed(sheet, source.settings)))
        found = [problem for problem in found if problem in still]
    return [problem for problem in found if not (using and _SETTING.search(problem))]


def _frame_place(name: str, problem: str) -> Place:
    """The key of the frame that an error begins with, the frame, or the whole sheet."""
    if problem.startswith("engine "):
        return ("model", name, "engine")
    key = re.match(r"frame\.(\w+)(?: (\d+))?", problem)
    if key is None:
        return ("model", name, "frame") if re.search(r"\bframe\b", problem) else ("model", name)
    row = (int(key[2]) - 1,) if key[2] else ()
    return ("model", name, "frame", key[1], *row)


def _part_named(key: Place, sheet: Sheet) -> str:
    """The part of a package that this key of a sheet names; "" where the key names none."""
    named = {"engine": sheet.engine, "codec": str(sheet.frame.get("codec", ""))}
    return named.get(str(key[-1]), "")


def _output(output: Output | JsonField, inside: Place) -> Found:
    if output.quantity not in QUANTITIES:
        came = f'"{output.quantity}" is no quantity'
        yield (*inside, "quantity"), came, did_you_mean(output.quantity, QUANTITIES)
    elif problem := refusal(check_unit, output.unit, output.quantity):
        yield (*inside, "unit"), f'"{output.unit}"', problem


def _models(_: Document, parts: Parts) -> Found:
    """Each source's model has a sheet, and speaks what is spoken there."""
    names = tuple(sorted({*model_names(), *parts.models}))
    for number, source in parts.sources.items():
        if source.model is None:
            continue
        place = ("source", number, "model")
        if source.model not in names:
            yield place, f'"{source.model}" has no model sheet', did_you_mean(source.model, names)
        elif source.model in parts.sheets:
            yield from _speaks(source, number, parts)


def _speaks(source: Source, number: int, parts: Parts) -> Found:
    spoken = _spoken(source, parts)
    sheet = parts.sheets[source.model or ""]
    place = ("source", number, "model")
    if spoken is None:
        return
    if not spoken:
        bus = getattr(source, "bus", "")
        came = f'bus {bus} has kind = "stream": instruments there are not polled'
        yield ("source", number, "bus"), came, "expect instead of interval, or another bus"
    elif sheet.engine not in spoken and not _is_spoken_there(sheet.engine, source, parts):
        fitting = [n for n in parts.sheets.names() if parts.sheets[n].engine in spoken]
        came = f'"{source.model}" speaks {sheet.engine}, this source {" or ".join(spoken)}'
        right = _other_bus(source, sheet.engine) or did_you_mean(source.model or "", fitting)
        yield place, came, right
    elif isinstance(source, HeardSource) != bool(sheet.frame.get("heard")) and "ascii" in spoken:
        talks = "is polled" if isinstance(source, HeardSource) else "sends by itself"
        came = f'"{source.model}" {talks}'
        yield place, came, "interval for one that is polled, expect for one that sends by itself"
    elif problems := _setting_errors(source, parts):
        yield from ((("source", number, "settings"), f'"{source.model}"', t) for t in problems[:1])
    elif isinstance(source, ScheduledSource) and (
        problem := engine(sheet.engine).address_error(source.address)
    ):
        yield ("source", number, "address"), f'"{source.address}"', problem


def _is_spoken_there(name: str, source: Source, parts: Parts) -> bool:
    """Whether the engine of another package can ask on this line: it names the kinds itself."""
    bus = parts.buses.get(source.bus) if isinstance(source, ScheduledSource) else None
    if bus is None or not ENGINES.package(name) or ENGINES.problem(name):
        return False
    return bus.kind in engine(name).BUS_KINDS


def _other_bus(source: Source, engine: str) -> str:
    """Which bus a model needs that this one can't carry; "" where it is no matter of the bus."""
    kinds = [f'`kind = "{kind}"`' for kind, engines in _SPOKEN.items() if engine in engines]
    if not kinds or not isinstance(source, ScheduledSource):
        return ""
    return f"this model needs a {' or '.join(kinds)} bus"


def _setting_errors(source: Source, parts: Parts) -> list[str]:
    """What is wrong in the sheet of a source with its settings, and not in the sheet alone."""
    name = source.model or ""
    reported = _own_errors(name, parts)
    sheet = completed(parts.sheets[name], source.settings)
    return [problem for problem in sheet_errors(sheet) if problem not in reported]


def _spoken(source: Source, parts: Parts) -> tuple[str, ...] | None:
    """None where that is not known."""
    if isinstance(source, ScheduledSource):
        bus = parts.buses.get(source.bus)
        if bus is not None and LINKS.package(bus.kind):
            return tuple(ASKED_ON)
        return _SPOKEN.get(bus.kind) if bus else None
    if isinstance(source, HeardSource):
        return ("ascii",)
    if isinstance(source, FileSource):
        return ("file",)
    return ("lorawan",) if isinstance(source, LorawanSource) else ("message",)


def _lines(_: Document, parts: Parts) -> Found:
    """Pushed data comes on a stream; branches and supplies are there."""
    for number, source in parts.sources.items():
        if isinstance(source, HeardSource) and source.bus in parts.buses:
            yield from _pushed(source, number, parts.buses[source.bus])
        elif isinstance(source, ScheduledSource):
            yield from _switched(source, number, parts)


def _pushed(source: HeardSource, number: int, bus: Bus) -> Found:
    if bus.kind != "stream":
        came = f'bus {source.bus} has kind = "{bus.kind}"'
        yield ("source", number, "bus"), came, 'a bus with kind = "stream", or interval'


def _switched(source: ScheduledSource, number: int, parts: Parts) -> Found:
    bus = parts.buses.get(source.bus)
    branches = tuple(bus.multiplexer.ports) if bus and bus.multiplexer else ()
    if source.branch is not None and source.branch not in branches:
        right = did_you_mean(source.branch, branches) if branches else "a multiplexer of the bus"
        yield ("source", number, "branch"), f'"{source.branch}" is no branch', right
    if source.supply is not None and source.supply not in parts.supplies:
        known = tuple(parts.supplies)
        right = did_you_mean(source.supply, known) if known else f"[supply.{source.supply}]"
        yield ("source", number, "supply"), f'"{source.supply}" is no supply', right


def rule_errors(document: Document, parts: Parts) -> list[ConfigError]:
    rules: tuple[Callable[[Document, Parts], Found], ...] = (
        _names, _links, _ports, _clients, _own_models, _models, _lines, _paths, _envelopes, _topics,
        _fields, _secrets,
    )  # fmt: skip
    return [
        document.error(place, came, right)
        for rule in rules
        for place, came, right in islice(rule(document, parts), MOST_ERRORS)
    ]


def _names(document: Document, parts: Parts) -> Found:
    """Each source names a bus or broker that is there, and no two things share a name."""
    names = {key: _written_names(document, key) for key in ("bus", "broker")}
    for number, source in parts.sources.items():
        if isinstance(source, FileSource):
            continue
        key = "broker" if isinstance(source, LorawanSource | JsonSource) else "bus"
        name = getattr(source, key)
        known = names[key]
        if known is not None and name not in known:
            right = did_you_mean(name, known) if known else f"write a table [{key}.{name}]"
            yield ("source", number, key), f'"{name}" is no {key} of this file', right
    for name in (names["bus"] or frozenset()) & (names["broker"] or frozenset()):
        yield ("broker", name), f'"{name}" is also a bus', "another name for one of them"
    for key in ("bus", "broker"):
        if FILES in (names[key] or ()):
            came = f'"{FILES}" is the name for followed files'
            yield (key, FILES), came, f"another name for the {key}"
    yield from _repeated({n: s.name for n, s in parts.sinks.items()}, "sink", "name")
    yield from _repeated({n: r.name for n, r in parts.notify.items()}, "notify", "name")
    heartbeat = parts.alerts.heartbeat_broker if parts.alerts else None
    if heartbeat is not None and (known := names["broker"]) is not None and heartbeat not in known:
        place = ("alerts", "heartbeat_broker")
        yield place, f'"{heartbeat}" is no broker of this file', did_you_mean(heartbeat, known)


def _written_names(document: Document, key: str) -> frozenset[str] | None:
    """The names of tables, wrong ones too; None where no names can be made out."""
    written = document.table.get(key, {})
    return frozenset(written) if isinstance(written, dict) else None


def _repeated(values: Mapping[int, str], table: str, key: str) -> Found:
    for number, first in _again(values):
        came = f'"{values[number]}" is also the {key} of {table} {first + 1}'
        yield (table, number, key), came, f"another {key}"


Name = TypeVar("Name", bound=str | int)


def _again(values: Mapping[Name, Hashable]) -> Iterator[tuple[Name, Name]]:
    """Each name whose value another had before it, with the first such name."""
    first: dict[Hashable, Name] = {}
    for name, value in values.items():
        if value in first:
            yield name, first[value]
        first.setdefault(value, name)


def _ports(document: Document, parts: Parts) -> Found:
    for name, first in _again({name: bus.port for name, bus in parts.buses.items()}):
        came = f'"{parts.buses[name].port}" is also the port of bus {first}'
        yield ("bus", name, "port"), came, "one bus for each port"


def _clients(document: Document, parts: Parts) -> Found:
    """Two connections with one client identifier push each other off the broker for ever."""
    brokers = {name: one for name, one in parts.brokers.items() if one.client_id is not None}
    clients = {name: (one.host, one.port, one.client_id) for name, one in brokers.items()}
    for name, first in _again(clients):
        came = f'"{brokers[name].client_id}" is also that of broker {first} at this host'
        yield ("broker", name, "client_id"), came, "another client_id, or none"


def _paths(document: Document, parts: Parts) -> Found:
    """No two sources have one path, and a device sends through one broker only."""
    paths: dict[str, int] = {}
    devices: dict[str, int] = {}
    for number, source in parts.sources.items():
        key, value = _own_name(source)
        if source.path in paths:
            line = document.line(("source", paths[source.path]))
            came = f'"{value}" is used twice: {source.path} is already in line {line}'
            yield ("source", number, key), came, f"each {key} once"
        elif isinstance(source, LorawanSource) and source.dev_eui in devices:
            line = document.line(("source", devices[source.dev_eui]))
            came = f'"{value}" already comes through another broker (line {line})'
            yield ("source", number, key), came, "each device through one broker"
        paths.setdefault(source.path, number)
        devices.setdefault(value, number)


def _own_name(source: Source) -> tuple[str, str]:
    if isinstance(source, ScheduledSource):
        return "address", source.address
    if isinstance(source, LorawanSource):
        return "dev_eui", source.dev_eui
    if isinstance(source, FileSource):
        return "name", source.name
    return ("topic", source.topic) if isinstance(source, JsonSource) else ("bus", source.bus)


def _links(document: Document, parts: Parts) -> Found:
    *first, last = BUS_KINDS
    choices = ", ".join(f'"{kind}"' for kind in first)
    for name, bus in parts.buses.items():
        if bus.kind not in _SPOKEN and not LINKS.package(bus.kind):
            yield ("bus", name, "kind"), f'"{bus.kind}"', f'one of {choices} or "{last}"'
        elif bus.kind not in _SPOKEN and (problem := LINKS.problem(bus.kind)):
            yield ("bus", name, "kind"), f'"{bus.kind}"', problem


def _envelopes(document: Document, parts: Parts) -> Found:
    known = (*ENVELOPES.names(), "json")
    choices = ", ".join(f'"{name}"' for name in known[:-1])
    for name, broker in parts.brokers.items():
        if broker.envelope not in known:
            right = f'one of {choices} or "json"'
            yield ("broker", name, "envelope"), f'"{broker.envelope}"', right
        elif problem := broker.envelope != "json" and ENVELOPES.problem(broker.envelope):
            yield ("broker", name, "envelope"), f'"{broker.envelope}"', problem
    for number, source in parts.sources.items():
        if not isinstance(source, LorawanSource | JsonSource):
            continue
        if source.broker not in parts.brokers:
            continue
        envelope = parts.brokers[source.broker].envelope
        came = f'broker {source.broker} has envelope = "{envelope}"'
        if isinstance(source, LorawanSource) and envelope == "json":
            right = 'a broker with a network server\'s envelope, such as "tts-v3", for a dev_eui'
            yield ("source", number, "broker"), came, right
        elif isinstance(source, JsonSource) and envelope != "json":
            right = 'a broker with envelope = "json" for a topic'
            yield ("source", number, "broker"), came, right


def _topics(document: Document, parts: Parts) -> Found:
    for name, broker in parts.brokers.items():
        for at, topic in enumerate(broker.topics):
            if not _is_filter(topic):
                right = "+ for one whole level, # for all that follows, at the end only"
                yield ("broker", name, "topics", at), f'"{topic}" is no topic filter', right
    for number, source in parts.sources.items():
        if not isinstance(source, JsonSource) or source.broker not in parts.brokers:
            continue
        broker, topics = parts.brokers[source.broker], parts.brokers[source.broker].topics
        if broker.envelope == "json" and not any(_matches(topic, source.topic) for topic in topics):
            came = f'broker {source.broker} does not subscribe to "{source.topic}"'
            yield ("source", number, "topic"), came, "add it to the broker's topics"


def _is_filter(topic: str) -> bool:
    """MQTT 3.1.1, section 4.7.1."""
    *before, last = topic.split("/")
    whole = all(level == "+" or not re.search("[+#]", level) for level in before)
    return whole and (last in {"+", "#"} or not re.search("[+#]", last))


def _matches(topic_filter: str, topic: str) -> bool:
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if wanted[-1] == "#":
        wanted, levels = wanted[:-1], levels[: len(wanted) - 1]
    return len(wanted) == len(levels) and all(
        w in {"+", level} for w, level in zip(wanted, levels, strict=True)
    )


def _fields(document: Document, parts: Parts) -> Found:
    for number, source in parts.sources.items():
        if not isinstance(source, JsonSource | LorawanSource):
            continue
        names: set[str] = set()
        for at, one in enumerate(source.field):
            place = ("source", number, "field", at)
            if one.name in names:
                came = f'"{one.name}" is the name of two fields'
                yield (*place, "name"), came, "another name"
            names.add(one.name)
            yield from _output(one, place)


def _secrets(_: Document, parts: Parts) -> Found:
    """No file that is recorded is a secret: whoever reads the journal would have it."""
    secrets = secret_files(parts)
    for number, source in parts.sources.items():
        key = {FileSource: "file", LorawanSource: "codec_file"}.get(type(source), "")
        place: Path | None = getattr(source, key) if key else None
        for secret in sorted(secrets):
            if place is not None and secret.match(str(place)):
                came = f'"{place}" includes {secret}, which is a secret'
                yield ("source", number, key), came, "a folder that holds no secret"
                break
