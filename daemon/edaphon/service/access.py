"""What a configuration makes this machine read, write and connect to, each with its line."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from pydantic import BaseModel

from edaphon.config import Configuration, FileSource, LorawanSource
from edaphon.config.lines import Broker, Bus
from edaphon.config.reading import named_values
from edaphon.facts import FactRow, evidence_files
from edaphon.network.requests import is_loopback
from edaphon.toml_input import ConfigError, Document
from edaphon.toml_input.lines import Place
from edaphon.toml_input.values import Secret, secret_host

__all__ = [
    "CONNECTS",
    "LISTENS",
    "READS",
    "WRITES",
    "Access",
    "accesses",
    "evidence_accesses",
    "unencrypted",
]

READS, WRITES, CONNECTS, LISTENS = "reads", "writes", "connects to", "listens on"
_Found = Iterator[tuple[str, str, Place]]  # what is done, with what, where it stands


class Access(NamedTuple):
    """`what` is a file, a folder, a variable or host:port; `key` and `line` are where it stands."""

    does: str
    what: str
    key: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.does:<12} {self.what}   ({self.key}, {Path(self.file).name}:{self.line})"


def accesses(
    document: Document, config: Configuration, kinds: Mapping[Place, BaseModel]
) -> list[Access]:
    """Each once, in the order reads, writes, connects, listens; `kinds`: settings of [[sink]] and
    [[notify]]."""
    found: dict[tuple[str, str], Access] = {}
    for does, what, place in _all(config, kinds):
        key = ".".join(str(part) for part in place if isinstance(part, str))
        one = Access(does, what, key, document.file, document.line(place))
        found.setdefault((does, what), one)
    order = (READS, WRITES, CONNECTS, LISTENS)
    return sorted(found.values(), key=lambda one: (order.index(one.does), one.line))


def evidence_accesses(rows: Iterable[FactRow]) -> list[Access]:
    """The files that facts rest on, which the journal keeps."""
    return [
        Access(
            READS, str(one.path), f"{row.fact.table}.evidence", row.file, row.line_of("evidence")
        )
        for row in rows
        for one in evidence_files([row])
    ]


def unencrypted(document: Document, config: Configuration) -> list[ConfigError]:
    """Secrets of brokers and of the sign of life that others on the way could read."""
    found = []
    for name, broker in config.brokers.items():
        if broker.password is not None and not broker.tls and not is_loopback(broker.host):
            came = f"the password goes unencrypted to {broker.host}"
            right = "tls = true and the port of the broker for it, such as 8883"
            found.append(_doubt(document, ("broker", name, "host"), came, right))
    url = config.alerts.heartbeat_url
    host = secret_host(url) if isinstance(url, Secret) else ""
    if host and not is_loopback(host):
        came = f"the secret address goes unencrypted to {host}"
        found.append(_doubt(document, ("alerts", "heartbeat_url"), came, "an address of https"))
    return found


def _doubt(document: Document, place: Place, came: str, right: str) -> ConfigError:
    key = ".".join(str(part) for part in place if isinstance(part, str))
    return ConfigError(document.file, document.line(place), key, came, right)


def _all(config: Configuration, kinds: Mapping[Place, BaseModel]) -> _Found:
    yield WRITES, str(config.storage.folder), ("storage", "folder")
    if config.facts.inbox is not None:
        yield READS, str(config.facts.inbox / "*.toml"), ("facts", "inbox")
    yield LISTENS, config.web.listen, ("web", "listen")
    for name, bus in config.buses.items():
        yield from _bus(("bus", name), bus)
    for name, supply in config.supplies.items():
        yield WRITES, str(supply.file), ("supply", name, "file")
    for name, broker in config.brokers.items():
        yield from _broker(("broker", name), broker)
    for number, source in enumerate(config.sources):
        if isinstance(source, FileSource):
            yield READS, str(source.file), ("source", number, "file")
        elif isinstance(source, LorawanSource) and source.codec_file is not None:
            yield READS, str(source.codec_file), ("source", number, "codec_file")
    yield from _named(("alerts",), config.alerts)
    yield from _address(("alerts", "heartbeat_url"), config.alerts.heartbeat_url)
    for place, settings in kinds.items():
        yield from _named(place, settings)
        yield from _kind(place, settings)


def _bus(place: Place, bus: Bus) -> _Found:
    if bus.port.startswith("tcp://"):
        yield CONNECTS, bus.port.removeprefix("tcp://"), (*place, "port")
    else:
        yield READS if bus.kind == "w1" else WRITES, bus.port, (*place, "port")
    if bus.multiplexer is not None:
        yield WRITES, str(bus.multiplexer.file), (*place, "multiplexer", "file")


def _broker(place: Place, broker: Broker) -> _Found:
    yield CONNECTS, f"{broker.host}:{broker.port}", (*place, "host")
    yield from _named(place, broker)


def _named(place: Place, table: BaseModel) -> _Found:
    """Its secrets, and its files: keys that end in _file."""
    for inside, value in named_values(place, table):
        if isinstance(value, Secret):
            yield READS, value.variable if value.env else str(value.file), inside
        elif isinstance(value, Path) and str(inside[-1]).endswith("_file"):
            yield READS, str(value), inside


def _address(place: Place, url: Any) -> _Found:
    if isinstance(url, Secret):
        where = url.variable if url.env else str(url.file)
        yield CONNECTS, f"the address in {where}", place
    elif url:
        parts = urlsplit(str(url))
        port = parts.port or (443 if parts.scheme == "https" else 80)
        yield CONNECTS, f"{parts.hostname}:{port}", place


def _kind(place: Place, settings: BaseModel) -> _Found:
    """What the settings of a kind say that they reach: a path is written, all else connected to."""
    reaches: Iterable[tuple[str, Any]] = getattr(settings, "reaches", ())
    for key, value in reaches:
        if isinstance(value, Path):
            yield WRITES, str(value), (*place, key)
        elif isinstance(value, Secret) or "://" in str(value):
            yield from _address((*place, key), value)
        else:
            yield CONNECTS, str(value), (*place, key)
