"""The configuration in force at an entry, as decoders: which bytes of which source mean what."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from edaphon.config import Configuration, JsonSource, LorawanSource, ScheduledSource
from edaphon.journal import Entry
from edaphon_drivers import lorawan, sdi12
from edaphon_drivers.faults import Garbled, Refused
from edaphon_drivers.json_message import JsonFields, decode_json
from edaphon_drivers.payloads import (
    LARGEST_MESSAGE_BYTES,
    Message,
    unpack_exchange,
    unpack_message,
)
from edaphon_drivers.readings import Reading
from edaphon_drivers.sheets import Output, Sheet, load_sheet

__all__ = ["Decoded", "Outputs", "Sources"]


class Decoded(NamedTuple):
    """What the bytes of one record say; `uplink` tells LoRaWAN frames apart.

    `retained`: the broker kept the message for later subscribers, so when it came says nothing of
    when it was measured.
    """

    path: str
    readings: tuple[Reading, ...]
    time_ns: int | None = None
    uplink: lorawan.Uplink | None = None
    retained: bool = False


NOTHING = Decoded("", ())
Outputs = Mapping[str, Mapping[str, Output]]
_Decoder = Callable[[bytes], Decoded]


@dataclass(frozen=True, slots=True)
class Sources:
    """Decoders by the source that stands in an entry, and the outputs of each path."""

    decoders: Mapping[str, _Decoder] = field(default_factory=dict)
    outputs: Outputs = field(default_factory=dict)
    site: str = ""

    def decode(self, entry: Entry) -> Decoded:
        """Raises Fault for bytes that mean nothing here."""
        decoder = self.decoders.get(entry.source)
        if decoder is None:
            raise Refused("a source of the configuration", entry.payload, entry.source)
        return decoder(entry.payload)

    @classmethod
    def of(cls, config: Configuration) -> "Sources":
        decoders: dict[str, _Decoder] = {
            s.path: _exchange_decoder(s.path, load_sheet(s.model))
            for s in config.sources
            if isinstance(s, ScheduledSource)
        }
        for name, broker in config.brokers.items():
            own = [s for s in config.sources if getattr(s, "broker", None) == name]
            if broker.envelope == "json":
                nodes = (s for s in own if isinstance(s, JsonSource))
                topics = {s.topic: (s.path, s.json_fields()) for s in nodes}
                decoders[name] = _json_decoder(name, topics)
            else:
                lorawan_sources = (s for s in own if isinstance(s, LorawanSource))
                devices = {s.dev_eui: load_sheet(s.model) for s in lorawan_sources}
                decoders[name] = _uplink_decoder(name, broker.envelope, devices)
        return cls(decoders, config.outputs(), config.site.id)


def _exchange_decoder(path: str, sheet: Sheet) -> _Decoder:
    def decode(payload: bytes) -> Decoded:
        return Decoded(path, sdi12.decode_exchange(unpack_exchange(payload), sheet))

    return decode


def _whole_message(payload: bytes) -> Message:
    """Raises Garbled for one of which only the start was kept: it may look whole and isn't."""
    message = unpack_message(payload)
    if message.whole_bytes > len(message.data):
        expected = f"at most {LARGEST_MESSAGE_BYTES} bytes, not {message.whole_bytes}"
        raise Garbled(expected, message.data, message.topic)
    return message


def _at(place: str, fault: Garbled) -> Garbled:
    """The fault with the place that a person can go to: a topic, or a device."""
    return Garbled(fault.expected, fault.came, place)


def _json_decoder(broker: str, topics: Mapping[str, tuple[str, JsonFields]]) -> _Decoder:
    def decode(payload: bytes) -> Decoded:
        message = _whole_message(payload)
        known = topics.get(message.topic)
        if known is None:
            raise Refused("the topic of a configured source", message.topic, broker)
        try:
            readings = decode_json(message.data, known[1])
        except Garbled as fault:
            raise _at(message.topic, fault) from None
        return Decoded(known[0], readings, None, None, message.retain)

    return decode


def _uplink_decoder(broker: str, envelope: str, devices: Mapping[str, Sheet]) -> _Decoder:
    def decode(payload: bytes) -> Decoded:
        message = _whole_message(payload)
        try:
            uplink = lorawan.read_envelope(envelope, message.topic, message.data)
        except Garbled as fault:
            raise _at(message.topic, fault) from None
        if uplink is None:
            return NOTHING
        sheet = devices.get(uplink.dev_eui)
        if sheet is None:
            raise Refused("the DevEUI of a configured source", uplink.dev_eui, broker)
        path = f"{broker}/{uplink.dev_eui}"
        try:
            readings = lorawan.decode_uplink(uplink.data, uplink.f_port, sheet)
        except Garbled as fault:
            raise _at(path, fault) from None
        return Decoded(path, readings, uplink.time_ns, uplink)

    return decode
