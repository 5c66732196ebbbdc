"""Every engine, model sheet, envelope, codec and link by name: the built-in ones and added ones.

A part is an entry point, `module` or `module:name`, imported when it is first needed. What is built
in stands in the tables below; other packages add theirs with `Registry.add`.
"""

from collections.abc import Mapping
from importlib.metadata import EntryPoint
from typing import Any


class UnknownPart(LookupError):
    """No part of this kind has that name."""


class Registry:
    """The parts of one kind, by name; `group` is that of their entry points."""

    def __init__(self, group: str, kind: str, built_in: Mapping[str, str]) -> None:
        self.group, self.kind = group, kind
        self._parts = {name: EntryPoint(name, value, group) for name, value in built_in.items()}
        self._loaded: dict[str, Any] = {}
        self.built_in = tuple(sorted(self._parts))

    def add(self, part: EntryPoint) -> None:
        """Make a part of another package known; raises ValueError for a name that is taken."""
        if part.name in self._parts:
            raise ValueError(f"the {self.kind} {part.name!r} is there already")
        self._parts[part.name] = part

    def remove(self, name: str) -> None:
        """Forget a part that was added; raises ValueError for a built-in one."""
        if name in self.built_in:
            raise ValueError(f"the {self.kind} {name!r} is built in")
        self._parts.pop(name, None)
        self._loaded.pop(name, None)

    def names(self) -> tuple[str, ...]:
        """All that are known, sorted."""
        return tuple(sorted(self._parts))

    def added(self) -> tuple[EntryPoint, ...]:
        """Those of other packages; `dist` of each names package and version."""
        return tuple(part for name, part in self._parts.items() if name not in self.built_in)

    def load(self, name: str) -> Any:
        """The part, imported once; raises UnknownPart for a name that is not known."""
        if name not in self._loaded:
            if name not in self._parts:
                known = ", ".join(self.names())
                raise UnknownPart(f"expected one of {known} as {self.kind}, got {name!r}")
            self._loaded[name] = self._parts[name].load()
        return self._loaded[name]


# Modules with the functions of `engines.Engine`; those that only decode what comes by itself have
# the check of their sheets alone.
ENGINES = Registry(
    "edaphon.engines",
    "engine",
    {
        "ascii": "edaphon_drivers.ascii.engine",
        "file": "edaphon_drivers.files.sheet",
        "i2c": "edaphon_drivers.i2c",
        "lorawan": "edaphon_drivers.lorawan.codecs",
        "message": "edaphon_drivers.smart_home",
        "modbus": "edaphon_drivers.modbus.engine",
        "sdi12": "edaphon_drivers.sdi12.engine",
        "w1": "edaphon_drivers.w1",
    },
)
# Packages with a folder `models` of sheets, one TOML file for each model.
MODEL_SHEETS = Registry("edaphon.model_sheets", "sheets", {"edaphon": "edaphon_drivers"})
# Functions `(topic, message) -> Uplink | None`.
ENVELOPES = Registry(
    "edaphon.envelopes",
    "envelope",
    {
        "chirpstack-v3": "edaphon_drivers.lorawan.envelopes:read_chirpstack_v3",
        "chirpstack-v4": "edaphon_drivers.lorawan.envelopes:read_chirpstack_v4",
        "helium": "edaphon_drivers.lorawan.envelopes:read_helium",
        "tts-v3": "edaphon_drivers.lorawan.envelopes:read_tts_v3",
    },
)
# Objects `lorawan.numbers.Codec`. No codec is ever guessed from the bytes: the same
# bytes are 4.4 °C to one maker and 1126.4 °C to another.
CODECS = Registry(
    "edaphon.codecs",
    "frame.codec",
    {
        "cayenne": "edaphon_drivers.lorawan.codecs.cayenne:CODEC",
        "decentlab": "edaphon_drivers.lorawan.codecs.decentlab:CODEC",
        "dragino": "edaphon_drivers.lorawan.codecs.dragino:CODEC",
        "dragino_sdi12": "edaphon_drivers.lorawan.codecs.dragino:SDI12_CODEC",
        "elsys": "edaphon_drivers.lorawan.codecs.elsys:CODEC",
        "milesight": "edaphon_drivers.lorawan.codecs.milesight:CODEC",
        "milesight_uc50x": "edaphon_drivers.lorawan.codecs.milesight:UC50X_CODEC",
        "sensecap": "edaphon_drivers.lorawan.codecs.sensecap:CODEC",
        "sensecap_s2120": "edaphon_drivers.lorawan.codecs.sensecap:S2120_CODEC",
        "tektelic": "edaphon_drivers.lorawan.codecs.tektelic:CODEC",
    },
)
# Classes of an open line with `write`, `read` and `close`, or of a connection to a broker.
LINKS = Registry(
    "edaphon.links",
    "link",
    {
        "i2c": "edaphon_drivers.links.i2c:I2cLink",
        "mqtt": "edaphon_drivers.links.mqtt:MqttLink",
        "replay": "edaphon_drivers.links.replay:ReplayLink",
        "sdi12-uart": "edaphon_drivers.links.sdi12_uart:Sdi12UartLink",
        "serial": "edaphon_drivers.links.serial:SerialLink",
        "tcp": "edaphon_drivers.links.tcp:TcpLink",
        "w1": "edaphon_drivers.links.w1:W1Link",
    },
)
