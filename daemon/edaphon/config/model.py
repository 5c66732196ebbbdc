"""The tables of edaphon.toml as frozen types; the description of a key says what it means."""

import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from datetime import time
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, Self

from pydantic import BaseModel, BeforeValidator, Field, field_validator, model_validator

from edaphon.config.sources import (
    Broker,
    Bus,
    Source,
    SupplyTable,
    missing_part,
    outputs_of,
    sheet_of,
)
from edaphon.toml_input.values import (
    AbsolutePath,
    Duration,
    Id,
    Secret,
    SecretOrText,
    Table,
    http_place,
    wrong,
)
from edaphon_drivers.sheets import Output, Sheet, Sheets, parse_sheet

_NOTIFY_KEYS = ("name", "kind", "classes", "hours", "after", "language")
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)", re.ASCII)
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_BAD_TOPIC = re.compile(r"[+#\x00]")

Class = Literal["lost", "will be lost", "doubtful", "late"]


def _hours(value: object) -> tuple[time, time]:
    """`"07:00-20:00"`; the end of the day may be written 24:00."""
    if isinstance(value, tuple):
        return value
    found = _HOURS.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise wrong('hours of the day in quotes, such as "07:00-20:00"')
    start = time(int(found[1]), int(found[2]))
    end = time(int(found[3] or 0), int(found[4] or 0))
    if start == end:
        raise wrong('two times that differ, such as "07:00-20:00"; without hours it is all day')
    return start, end


def _clock(value: object) -> time:
    if isinstance(value, time):
        return value
    found = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise wrong('a time of the day in quotes, such as "07:00"')
    return time(int(found[1]), int(found[2]))


class Notify(Table):
    """Who is sent messages; `settings` are checked by the module edaphon.alerts.receivers.KIND."""

    name: Id = Field(description="name of this receiver", examples=["technician"])
    kind: Id = Field(
        description="way of sending: a module of edaphon.alerts.receivers", examples=["email"]
    )
    classes: tuple[Class, ...] = Field(
        default=("lost", "will be lost", "late"),
        min_length=1,
        description="what it is sent",
        examples=['["lost", "will be lost"]'],
    )
    hours: Annotated[tuple[time, time], BeforeValidator(_hours)] | None = Field(
        default=None,
        description="site time in which it is sent; what is being lost goes out at any hour",
        examples=["07:00-20:00"],
    )
    after_ns: Duration | None = Field(
        default=None,
        alias="after",
        description="only what nobody has acknowledged for so long",
        examples=["24h"],
    )
    language: Literal["en", "de"] = Field(
        default="en", description="language of its messages", examples=["de"]
    )
    settings: Mapping[str, Any] = Field(default={}, description="the keys of its kind")

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, row: Any) -> Any:
        if not isinstance(row, dict):
            return row
        own = {key: row[key] for key in _NOTIFY_KEYS if key in row}
        return {**own, "settings": {k: v for k, v in row.items() if k not in own}}


class Alerts(Table):
    page_url: str = Field(
        default="",
        description="address of the page as people reach it, for links in messages",
        examples=["https://logger.example.org"],
    )
    heartbeat_url: SecretOrText | None = Field(
        default=None,
        description="address outside the plot that is asked for as long as the alerts work",
        examples=['{ file = "/etc/edaphon/secrets/heartbeat" }'],
    )
    heartbeat_broker: Id | None = Field(
        default=None, description="broker for the same as a retained message", examples=["ttn"]
    )
    heartbeat_topic: str | None = Field(
        default=None,
        min_length=1,
        max_length=65535,
        description="topic of that message",
        examples=["edaphon/whs-logger-1/alive"],
    )
    heartbeat_every_ns: Duration = Field(
        default=300_000_000_000,
        alias="heartbeat_every",
        description="time between two of them",
        examples=["5min"],
    )
    weekly: bool = Field(
        default=True, description='a weekly "all is well", so that its absence shows'
    )
    weekly_day: Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"] = Field(
        default="mon", description="day of it"
    )
    weekly_time: Annotated[time, BeforeValidator(_clock)] = Field(
        default=time(7), description="site time of it", examples=["07:00"]
    )

    @field_validator("page_url")
    @classmethod
    def _page(cls, url: str) -> str:
        return http_place(url) if url else url

    @field_validator("heartbeat_url")
    @classmethod
    def _heartbeat(cls, url: Any) -> Any:
        return http_place(url) if isinstance(url, str) else url

    @field_validator("heartbeat_topic")
    @classmethod
    def _topic(cls, topic: str | None) -> str | None:
        if topic and _BAD_TOPIC.search(topic):
            raise wrong("a topic without + and #")
        return topic

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.heartbeat_broker is None) != (self.heartbeat_topic is None):
            raise wrong("heartbeat_broker and heartbeat_topic together, or none of them")
        return self


class Logger(Table):
    id: Id = Field(
        description="name of this box; a new box gets a new one", examples=["whs-logger-1"]
    )


class SiteTable(Table):
    id: Id = Field(description="name of the place, kept for decades", examples=["whs"])
    name: str = Field(default="", description="name for people", examples=["White Hall, spruce"])
    latitude: float | None = Field(
        default=None, ge=-90, le=90, description="degrees north, WGS 84", examples=[51.0792]
    )
    longitude: float | None = Field(
        default=None, ge=-180, le=180, description="degrees east, WGS 84", examples=[10.453]
    )
    elevation_m: float | None = Field(
        default=None, ge=-500, le=9000, description="metres above sea level", examples=[440]
    )
    utc_offset: str = Field(
        default="+00:00",
        description="fixed offset of the site's days, no summer time",
        examples=["+01:00"],
    )

    @field_validator("utc_offset")
    @classmethod
    def _offset(cls, text: str) -> str:
        found = re.fullmatch(r"[+-](\d\d):([0-5]\d)", text, re.ASCII)
        if not found or int(found[1]) > 14:
            raise wrong('sign, hours and minutes in quotes, such as "-07:00"')
        return text

    @property
    def utc_offset_s(self) -> int:
        hours, minutes = self.utc_offset[1:].split(":")
        seconds = int(hours) * 3600 + int(minutes) * 60
        return -seconds if self.utc_offset[0] == "-" else seconds


class StorageTable(Table):
    folder: AbsolutePath = Field(
        description="journal, series and state live here", examples=["/var/lib/edaphon"]
    )


class Facts(Table):
    inbox: AbsolutePath | None = Field(
        default=None,
        description="folder whose *.toml files hold facts",
        examples=["/etc/edaphon/facts"],
    )


class Budget(Table):
    source_mb_per_day: int = Field(
        default=500,
        ge=1,
        le=1_000_000,
        description="most that is kept of each source in a day, besides what waited [MB]",
        examples=[500],
    )
    unknown_mb_per_day: int = Field(
        default=64,
        ge=0,
        le=1_000_000,
        description="most that is kept in a day of messages of no source, for each broker [MB]",
        examples=[64],
    )


class ClockTrust(Table):
    trust: Literal["system", "ntp"] = Field(
        default="ntp",
        description='"ntp" waits until the kernel calls it synchronised, "system" trusts at once',
        examples=["ntp"],
    )


class Web(Table):
    listen: str = Field(
        default="127.0.0.1:8040",
        description="address and port of the page, loopback only",
        examples=["127.0.0.1:8040"],
    )

    @field_validator("listen")
    @classmethod
    def _loopback(cls, text: str) -> str:
        found = re.fullmatch(r"(127(?:\.\d{1,3}){3}|localhost|\[::1\]):(\d{1,5})", text, re.ASCII)
        if not found or not 1 <= int(found[2]) <= 65535:
            raise wrong(
                'a loopback address and port, such as "127.0.0.1:8040": the page has no log-in yet'
            )
        return text

    @property
    def host(self) -> str:
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])


class OwnModel(Table):
    """A model sheet of the owner, with the tables that the sheets of this package have."""

    title: str = Field(description="maker, type and what it measures", examples=["ACME C1: CO2"])
    engine: str = Field(description="protocol it speaks", examples=["ascii"])
    checked: str = Field(
        default="unverified", description="by what the facts were checked", examples=["unverified"]
    )
    source: str = Field(
        default="", description="manual and section of the facts", examples=["manual 1.2, page 7"]
    )
    warm_up_s: float = Field(
        default=0,
        ge=0,
        description="time after power-up before its numbers count [s]",
        examples=[30],
    )
    supply_least_v: float = Field(
        default=0,
        ge=0,
        description="lowest supply at the instrument that its manual allows [V]",
        examples=[4.0],
    )
    wires: Mapping[str, str] = Field(
        default={},
        description="colours of its cable: `supply`, `data`, `ground`",
        examples=['{ supply = "brown", data = "orange" }'],
    )
    command: tuple[Mapping[str, Any], ...] = Field(
        default=(),
        description="SDI-12: command and outputs in order",
        examples=["[[model.x.command]]"],
    )
    frame: Mapping[str, Any] = Field(
        default={}, description="the protocol's own table", examples=["[model.x.frame]"]
    )
    output: tuple[Mapping[str, Any], ...] = Field(
        min_length=1, description="one table for each number", examples=["[[model.x.output]]"]
    )

    def sheet(self, name: str) -> Sheet:
        """Raises TypeError, KeyError or ValueError for a wrong table inside."""
        return parse_sheet(name, self.model_dump())


class SinkTable(Table):
    """Where values go; `settings` are checked by the module edaphon.sinks.KIND."""

    name: Id = Field(description="name of this sink", examples=["influx"])
    kind: Id = Field(description="kind of server: a module of edaphon.sinks", examples=["influxdb"])
    settings: Mapping[str, Any] = Field(default={}, description="all further keys of the table")

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, row: Any) -> Any:
        if not isinstance(row, dict):
            return row
        own = {key: row[key] for key in ("name", "kind") if key in row}
        return {**own, "settings": {k: v for k, v in row.items() if k not in own}}


class Configuration(Table):
    """The whole of edaphon.toml, its fact tables apart."""

    logger: Logger = Field(description="the box")
    site: SiteTable = Field(description="the place")
    storage: StorageTable = Field(description="where things are kept")
    facts: Facts = Field(default=Facts(), description="where facts come from")
    budget: Budget = Field(
        default=Budget(), description="how much may come; what is above it is only counted"
    )
    clock: ClockTrust = Field(default=ClockTrust(), description="when the clock is believed")
    web: Web = Field(default=Web(), description="the page")
    buses: Mapping[Id, Bus] = Field(default={}, alias="bus", description="serial lines, by name")
    supplies: Mapping[Id, SupplyTable] = Field(
        default={}, alias="supply", description="switched supplies, by name"
    )
    models: Mapping[str, OwnModel] = Field(
        default={}, alias="model", description="model sheets of your own, by name"
    )
    brokers: Mapping[Id, Broker] = Field(
        default={}, alias="broker", description="MQTT brokers, by name"
    )
    sources: tuple[Source, ...] = Field(
        default=(), alias="source", description="instruments and senders"
    )
    sinks: tuple[SinkTable, ...] = Field(default=(), alias="sink", description="where values go")
    alerts: Alerts = Field(default=Alerts(), description="what watches the alerts themselves")
    notify: tuple[Notify, ...] = Field(default=(), description="who is sent messages")

    @cached_property
    def sheets(self) -> Sheets:
        """The model sheets that this configuration can name."""
        return Sheets({name: own.sheet(name) for name, own in self.models.items()})

    def sheet(self, source: Source) -> Sheet:
        """The model sheet of a source that has one; raises LookupError.

        Of one whose package is missing it is an empty one.
        """
        if source.model is not None and source.model not in self.sheets:
            return Sheet(source.model, "", "", "", "", {})
        found = sheet_of(source, self.sheets)
        if found is None:
            raise LookupError(f"expected a source with a model, got {source.path}")
        return found

    def outputs(self) -> dict[str, Mapping[str, Output]]:
        """Source path -> its outputs by name."""
        known = (s for s in self.sources if s.model is None or s.model in self.sheets)
        return {s.path: outputs_of(s, self.sheets, self.envelope(s)) for s in known}

    def missing(self) -> dict[str, str]:
        """By path, the part that a source needs and no installed package gives."""
        found = {s.path: missing_part(s, self.sheets, self.envelope(s)) for s in self.sources}
        return {path: part for path, part in found.items() if part}

    def without(self, paths: Collection[str], sinks: Collection[str] = ()) -> "Configuration":
        """All but these sources and sinks."""
        if not paths and not sinks:
            return self
        sources = tuple(source for source in self.sources if source.path not in paths)
        left = tuple(sink for sink in self.sinks if sink.name not in sinks)
        return self.model_copy(update={"sources": sources, "sinks": left})

    def envelope(self, source: Source) -> str:
        """How the messages of a source are wrapped."""
        broker = self.brokers.get(getattr(source, "broker", ""))
        return broker.envelope if broker is not None else "json"


class HoldsSecrets(Protocol):
    """A configuration, or the parts of one: the tables in which secrets stand."""

    @property
    def brokers(self) -> Mapping[str, Any]: ...
    @property
    def sinks(self) -> Any: ...
    @property
    def notify(self) -> Any: ...
    @property
    def alerts(self) -> Any: ...


def secret_files(config: HoldsSecrets) -> frozenset[Path]:
    """Those of brokers, sinks, receivers and the sign of life."""
    tables = (config.brokers, config.sinks, config.notify, config.alerts)
    return frozenset(path for table in tables for path in _named(table))


def is_secret(path: Path, secrets: frozenset[Path]) -> bool:
    """Whether a path leads to one of these files, by whatever name."""
    if path in secrets:
        return True
    with suppress(OSError):
        return is_secret_file(os.stat(path), secrets)
    return False


def is_secret_file(found: os.stat_result, secrets: frozenset[Path]) -> bool:
    """Whether what was found is one of these files now, a hard link to it included."""
    for secret in secrets:
        with suppress(OSError):
            if os.path.samestat(found, os.stat(secret)):
                return True
    return False


def _named(value: Any) -> Iterator[Path]:
    if isinstance(value, Secret):
        if value.file is not None:
            yield value.file
    elif isinstance(value, BaseModel):
        for _, inner in value:
            yield from _named(inner)
    elif isinstance(value, Mapping):
        if value.keys() == {"file"} and isinstance(value["file"], str):  # of a kind's own table
            yield Path(value["file"])
        for inner in value.values():
            yield from _named(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _named(inner)
