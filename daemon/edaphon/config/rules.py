"""What must fit between the tables of edaphon.toml: names, duplicates, models, units."""

import re
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path

from edaphon.config.instruments import instrument_rules, unit_trouble
from edaphon.config.parts import Found, Parts
from edaphon.config.secret_files import secret_files
from edaphon.config.sources import (
    FILES,
    FileSource,
    JsonSource,
    LorawanSource,
    ScheduledSource,
    Source,
)
from edaphon.toml_input import ConfigError, Document, did_you_mean
from edaphon.toml_input.lines import Place
from edaphon.toml_input.models import MOST_ERRORS
from edaphon_calibration.nomenclature import QUANTITIES

__all__ = ["Parts", "rule_complaints"]


def rule_complaints(document: Document, parts: Parts) -> list[ConfigError]:
    rules: tuple[Callable[[Document, Parts], Found], ...] = (
        _names,
        _ports,
        _clients,
        *instrument_rules,
        _paths,
        _envelopes,
        _topics,
        _fields,
        _secrets,
    )
    return [
        ConfigError(document.file, document.line(place), _dotted(place), came, right)
        for rule in rules
        for place, came, right in islice(rule(document, parts), MOST_ERRORS)
    ]


def _dotted(place: Place) -> str:
    return ".".join(str(part) for part in place if isinstance(part, str))


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
            yield (
                (key, FILES),
                f'"{FILES}" stands for followed files',
                f"another name for the {key}",
            )
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
    first: dict[str, int] = {}
    for number, value in values.items():
        if value in first:
            came = f'"{value}" is also the {key} of {table} {first[value] + 1}'
            yield (table, number, key), came, f"another {key}"
        first.setdefault(value, number)


def _ports(document: Document, parts: Parts) -> Found:
    first: dict[str, str] = {}
    for name, bus in parts.buses.items():
        if bus.port in first:
            came = f'"{bus.port}" is also the port of bus {first[bus.port]}'
            yield ("bus", name, "port"), came, "one bus for each port"
        first.setdefault(bus.port, name)


def _clients(document: Document, parts: Parts) -> Found:
    """Two connections with one client identifier push each other off the broker for ever."""
    first: dict[tuple[str, int, str], str] = {}
    for name, broker in parts.brokers.items():
        if broker.client_id is None:
            continue
        client = (broker.host, broker.port, broker.client_id)
        if client in first:
            came = f'"{broker.client_id}" is also that of broker {first[client]} at this host'
            yield ("broker", name, "client_id"), came, "another client_id, or none"
        first.setdefault(client, name)


def _paths(document: Document, parts: Parts) -> Found:
    """No two sources have one path, and a device is heard through one broker only."""
    paths: dict[str, int] = {}
    devices: dict[str, int] = {}
    for number, source in parts.sources.items():
        key, value = _own_name(source)
        if source.path in paths:
            line = document.line(("source", paths[source.path]))
            came = f'"{value}" is used twice: {source.path} stands in line {line} already'
            yield ("source", number, key), came, f"each {key} once"
        elif isinstance(source, LorawanSource) and source.dev_eui in devices:
            line = document.line(("source", devices[source.dev_eui]))
            came = f'"{value}" is heard through another broker already (line {line})'
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


def _envelopes(document: Document, parts: Parts) -> Found:
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
        for at, field in enumerate(source.field):
            place = ("source", number, "field", at)
            if field.name in names:
                came = f'"{field.name}" is the name of two fields'
                yield (*place, "name"), came, "another name"
            names.add(field.name)
            if field.quantity not in QUANTITIES:
                came = f'"{field.quantity}" is no quantity'
                yield (*place, "quantity"), came, did_you_mean(field.quantity, QUANTITIES)
            elif problem := unit_trouble(field.unit, field.quantity):
                yield (*place, "unit"), f'"{field.unit}"', problem


def _secrets(_: Document, parts: Parts) -> Found:
    """No file that is recorded is a secret: whoever reads the journal would have it."""
    secrets = secret_files(parts)
    for number, source in parts.sources.items():
        key = {FileSource: "file", LorawanSource: "codec_file"}.get(type(source), "")
        place: Path | None = getattr(source, key) if key else None
        for secret in sorted(secrets):
            if place is not None and secret.match(str(place)):
                came = f'"{place}" takes in {secret}, which is a secret'
                yield ("source", number, key), came, "a folder that holds no secret"
                break
