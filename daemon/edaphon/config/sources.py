"""The tables of [[source]]: polled, pushed, and followed files; of buses and brokers."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

import orjson
from pydantic import Discriminator, Field, Tag, ValidationInfo, field_validator, model_validator

from edaphon.clock import DAY_NS
from edaphon.toml_input.values import AbsolutePath, Duration, Id, Secret, Table, wrong
from edaphon_drivers import json_message
from edaphon_drivers.json_message import TimeFormat
from edaphon_drivers.registry import CODECS, ENGINES, ENVELOPES, completed
from edaphon_drivers.sheets import Output, Sheet, Sheets, sheet_package

OwnSettings = Annotated[
    Mapping[str, Any],
    Field(
        description="what the model sheet leaves to the owner, such as the zone of its times",
        examples=['{ utc_offset = "+01:00" }'],
    ),
]
Expected = Annotated[
    Duration | None,
    Field(
        alias="expect",
        description="usual time between two messages or records; silence is reported after several",
        examples=["20min"],
    ),
]
FILES = "file"  # first part of the paths of followed files


class ScheduledSource(Table):
    bus: Id = Field(description="name of a [bus.NAME]", examples=["sdi12"])
    address: str = Field(
        default="0",
        pattern=r"^[0-9A-Za-z][0-9A-Za-z._-]{0,31}$",
        description="address of the instrument on the line, in quotes; any if it has none",
        examples=["a"],
    )
    model: str = Field(description="name of a model sheet", examples=["meter.teros12"])
    interval_ns: Duration = Field(
        alias="interval", description="time between two slots; divides a day", examples=["10min"]
    )
    branch: Id | None = Field(
        default=None,
        description="port of the line's multiplexer behind which the instrument hangs",
        examples=["north"],
    )
    supply: Id | None = Field(
        default=None,
        description="name of a [supply.NAME] that is switched on for each measurement",
        examples=["relay1"],
    )
    concurrent: bool = Field(
        default=False,
        description="SDI-12: measure with C (several probes at once) instead of M",
        examples=[False],
    )
    crc: bool = Field(
        default=False, description="SDI-12: ask for a checksum in the answer", examples=[False]
    )
    settings: OwnSettings = {}

    @field_validator("interval_ns")
    @classmethod
    def _grid(cls, ns: int) -> int:
        if ns < 10**9 or DAY_NS % ns:
            raise wrong('from "1s" to "1d", a whole number of times in a day, such as "10min"')
        return ns

    @property
    def path(self) -> str:
        """Bus and address, with the branch and the supply where they are needed to reach it."""
        branch = f"@{self.branch}" if self.branch else ""
        supply = f"+{self.supply}" if self.supply else ""
        return f"{self.bus}/{self.address}{branch}{supply}"


class HeardSource(Table):
    bus: Id = Field(description='name of a [bus.NAME] with kind = "stream"', examples=["gas"])
    model: str = Field(description="name of a model sheet", examples=["licor.li-850"])
    expect_ns: Duration = Field(
        alias="expect",
        description="usual time between two records; silence is reported after several",
        examples=["1s"],
    )
    settings: OwnSettings = {}

    @property
    def path(self) -> str:
        return f"{self.bus}/0"


class FileSource(Table):
    name: Id = Field(description="name of this source, kept for its life", examples=["chamber1"])
    file: AbsolutePath = Field(
        description="the file that a logger or program writes; * and ? stand for several",
        examples=["/data/li8100/*.81x"],
    )
    model: str = Field(description="name of a model sheet", examples=["licor.li-8100a"])
    expect_ns: Expected = None
    settings: OwnSettings = {}

    @property
    def path(self) -> str:
        return f"{FILES}/{self.name}"


_TIME_FORMATS = {
    "epoch_s": TimeFormat.S,
    "epoch_ms": TimeFormat.MS,
    "epoch_ns": TimeFormat.NS,
    "rfc3339": TimeFormat.RFC3339,
}


class JsonTime(Table):
    path: str = Field(
        min_length=1,
        description="place of the sender's time, keys and list positions joined by dots",
        examples=["t"],
    )
    format: Literal["epoch_s", "epoch_ms", "epoch_ns", "rfc3339"] = Field(
        description="how the time is written", examples=["epoch_s"]
    )


class JsonField(Table):
    name: Id = Field(description="name of the output", examples=["vwc"])
    path: str = Field(
        min_length=1,
        description="place of the number, keys and list positions joined by dots",
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


class LorawanSource(Table):
    broker: Id = Field(
        description="name of a [broker.NAME] whose envelope is a network server's", examples=["ttn"]
    )
    dev_eui: str = Field(
        description="the device's EUI, 16 hexadecimal digits in quotes",
        examples=["A84041B2C1D5E6F7"],
    )
    model: str | None = Field(
        default=None, description="name of a model sheet", examples=["dragino.lse01-1.1.4"]
    )
    codec_file: AbsolutePath | None = Field(
        default=None,
        description="instead of a model: the maker's JavaScript codec, run in a sandbox",
        examples=["/etc/edaphon/codecs/maker.js"],
    )
    field: tuple[JsonField, ...] = Field(
        default=(),
        description="with a codec_file: the numbers in what it returns, one table each",
        examples=["[[source.field]]"],
    )
    expect_ns: Expected = None
    settings: OwnSettings = {}

    @field_validator("dev_eui")
    @classmethod
    def _eui(cls, text: str) -> str:
        plain = re.sub(r"[:\- ]", "", text).lower()
        if not re.fullmatch(r"[0-9a-f]{16}", plain):
            raise wrong('16 hexadecimal digits in quotes, such as "A84041B2C1D5E6F7"')
        return plain

    @model_validator(mode="after")
    def _one_decoder(self) -> "LorawanSource":
        if (self.model is None) == (self.codec_file is None):
            raise wrong("model, the name of a model sheet, or codec_file with [[source.field]]")
        if bool(self.field) != (self.codec_file is not None):
            raise wrong("[[source.field]] tables together with a codec_file, and only then")
        return self

    @property
    def path(self) -> str:
        return f"{self.broker}/{self.dev_eui}"


class JsonSource(Table):
    broker: Id = Field(
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
    expect_ns: Expected = None
    model: str | None = Field(
        default=None,
        description="name of a model sheet of such messages, instead of fields",
        examples=["tuya.ts0601-soil"],
    )
    field: tuple[JsonField, ...] = Field(
        default=(),
        description="the numbers in the message, one table each",
        examples=["[[source.field]]"],
    )
    settings: OwnSettings = {}

    @model_validator(mode="after")
    def _one_decoder(self) -> "JsonSource":
        if (self.model is None) == (not self.field):
            raise wrong("[[source.field]] for each number, or the model of such messages")
        return self

    @field_validator("topic")
    @classmethod
    def _no_wildcard(cls, text: str) -> str:
        if "+" in text or "#" in text:
            raise wrong("one sender's topic without + and #; the broker's topics may hold them")
        return text

    @property
    def path(self) -> str:
        return f"{self.broker}/{self.topic}"

    def json_fields(self) -> json_message.JsonFields:
        """The settings of the decoder."""
        if self.time is None:
            return json_message.JsonFields(json_fields(self.field))
        form = _TIME_FORMATS[self.time.format]
        time = json_message.JsonTime(self.time.path, form)
        return json_message.JsonFields(json_fields(self.field), time)


def json_fields(fields: tuple[JsonField, ...]) -> tuple[json_message.JsonField, ...]:
    """The fields of a table as the decoders know them."""
    return tuple(
        json_message.JsonField(f.name, f.path, f.quantity, f.unit, f.unit_path, f.failure)
        for f in fields
    )


def _kind_of_source(row: Any) -> str:
    keys = (row if isinstance(row, Mapping) else vars(row)).keys()
    if "dev_eui" in keys:
        return "lorawan-source"
    if "file" in keys:
        return "file-source"
    if keys & {"topic", "field"}:
        return "json-source"
    if "bus" in keys and keys & {"expect", "expect_ns"} and not keys & {"interval", "interval_ns"}:
        return "pushed-source"
    return "scheduled-source"


Source = Annotated[
    Annotated[ScheduledSource, Tag("scheduled-source")]
    | Annotated[HeardSource, Tag("pushed-source")]
    | Annotated[FileSource, Tag("file-source")]
    | Annotated[LorawanSource, Tag("lorawan-source")]
    | Annotated[JsonSource, Tag("json-source")],
    Discriminator(_kind_of_source),
]


def sheet_of(source: Source, sheets: Sheets) -> Sheet | None:
    """The model sheet of a source, with its owner's settings; None for one that has fields.

    Raises UnknownModel.
    """
    return completed(sheets[source.model], source.settings) if source.model else None


def outputs_of(source: Source, sheets: Sheets, envelope: str = "json") -> Mapping[str, Output]:
    """The outputs of a source by name; raises UnknownModel."""
    sheet = sheet_of(source, sheets)
    if sheet is not None:
        outputs = sheet.outputs
    else:
        fields: tuple[JsonField, ...] = getattr(source, "field", ())
        outputs = {f.name: Output(f.name, f.quantity, f.unit) for f in fields}
    meaning, packages = meaning_of(source, sheets), packages_of(source.model, sheet, envelope)
    if not meaning and not packages:
        return outputs
    return {n: replace(o, meaning=meaning, packages=packages) for n, o in outputs.items()}


def missing_part(source: Source, sheets: Sheets, envelope: str) -> str:
    """Which part a source needs that no installed package gives; "" where all are there."""
    if envelope != "json" and ENVELOPES.problem(envelope):
        return f"envelope {envelope}"
    if source.model is None:
        return ""
    if source.model not in sheets:
        return f"model {source.model}"
    sheet = sheets[source.model]
    if ENGINES.problem(sheet.engine):
        return f"engine {sheet.engine}"
    codec = str(sheet.frame.get("codec"))
    return f"codec {codec}" if sheet.engine == "lorawan" and CODECS.problem(codec) else ""


def packages_of(model: str | None, sheet: Sheet | None, envelope: str) -> tuple[str, ...]:
    """The packages, edaphon apart, whose parts decide what the bytes of a source mean."""
    found = {ENVELOPES.package(envelope)} if envelope != "json" else set()
    if sheet is not None:
        found |= {sheet_package(model or ""), ENGINES.package(sheet.engine)}
        if sheet.engine == "lorawan":
            found.add(CODECS.package(str(sheet.frame.get("codec"))))
    return tuple(sorted(found - {""}))


def meaning_of(source: Source, sheets: Sheets) -> str:
    """Names what its owner says of a source's bytes; "" where a package's sheet says all."""
    own = sheets.own.get(source.model or "")
    stated = {
        key: value
        for key, value in source.model_dump(mode="json").items()
        if key in {"settings", "field", "time", "codec_file"} and value
    }
    if own is None and not stated:
        return ""
    text = orjson.dumps([repr(own), stated], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()[:12]


_TO_HOST = r"://[^\s:/]+:(?P<port>[0-9]{1,5})"
_SERIAL = rf"/\S+|(?:tcp|rfc2217){_TO_HOST}"
_RIGHT = '"/dev/serial/by-id/...", "rfc2217://host:port" or "tcp://host:port"'
# kind of edaphon -> (what the port looks like, what would be right)
_PORTS = {
    "sdi12": (_SERIAL, _RIGHT),
    "sdi12-uart": (rf"/\S+|rfc2217{_TO_HOST}", '"/dev/serial/by-id/..." or "rfc2217://host:port"'),
    "serial": (_SERIAL, _RIGHT),
    "stream": (_SERIAL, _RIGHT),
    "modbus-tcp": (rf"tcp{_TO_HOST}", '"tcp://host:502"'),
    "w1": (r"/\S+", '"/sys/bus/w1/devices"'),
    "i2c": (r"/\S+", '"/dev/i2c-1"'),
}
BUS_KINDS = tuple(_PORTS)  # others are links of packages


class Multiplexer(Table):
    """A switch that connects the line to one of several branches; a file selects the branch."""

    file: AbsolutePath = Field(
        description="character device or file in /sys that is written to, to choose a branch",
        examples=["/sys/class/leds/branch/brightness"],
    )
    ports: Mapping[str, str] = Field(
        min_length=1,
        description="the text that chooses each branch, by the name of the branch",
        examples=['{ north = "0", south = "1" }'],
    )
    settle_ns: Duration = Field(
        default=50_000_000,
        alias="settle",
        description="time after a change before anybody talks",
        examples=["50ms"],
    )


class SupplyTable(Table):
    """A power supply, switched by writing a text to a file as the kernel offers for GPIO lines."""

    file: AbsolutePath = Field(
        description="character device or file in /sys that is written to, to switch it",
        examples=["/sys/class/leds/relay1/brightness"],
    )
    on: str = Field(default="1", description="text that switches it on", examples=["1"])
    off: str = Field(default="0", description="text that switches it off", examples=["0"])
    warm_up_ns: Duration = Field(
        default=1_000_000_000,
        alias="warm_up",
        description="time between switching on and the first question",
        examples=["2s"],
    )


class Bus(Table):
    kind: Id = Field(
        description="what is at the port, and how it talks",
        examples=["sdi12"],
        json_schema_extra={"choices": [*BUS_KINDS]},
    )
    port: str = Field(
        min_length=1,
        description="serial port by its identity, rfc2217://host:port, tcp://host:port, or a folder"
        " of the kernel",
        examples=["/dev/serial/by-id/usb-FTDI_FT232R_A10K2XYZ-if00-port0"],
    )
    baud: int = Field(
        default=9600,
        ge=300,
        le=921600,
        description="speed between computer and adapter [bit/s]",
        examples=[9600],
    )
    format: str = Field(
        default="8N1",
        pattern=r"^[78][NEO](1|1\.5|2)$",
        description="data bits, parity (N, E, O) and stop bits, as the instruments' manuals say",
        examples=["8E1"],
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

    multiplexer: Multiplexer | None = Field(
        default=None,
        description="a switch between branches of this line",
        examples=["[bus.x.multiplexer]"],
    )

    @field_validator("port")
    @classmethod
    def _port(cls, text: str, info: ValidationInfo) -> str:
        shape, right = _PORTS.get(info.data.get("kind", "serial"), (r"\S+", "text without blanks"))
        found = re.fullmatch(shape, text)
        number = found.groupdict().get("port") if found else None
        if not found or (number is not None and not 1 <= int(number) <= 65535):
            raise wrong(f"{right}, a port from 1 to 65535" if number else right)
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
        description="MQTT client identifier; made of the ids of logger and journal if not given",
        examples=["whs-logger-1"],
    )
    topics: tuple[Annotated[str, Field(min_length=1, max_length=65535)], ...] = Field(
        min_length=1,
        description="topic filters to subscribe to",
        examples=['["v3/+/devices/+/up"]'],
    )
    envelope: Id = Field(
        default="json",
        description="how the network server wraps a device's bytes; json for plain messages",
        examples=["tts-v3"],
        json_schema_extra={
            "choices": ["tts-v3", "chirpstack-v4", "chirpstack-v3", "helium", "json"]
        },
    )
