"""The configuration in force at an entry, as decoders: which bytes of which source mean what."""

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from edaphon.config import (
    Configuration,
    FileSource,
    HeardSource,
    JsonSource,
    LorawanSource,
    ScheduledSource,
    Source,
    json_fields,
)
from edaphon.config.reading import accepted_config
from edaphon.derive.files import FileReader
from edaphon.journal import Entry, Item, Kind
from edaphon.toml_input.lines import read_document
from edaphon_drivers.faults import Fault, Garbled, Incomplete, Refused
from edaphon_drivers.files.lines import FIRST, Context, Slice
from edaphon_drivers.message_values import JsonFields, decode_json
from edaphon_drivers.readings import (
    LARGEST_MESSAGE_BYTES,
    UNREADABLE_NS,
    Identity,
    Message,
    Piece,
    Reading,
    unpack_exchange,
    unpack_message,
    unpack_piece,
)
from edaphon_drivers.registry import Engine, engine
from edaphon_drivers.sheets import Output, Sheet, per_sheet

if TYPE_CHECKING:
    from edaphon_drivers import javascript, lorawan
Outputs = Mapping[str, Mapping[str, Output]]
# Of a payload, a message or an uplink: what its source's kind calls for.
_Reader = Callable[[Any], tuple[Reading, ...]]


class DecoderFailed(Exception):
    """A decoder raised what elsewhere would mean the disk."""


@contextmanager
def _of_the_entry() -> Iterator[None]:
    """Decoders touch no file: an OSError of one (a time beyond the clock's) is of its bytes."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise DecoderFailed(f"{type(error).__name__}: {error}") from error


class Note(NamedTuple):
    """Something of a record that made no value, in words to be counted by, and whose it was."""

    path: str
    what: str


class Decoded(NamedTuple):
    """What the bytes of one record hold; `uplink` identifies LoRaWAN frames.

    `retained`: the broker kept the message for later subscribers, so when it came says nothing of
    when it was measured. `dated`: a logger's file, whose own times are believed however old.
    `notes`: what of it made no value, and is neither a dead letter nor in order.
    """

    path: str
    readings: tuple[Reading, ...]
    time_ns: int | None = None
    uplink: "lorawan.Uplink | None" = None
    retained: bool = False
    dated: bool = False
    notes: tuple[Note, ...] = ()


NOTHING = Decoded("", ())
_Decoder = Callable[[bytes], Decoded]


@dataclass(frozen=True, slots=True)
class Sources:
    """Decoders by the source that an entry names, and the outputs of each path.

    `readers` and `kinds`, by path, are what a later configuration hands to an earlier one;
    `models` are the names of sheets, `owners` the paths by what faults name: topic or path.
    `missing` names, by path, the part of a package that is not installed now.
    """

    decoders: Mapping[str, _Decoder] = field(default_factory=dict)
    outputs: Outputs = field(default_factory=dict)
    asked: Mapping[str, Sheet] = field(default_factory=dict)
    site: str = ""
    readers: Mapping[str, _Reader] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, FileReader] = field(default_factory=dict)
    owners: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)

    def owner(self, source: str, fault: Fault) -> str:
        """The path that a fault is about, "" where no configured source sent it."""
        return self.owners.get(fault.where) or self.owners.get(source, "")

    def meaning(self, path: str) -> str:
        """Names all that its owner states of how to read a source's bytes."""
        outputs = self.outputs.get(path, {}).values()
        meaning = next((" ".join((o.meaning, *o.packages)) for o in outputs), "")
        return f"{self.kinds.get(path, '')} {meaning}"

    def decode(self, entry: Entry, context: Context = FIRST) -> Decoded:
        """Raises Fault for bytes that mean nothing here.

        `context` is what the earlier lines of a file decide about the first one of this piece.
        """
        with _of_the_entry():
            if (read := self.files.get(entry.source)) is not None:
                return _whole_piece(entry.source, read, unpack_piece(entry.payload), context)
            decoder = self.decoders.get(entry.source)
            if decoder is None:
                raise Refused("a source of the configuration", entry.payload, entry.source)
            return decoder(entry.payload)

    def identity(self, entry: Entry) -> Identity | None:
        """Who an instrument reported it is; None when it can't be known."""
        sheet = self.asked.get(entry.source)
        if sheet is None:
            return None
        try:
            with _of_the_entry():
                return _engine(sheet).decode_identity(unpack_exchange(entry.payload), sheet)
        except Fault:
            return None

    @classmethod
    def of(
        cls,
        config: Configuration,
        files: Mapping[str, str] | None = None,
        latest: "Sources | None" = None,
    ) -> "Sources":
        """`files` are the texts of the codecs that the configuration names, by path.

        What bytes mean is decided by the latest configuration that knows the source with the same
        model: a wrong scale or time zone that was corrected since is so for the past as well.
        """
        known, missing = latest or cls(), config.missing()
        config = config.without(missing)
        kinds = {s.path: _kind(s) for s in config.sources}
        readers: dict[str, Any] = {
            s.path: known.readers[s.path]
            if known.kinds.get(s.path) == kinds[s.path]
            else _reader(s, config, files or {})
            for s in config.sources
        }
        followed = {s.path: readers[s.path] for s in config.sources if isinstance(s, FileSource)}
        decoders: dict[str, _Decoder] = {
            s.path: partial(_at_path, s.path, readers[s.path])
            for s in config.sources
            if isinstance(s, ScheduledSource | HeardSource)
        }
        for name, broker in config.brokers.items():
            own = [s for s in config.sources if getattr(s, "broker", None) == name]
            lost = [part for path, part in missing.items() if path.startswith(f"{name}/")]
            if lost and not own:
                decoders[name] = partial(_no_package, name, lost[0])
            elif broker.envelope == "json":
                topics = {s.topic: s.path for s in own if isinstance(s, JsonSource)}
                decoders[name] = _topic_decoder(name, topics, readers)
            else:
                eui = {s.dev_eui: s.path for s in own if isinstance(s, LorawanSource)}
                decoders[name] = _uplink_decoder(name, broker.envelope, eui, readers)
        decoders |= {p: partial(_no_package, p, part) for p, part in missing.items()}
        asked = {s.path: config.sheet(s) for s in config.sources if isinstance(s, ScheduledSource)}
        outputs = _outputs(config, files or {})
        models = {s.path: s.model for s in config.sources if s.model}
        owners = {s.path: s.path for s in config.sources}
        owners |= {s.topic: s.path for s in config.sources if isinstance(s, JsonSource)}
        reported = asked, config.site.id, readers, kinds, models
        return cls(decoders, outputs, *reported, followed, owners, missing)


def _outputs(config: Configuration, files: Mapping[str, str]) -> Outputs:
    """The outputs of each path; a codec's text is part of what its numbers mean."""
    outputs = dict(config.outputs())
    for source in config.sources:
        codec = getattr(source, "codec_file", None)
        if codec is not None:
            text = files.get(str(codec), "")
            outputs[source.path] = {
                name: replace(
                    output,
                    meaning=hashlib.sha256(f"{output.meaning}{text}".encode()).hexdigest()[:12],
                )
                for name, output in outputs[source.path].items()
            }
    return outputs


def _kind(source: Source) -> str:
    """What must be the same for a later word on a source to hold for its earlier bytes too."""
    codec = getattr(source, "codec_file", None)
    return f"{type(source).__name__} {source.model or codec or 'fields'}"


# An engine is imported by the first record that needs it: who reads pays for what is read.


def _reader(
    source: Source, config: Configuration, files: Mapping[str, str]
) -> _Reader | FileReader:
    if isinstance(source, LorawanSource):
        if source.model is None:
            read = _script_reader(source, files.get(str(source.codec_file), ""))
        else:
            read = partial(_of_maker, config.sheet(source))
        return partial(_of_data, read)
    if isinstance(source, JsonSource) and source.model is None:
        fields = source.json_fields()
        return lambda message: decode_json(message.data, fields)
    sheet = config.sheet(source)
    if isinstance(source, ScheduledSource):
        return lambda payload: _engine(sheet).decode_exchange(unpack_exchange(payload), sheet)
    if isinstance(source, FileSource):
        return partial(_slices, sheet)
    return partial(_stream if isinstance(source, HeardSource) else _announced, sheet)


def _stream(sheet: Sheet, payload: bytes) -> tuple[Reading, ...]:
    from edaphon_drivers.ascii.engine import decode_stream

    return decode_stream(unpack_exchange(payload), sheet)


def _announced(sheet: Sheet, message: Message) -> tuple[Reading, ...]:
    from edaphon_drivers.smart_home import decode_message

    return decode_message(message.topic, message.data, sheet)


def _slices(sheet: Sheet, piece: Piece, context: Context) -> Iterator[Slice]:
    from edaphon_drivers.files.engine import read_piece

    with _of_the_entry():
        yield from read_piece(piece, sheet, context)


def _of_maker(sheet: Sheet, uplink: "lorawan.Uplink") -> tuple[Reading, ...]:
    from edaphon_drivers.lorawan import decode_uplink

    return decode_uplink(uplink.data, uplink.f_port, sheet)


def _of_data(read: _Reader, uplink: "lorawan.Uplink") -> tuple[Reading, ...]:
    """The guard before every decoder of uplinks, sheet or script: no data, no reading."""
    return read(uplink) if _has_data(uplink) else ()


def _has_data(uplink: "lorawan.Uplink") -> bool:
    from edaphon_drivers.lorawan import has_data

    return has_data(uplink.data, uplink.f_port)


def _script_reader(source: LorawanSource, text: str) -> _Reader:
    """A codec that can't be run refuses each uplink, and none of another device.

    Nothing of it runs before the first uplink.
    """
    fields = JsonFields(json_fields(source.field))
    codec = cache(partial(_codec, text, str(source.codec_file)))
    return lambda uplink: _scripted(codec(), uplink, fields)


def _codec(text: str, name: str) -> "javascript.Codec | Fault":
    from edaphon_drivers import javascript  # its engine is an optional extra

    try:
        return javascript.Codec(text, name)
    except Fault as fault:
        return fault


def _scripted(
    codec: "javascript.Codec | Fault", uplink: "lorawan.Uplink", fields: JsonFields
) -> tuple[Reading, ...]:
    from edaphon_drivers.javascript import decode_with

    if isinstance(codec, Fault):
        raise codec
    # The network server's time is the only clock a codec gets: derived again it gives the same.
    time_ns = None if uplink.time_ns == UNREADABLE_NS else uplink.time_ns
    return decode_with(codec, uplink.data, uplink.f_port, fields, time_ns)


def _at_path(path: str, read: _Reader, payload: bytes) -> Decoded:
    return Decoded(path, read(payload))


def _no_package(where: str, part: str, payload: bytes) -> Decoded:
    """The bytes are kept; what they mean is derived when the package is installed again."""
    raise Refused(f"{part} of an installed package", payload, where)


def _whole_piece(path: str, read: FileReader, piece: Piece, context: Context) -> Decoded:
    """Raises Garbled where a line is refused and none is a row."""
    slices = tuple(read(piece, context))
    refused = [line for one in slices for line in one.refused]
    if refused and not any(one.counts.rows for one in slices):
        where = f"{piece.name}, line {refused[0].line}"
        raise Garbled(f"a row ({refused[0].reason})", refused[0].text, where)
    return Decoded(path, tuple(r for one in slices for r in one.readings), dated=True)


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


def _topic_decoder(
    broker: str, topics: Mapping[str, str], readers: Mapping[str, _Reader]
) -> _Decoder:
    known = {topic: (path, readers[path]) for topic, path in topics.items()}

    def decode(payload: bytes) -> Decoded:
        message = _whole_message(payload)
        found = known.get(message.topic)
        if found is None:
            raise Refused("the topic of a configured source", message.topic, broker)
        try:
            readings = found[1](message)
        except Garbled as fault:
            raise _at(message.topic, fault) from None
        return Decoded(found[0], readings, None, None, message.retain)

    return decode


def _uplink_decoder(
    broker: str, envelope: str, devices: Mapping[str, str], readers: Mapping[str, _Reader]
) -> _Decoder:
    def decode(payload: bytes) -> Decoded:
        from edaphon_drivers.lorawan import read_envelope

        message = _whole_message(payload)
        try:
            uplink = read_envelope(envelope, message.topic, message.data)
        except Garbled as fault:
            raise _at(message.topic, fault) from None
        if uplink is None:
            return NOTHING
        path = devices.get(uplink.dev_eui)
        if path is None:
            raise Refused("the DevEUI of a configured source", uplink.dev_eui, broker)
        return _of_uplink(path, uplink, readers[path])

    return decode


def _of_uplink(path: str, uplink: "lorawan.Uplink", read: _Reader) -> Decoded:
    """What the device sent; of a simulated uplink nothing, not even its frame counter."""
    if uplink.simulated:
        return Decoded("", (), notes=(Note(path, "simulated uplink"),))
    unread: tuple[str, ...] = ()
    try:
        readings = read(uplink)
    except Incomplete as fault:
        readings, unread = fault.readings, fault.unread
    except Garbled as fault:
        raise _at(path, fault) from None
    if not _has_data(uplink):
        unread = ("uplink without data",)
    notes = tuple(Note(path, what) for what in unread)
    return Decoded(path, readings, uplink.time_ns, uplink, notes=notes)


def sources_of(entry: Entry, latest: Sources | None = None) -> Sources:
    """The decoders of a configuration entry, in the light of what was configured since.

    None for one with a model that this version does not know.
    """
    table = orjson.loads(entry.payload)
    try:
        config = accepted_config(read_document(table["file"], table["text"]))
        return Sources.of(config, table.get("files"), latest) if config is not None else Sources()
    except (LookupError, TypeError, ValueError):
        return Sources()


@per_sheet
def _engine(sheet: Sheet) -> Engine:
    try:
        return engine(sheet.engine)
    except LookupError as error:
        raise Refused("an engine that is installed", sheet.engine) from error


def last_sources(reported: Iterable[Item]) -> Sources:
    """By the configuration that was entered last."""
    last = [entry for _, entry in reported if entry.kind == Kind.CONFIGURATION][-1:]
    return sources_of(last[0]) if last else Sources()
