"""The tables of edaphon.toml as frozen types; what each key means stands in its description."""

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from edaphon.config.lines import Broker, Bus, Supply
from edaphon.config.notify import Alerts, Notify
from edaphon.config.sources import Source, outputs_of, sheet_of
from edaphon.toml_input.values import AbsolutePath, Id, Table, wrong
from edaphon_drivers.sheets import Output, Sheet, Sheets, parse_sheet

__all__ = [
    "Budget",
    "ClockTrust",
    "Configuration",
    "Facts",
    "Logger",
    "OwnModel",
    "Sink",
    "Site",
    "Storage",
    "Web",
]


class Logger(Table):
    id: Id = Field(
        description="name of this box; a new box gets a new one", examples=["whs-logger-1"]
    )


class Site(Table):
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


class Storage(Table):
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


class Sink(Table):
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
    site: Site = Field(description="the place")
    storage: Storage = Field(description="where things are kept")
    facts: Facts = Field(default=Facts(), description="where facts come from")
    budget: Budget = Field(
        default=Budget(), description="how much may come; what is above it is only counted"
    )
    clock: ClockTrust = Field(default=ClockTrust(), description="when the clock is believed")
    web: Web = Field(default=Web(), description="the page")
    buses: Mapping[Id, Bus] = Field(default={}, alias="bus", description="serial lines, by name")
    supplies: Mapping[Id, Supply] = Field(
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
    sinks: tuple[Sink, ...] = Field(default=(), alias="sink", description="where values go")
    alerts: Alerts = Field(default=Alerts(), description="what watches the alerts themselves")
    notify: tuple[Notify, ...] = Field(default=(), description="who is sent messages")

    @cached_property
    def sheets(self) -> Sheets:
        """The model sheets that this configuration can name."""
        return Sheets({name: own.sheet(name) for name, own in self.models.items()})

    def sheet(self, source: Source) -> Sheet:
        """The model sheet of a source that has one; raises LookupError."""
        found = sheet_of(source, self.sheets)
        if found is None:
            raise LookupError(f"expected a source with a model, got {source.path}")
        return found

    def outputs(self) -> dict[str, Mapping[str, Output]]:
        """Source path -> its outputs by name."""
        return {source.path: outputs_of(source, self.sheets) for source in self.sources}
