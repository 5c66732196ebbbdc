"""The tables of edaphon.toml as frozen types; what each key means stands in its description."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from edaphon.written.values import AbsolutePath, Duration, Id, Secret, Table, wrong
from edaphon_drivers import json_message
from edaphon_drivers.json_message import TimeFormat
from edaphon_drivers.sheets import Output, load_sheet

__all__ = [
    "Broker",
    "Bus",
    "ClockTrust",
    "Configuration",
    "Facts",
    "JsonField",
    "JsonSource",
    "JsonTime",
    "Logger",
    "LorawanSource",
    "ScheduledSource",
    "Sink",
    "Site",
    "Source",
    "Storage",
    "Web",
]

DAY_NS = 86400 * 10**9


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
        found = re.fullmatch(r"[+-](\d\d):([0-5]\d)", text)
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
        found = re.fullmatch(r"(127(?:\.\d{1,3}){3}|localhost|\[::1\]):(\d{1,5})", text)
        if not found or int(found[2]) > 65535:
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


class Bus(Table):
    kind: Literal["sdi12"] = Field(
        description="the protocol spoken on the line", examples=["sdi12"]
    )
    port: str = Field(
        min_length=1,
        description="serial port by its identity, or tcp://host:port",
        examples=["/dev/serial/by-id/usb-FTDI_FT232R_A10K2XYZ-if00-port0"],
    )
    baud: int = Field(
        default=9600,
        ge=300,
        le=921600,
        description="speed between computer and adapter [bit/s]",
        examples=[9600],
    )
    rts: bool | None = Field(
        default=None,
        description="level of RTS when the port opens; left alone if not given",
        examples=[True],
    )
    dtr: bool | None = Field(
        default=None,
        description="level of DTR when the port opens; left alone if not given",
        examples=[False],
    )
    answer_s: float = Field(
        default=1.0, gt=0, le=60, description="wait for the begin of an answer [s]", examples=[1.0]
    )

    @field_validator("port")
    @classmethod
    def _port(cls, text: str) -> str:
        if not re.fullmatch(r"/\S+|tcp://[^\s:/]+:\d{1,5}", text):
            raise wrong('"/dev/serial/by-id/..." or "tcp://host:port"')
        return text


class Broker(Table):
    host: str = Field(
        min_length=1,
        description="name or address of the MQTT broker",
        examples=["eu1.cloud.thethings.network"],
    )
    port: int = Field(
        default=1883, ge=1, le=65535, description="8883 is usual with TLS", examples=[8883]
    )
    tls: bool = Field(
        default=False, description="encrypt, and check the broker's certificate", examples=[True]
    )
    ca_file: AbsolutePath | None = Field(
        default=None,
        description="certificate authority of a private broker, PEM",
        examples=["/etc/edaphon/ca.pem"],
    )
    username: str | None = Field(
        default=None, description="MQTT user name", examples=["soil-plots@ttn"]
    )
    password: Secret | None = Field(
        default=None,
        description="MQTT password, never in this file",
        examples=['{ env = "EDAPHON_TTN_KEY" }'],
    )
    client_id: Id | None = Field(
        default=None,
        description="MQTT client identifier; made of the logger's id if not given",
        examples=["whs-logger-1"],
    )
    topics: tuple[Annotated[str, Field(min_length=1, max_length=65535)], ...] = Field(
        min_length=1,
        description="topic filters to subscribe to",
        examples=['["v3/+/devices/+/up"]'],
    )
    envelope: Literal["tts-v3", "chirpstack-v4", "json"] = Field(
        default="json",
        description="how the network server wraps a device's bytes; json for plain messages",
        examples=["tts-v3"],
    )


class ScheduledSource(Table):
    bus: str = Field(description="name of a [bus.NAME]", examples=["sdi12"])
    address: str = Field(
        pattern=r"^[0-9A-Za-z]$",
        description="SDI-12 address, one character in quotes",
        examples=["a"],
    )
    model: str = Field(description="name of a model sheet", examples=["meter.teros12"])
    interval_ns: Duration = Field(
        alias="interval", description="time between two slots; divides a day", examples=["10min"]
    )
    concurrent: bool = Field(
        default=False,
        description="measure with C (several probes at once) instead of M",
        examples=[False],
    )
    crc: bool = Field(
        default=False, description="ask for a checksum in the answer", examples=[False]
    )

    @field_validator("interval_ns")
    @classmethod
    def _grid(cls, ns: int) -> int:
        if ns < 10**9 or DAY_NS % ns:
            raise wrong('from "1s" to "1d", a whole number of times in a day, such as "10min"')
        return ns

    @property
    def path(self) -> str:
        return f"{self.bus}/{self.address}"

    @property
    def outputs(self) -> Mapping[str, Output]:
        return load_sheet(self.model).outputs


class LorawanSource(Table):
    broker: str = Field(
        description="name of a [broker.NAME] whose envelope is a network server's", examples=["ttn"]
    )
    dev_eui: str = Field(
        description="the device's EUI, 16 hexadecimal digits in quotes",
        examples=["A84041B2C1D5E6F7"],
    )
    model: str = Field(description="name of a model sheet", examples=["dragino.lse01-1.1.4"])
    expect_ns: Duration | None = Field(
        default=None,
        alias="expect",
        description="usual time between two messages; silence is told after several",
        examples=["20min"],
    )

    @field_validator("dev_eui")
    @classmethod
    def _eui(cls, text: str) -> str:
        plain = re.sub(r"[:\- ]", "", text).lower()
        if not re.fullmatch(r"[0-9a-f]{16}", plain):
            raise wrong('16 hexadecimal digits in quotes, such as "A84041B2C1D5E6F7"')
        return plain

    @property
    def path(self) -> str:
        return f"{self.broker}/{self.dev_eui}"

    @property
    def outputs(self) -> Mapping[str, Output]:
        return load_sheet(self.model).outputs


_TIME_FORMATS = {
    "epoch_s": TimeFormat.S,
    "epoch_ms": TimeFormat.MS,
    "epoch_ns": TimeFormat.NS,
    "rfc3339": TimeFormat.RFC3339,
}


class JsonTime(Table):
    path: str = Field(
        min_length=1,
        description="where the sender's time stands, keys and list positions joined by dots",
        examples=["t"],
    )
    format: Literal["epoch_s", "epoch_ms", "epoch_ns", "rfc3339"] = Field(
        description="how the time is written", examples=["epoch_s"]
    )


class JsonField(Table):
    name: Id = Field(description="name of the output", examples=["vwc"])
    path: str = Field(
        min_length=1,
        description="where the number stands, keys and list positions joined by dots",
        examples=["soil.vwc"],
    )
    quantity: str = Field(
        description="what is measured, a name of the nomenclature",
        examples=["volumetric_water_content"],
    )
    unit: str = Field(description="the unit as sent", examples=["m3/m3"])
    unit_path: str = Field(
        default="",
        description="where the message itself says the unit, if it does",
        examples=["soil.unit"],
    )
    failure: tuple[float, ...] = Field(
        default=(), description="numbers that stand for a failure", examples=[[-127, 85]]
    )


class JsonSource(Table):
    broker: str = Field(
        description='name of a [broker.NAME] with envelope = "json"', examples=["local"]
    )
    topic: str = Field(
        min_length=1,
        description="the topic of this sender, without wildcards",
        examples=["plot/node1"],
    )
    time: JsonTime | None = Field(
        default=None,
        description="the sender's own time, if it sends one",
        examples=['{ path = "t", format = "epoch_s" }'],
    )
    expect_ns: Duration | None = Field(
        default=None,
        alias="expect",
        description="usual time between two messages",
        examples=["20min"],
    )
    field: tuple[JsonField, ...] = Field(
        min_length=1,
        description="the numbers in the message, one table each",
        examples=["[[source.field]]"],
    )

    @field_validator("topic")
    @classmethod
    def _no_wildcard(cls, text: str) -> str:
        if "+" in text or "#" in text:
            raise wrong("one sender's topic without + and #; the broker's topics may hold them")
        return text

    @property
    def path(self) -> str:
        return f"{self.broker}/{self.topic}"

    @property
    def outputs(self) -> Mapping[str, Output]:
        return {f.name: Output(f.name, f.quantity, f.unit) for f in self.field}

    def json_fields(self) -> json_message.JsonFields:
        """What the decoder is told."""
        fields = tuple(
            json_message.JsonField(f.name, f.path, f.quantity, f.unit, f.unit_path, f.failure)
            for f in self.field
        )
        if self.time is None:
            return json_message.JsonFields(fields)
        form = _TIME_FORMATS[self.time.format]
        return json_message.JsonFields(fields, json_message.JsonTime(self.time.path, form))


def _kind_of_source(row: Any) -> str:
    keys = row if isinstance(row, Mapping) else vars(row)
    if "dev_eui" in keys:
        return "lorawan"
    return "json" if keys.keys() & {"topic", "field"} else "scheduled"


Source = Annotated[
    Annotated[ScheduledSource, Tag("scheduled")]
    | Annotated[LorawanSource, Tag("lorawan")]
    | Annotated[JsonSource, Tag("json")],
    Discriminator(_kind_of_source),
]


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
    clock: ClockTrust = Field(default=ClockTrust(), description="when the clock is believed")
    web: Web = Field(default=Web(), description="the page")
    buses: Mapping[Id, Bus] = Field(default={}, alias="bus", description="serial lines, by name")
    brokers: Mapping[Id, Broker] = Field(
        default={}, alias="broker", description="MQTT brokers, by name"
    )
    sources: tuple[Source, ...] = Field(
        default=(), alias="source", description="instruments and senders"
    )
    sinks: tuple[Sink, ...] = Field(default=(), alias="sink", description="where values go")

    def outputs(self) -> dict[str, Mapping[str, Output]]:
        """Source path -> its outputs by name."""
        return {source.path: source.outputs for source in self.sources}
