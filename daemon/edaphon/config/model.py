"""The tables of edaphon.toml as frozen types; keys.toml says what each key means."""

import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from datetime import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

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

if TYPE_CHECKING:
    from edaphon.config.rules import Parts

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


class _OfKind(Table):
    """A table whose further keys are the settings of its kind."""

    settings: Mapping[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, row: Any) -> Any:
        if not isinstance(row, dict):
            return row
        names = {info.alias or name for name, info in cls.model_fields.items()} - {"settings"}
        own = {key: row[key] for key in row if key in names}
        return {**own, "settings": {k: v for k, v in row.items() if k not in own}}


class Notify(_OfKind):
    """Who is sent messages; `settings` are checked by the module edaphon.alerts.receivers.KIND."""

    name: Id
    kind: Id
    classes: tuple[Class, ...] = Field(default=("lost", "will be lost", "late"), min_length=1)
    hours: Annotated[tuple[time, time], BeforeValidator(_hours)] | None = None
    after_ns: Duration | None = Field(default=None, alias="after")
    language: Literal["en", "de"] = "en"


class Alerts(Table):
    page_url: str = ""
    heartbeat_url: SecretOrText | None = None
    heartbeat_broker: Id | None = None
    heartbeat_topic: str | None = Field(default=None, min_length=1, max_length=65535)
    heartbeat_every_ns: Duration = Field(default=300_000_000_000, alias="heartbeat_every")
    weekly: bool = True
    weekly_day: Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"] = "mon"
    weekly_time: Annotated[time, BeforeValidator(_clock)] = time(7)

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
    id: Id


class SiteTable(Table):
    id: Id
    name: str = ""
    latitude: float | None = Field(default=None, ge=-90, le=90)
    longitude: float | None = Field(default=None, ge=-180, le=180)
    elevation_m: float | None = Field(default=None, ge=-500, le=9000)
    utc_offset: str = "+00:00"

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
    folder: AbsolutePath


class Facts(Table):
    inbox: AbsolutePath | None = None


class Budget(Table):
    source_mb_per_day: int = Field(default=500, ge=1, le=1_000_000)
    unknown_mb_per_day: int = Field(default=64, ge=0, le=1_000_000)


class ClockTrust(Table):
    trust: Literal["system", "ntp"] = "ntp"


class Web(Table):
    listen: str = "127.0.0.1:8040"

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

    title: str
    engine: str
    checked: str = "unverified"
    source: str = ""
    warm_up_s: float = Field(default=0, ge=0)
    supply_least_v: float = Field(default=0, ge=0)
    wires: Mapping[str, str] = {}
    command: tuple[Mapping[str, Any], ...] = ()
    frame: Mapping[str, Any] = {}
    output: tuple[Mapping[str, Any], ...] = Field(min_length=1)

    def sheet(self, name: str) -> Sheet:
        """Raises TypeError, KeyError or ValueError for a wrong table inside."""
        return parse_sheet(name, self.model_dump())


class SinkTable(_OfKind):
    """Where values go; `settings` are checked by the module edaphon.sinks.KIND."""

    name: Id
    kind: Id


class Configuration(Table):
    """The whole of edaphon.toml, its fact tables apart."""

    logger: Logger
    site: SiteTable
    storage: StorageTable
    facts: Facts = Facts()
    budget: Budget = Budget()
    clock: ClockTrust = ClockTrust()
    web: Web = Web()
    buses: Mapping[Id, Bus] = Field(default={}, alias="bus")
    supplies: Mapping[Id, SupplyTable] = Field(default={}, alias="supply")
    models: Mapping[str, OwnModel] = Field(default={}, alias="model")
    brokers: Mapping[Id, Broker] = Field(default={}, alias="broker")
    sources: tuple[Source, ...] = Field(default=(), alias="source")
    sinks: tuple[SinkTable, ...] = Field(default=(), alias="sink")
    alerts: Alerts = Alerts()
    notify: tuple[Notify, ...] = ()

    @cached_property
    def sheets(self) -> Sheets:
        """The model sheets that this configuration can name."""
        return Sheets({name: own.sheet(name) for name, own in self.models.items()})

    def sheet(self, source: Source) -> Sheet:
        """The sheet of a source, empty where its package is missing; raises LookupError."""
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


def secret_files(config: "Configuration | Parts") -> frozenset[Path]:
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
