"""The tables of what stands between the box and its instruments: lines, supplies, brokers."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from edaphon.toml_input.values import AbsolutePath, Duration, Id, Secret, Table, wrong

__all__ = ["Broker", "Bus", "Multiplexer", "Supply"]

_TO_HOST = r"://[^\s:/]+:(?P<port>[0-9]{1,5})"
_SERIAL = rf"/\S+|(?:tcp|rfc2217){_TO_HOST}"
_RIGHT = '"/dev/serial/by-id/...", "rfc2217://host:port" or "tcp://host:port"'
# kind -> (what the port looks like, what would be right)
_PORTS = {
    "sdi12": (_SERIAL, _RIGHT),
    "serial": (_SERIAL, _RIGHT),
    "stream": (_SERIAL, _RIGHT),
    "sdi12-uart": (rf"/\S+|rfc2217{_TO_HOST}", '"/dev/serial/by-id/..." or "rfc2217://host:port"'),
    "modbus-tcp": (rf"tcp{_TO_HOST}", '"tcp://host:502"'),
    "w1": (r"/\S+", '"/sys/bus/w1/devices"'),
    "i2c": (r"/\S+", '"/dev/i2c-1"'),
}


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


class Supply(Table):
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
    kind: Literal["sdi12", "sdi12-uart", "serial", "stream", "modbus-tcp", "w1", "i2c"] = Field(
        description="what is at the port, and how it talks",
        examples=["sdi12"],
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
        shape, right = _PORTS[info.data.get("kind", "serial")]
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
    envelope: Literal["tts-v3", "chirpstack-v4", "chirpstack-v3", "helium", "json"] = Field(
        default="json",
        description="how the network server wraps a device's bytes; json for plain messages",
        examples=["tts-v3"],
    )
