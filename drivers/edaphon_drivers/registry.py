"""Every engine, model sheet, envelope, codec and link by name: the built-in ones and added ones.

A part is an entry point, `module` or `module:name`, imported when it is first needed. What is built
in stands in the tables below; other packages add theirs with `Registry.add`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from edaphon_drivers.payloads import Turn
    from edaphon_drivers.readings import Identity, Reading
    from edaphon_drivers.sheets import Sheet
    from edaphon_drivers.talk import Asking, Talk


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
# Objects `lorawan.numbers.UplinkCodec`. No codec is ever guessed from the bytes: the same
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


ASKED = ("ascii", "i2c", "modbus", "sdi12", "w1")
PUSHED = ("ascii", "file", "lorawan", "message")


class Engine(Protocol):
    """What can be asked of a protocol; nothing here touches a port."""

    def measure(self, address: str, sheet: "Sheet", asking: "Asking") -> "Talk[None]":
        """All measurements of the sheet; raises Fault."""
        ...

    def identify(self, address: str, sheet: "Sheet", asking: "Asking") -> "Talk[None] | None":
        """Who is there, with the settings it can give; None where it can't."""
        ...

    def decode_exchange(self, turns: "Iterable[Turn]", sheet: "Sheet") -> "tuple[Reading, ...]":
        """The readings from the bytes alone; raises Fault."""
        ...

    def decode_identity(self, turns: "Iterable[Turn]", sheet: "Sheet") -> "Identity | None":
        """Who answered; None when the exchange does not say."""
        ...

    def address_error(self, address: str) -> str:
        """What would be right; "" for an address of this protocol."""
        ...

    def sheet_errors(self, sheet: "Sheet") -> Iterator[str]:
        """What is wrong in a sheet, one sentence for each error; nothing for a good one."""
        ...


def engine(name: str) -> Engine:
    """The protocol of that name; raises LookupError for one by which nobody is asked."""
    if name in PUSHED and name not in ASKED:
        raise LookupError(f"expected one of {', '.join(ASKED)} as an engine, got {name!r}")
    return cast(Engine, ENGINES.load(name))


def sheet_errors(sheet: "Sheet") -> Iterator[str]:
    """What is wrong in a sheet, in words; nothing for one that can be used."""
    if sheet.engine not in ENGINES.names():
        yield f"engine is one of {', '.join(ENGINES.names())}, not {sheet.engine!r}"
    else:
        yield from cast(Engine, ENGINES.load(sheet.engine)).sheet_errors(sheet)


def completed(sheet: "Sheet", settings: Mapping[str, Any]) -> "Sheet":
    """The sheet with what its owner states of this one instrument, in the place of its frame."""
    if not settings:
        return sheet
    if sheet.engine == "file":
        from edaphon_drivers.files.sheet import completed as file_completed

        return file_completed(sheet, settings)
    return replace(sheet, frame={**sheet.frame, **settings})
