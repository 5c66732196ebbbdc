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
from edaphon_drivers.registry import CODECS, ENGINES, ENVELOPES, completed
from edaphon_drivers.sheets import Output, Sheet, Sheets, sheet_package

FILES = "file"  # first part of the paths of followed files


class ScheduledSource(Table):
    bus: Id
    address: str = Field(default="0", pattern=r"^[0-9A-Za-z][0-9A-Za-z._-]{0,31}$")
    model: str
    interval_ns: Duration = Field(alias="interval")
    branch: Id | None = None
    supply: Id | None = None
    concurrent: bool = False
    crc: bool = False
    settings: Mapping[str, Any] = {}

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
    bus: Id
    model: str
    expect_ns: Duration = Field(alias="expect")
    settings: Mapping[str, Any] = {}

    @property
    def path(self) -> str:
        return f"{self.bus}/0"


class FileSource(Table):
    name: Id
    file: AbsolutePath
    model: str
    expect_ns: Duration | None = Field(default=None, alias="expect")
    settings: Mapping[str, Any] = {}

    @property
    def path(self) -> str:
        return f"{FILES}/{self.name}"


class JsonTime(Table):
    path: str = Field(min_length=1)
    format: Literal["epoch_s", "epoch_ms", "epoch_ns", "rfc3339"]


class JsonField(Table):
    name: Id
    path: str = Field(min_length=1)
    quantity: str
    unit: str
    unit_path: str = ""
    failure: tuple[float, ...] = ()


class LorawanSource(Table):
    broker: Id
    dev_eui: str
    model: str | None = None
    codec_file: AbsolutePath | None = None
    field: tuple[JsonField, ...] = ()
    expect_ns: Duration | None = Field(default=None, alias="expect")
    settings: Mapping[str, Any] = {}

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
    broker: Id
    topic: str = Field(min_length=1)
    time: JsonTime | None = None
    expect_ns: Duration | None = Field(default=None, alias="expect")
    model: str | None = None
    field: tuple[JsonField, ...] = ()
    settings: Mapping[str, Any] = {}

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
        form = json_message.TimeFormat(self.time.format.removeprefix("epoch_"))
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
    """The model sheet with the source's settings, None for one with fields; raises UnknownModel."""
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

    file: AbsolutePath
    ports: Mapping[str, str] = Field(min_length=1)
    settle_ns: Duration = Field(default=50_000_000, alias="settle")


class SupplyTable(Table):
    """A power supply, switched by writing a text to a file as the kernel offers for GPIO lines."""

    file: AbsolutePath
    on: str = "1"
    off: str = "0"
    warm_up_ns: Duration = Field(default=1_000_000_000, alias="warm_up")


class Bus(Table):
    kind: Id = Field(json_schema_extra={"choices": [*BUS_KINDS]})
    port: str = Field(min_length=1)
    baud: int = Field(default=9600, ge=300, le=921600)
    format: str = Field(default="8N1", pattern=r"^[78][NEO](1|1\.5|2)$")
    rts: bool | None = None
    dtr: bool | None = None
    answer_s: float = Field(default=1.0, gt=0, le=60)

    multiplexer: Multiplexer | None = None

    @field_validator("port")
    @classmethod
    def _port(cls, text: str, info: ValidationInfo) -> str:
        shape, right = _PORTS.get(info.data.get("kind", "serial"), (r"\S+", "text without spaces"))
        found = re.fullmatch(shape, text)
        number = found.groupdict().get("port") if found else None
        if not found or (number is not None and not 1 <= int(number) <= 65535):
            raise wrong(f"{right}, a port from 1 to 65535" if number else right)
        return text


class Broker(Table):
    host: str = Field(min_length=1)
    port: int = Field(default=1883, ge=1, le=65535)
    tls: bool = False
    ca_file: AbsolutePath | None = None
    username: str | None = None
    password: Secret | None = None
    client_id: Id | None = None
    topics: tuple[Annotated[str, Field(min_length=1, max_length=65535)], ...] = Field(min_length=1)
    envelope: Id = Field(
        default="json",
        json_schema_extra={
            "choices": ["tts-v3", "chirpstack-v4", "chirpstack-v3", "helium", "json"]
        },
    )
