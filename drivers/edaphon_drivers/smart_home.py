"""Engine "message": numbers in MQTT messages (Tasmota, Zigbee2MQTT, ESPHome, Home Assistant).

A message of one topic, of which a sheet names the numbers: in JSON by paths, or as text, where one
number is the whole message. The keys of [frame]: docs/adding.md.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple

from edaphon_drivers.faults import Garbled
from edaphon_drivers.message_values import (
    ABSENT,
    UNIT_NS,
    bare_json,
    epoch_ns,
    follow,
    keys_of,
    number_in,
    number_of_text,
    parse_object,
    written_ns,
)
from edaphon_drivers.readings import UNREADABLE_NS, Reading, Status, reported, without_number
from edaphon_drivers.sheets import Output, Sheet, Table, frame_reader, per_sheet, takes, that

_OFFSET = re.compile(r"[+-]\d\d:\d\d", re.ASCII)
_PRESENCE = frozenset({"availability", "status", "lwt"})
# Zigbee2MQTT says its availability so; the bare words were its earlier form.
_PRESENT = ({"state": "online"}, {"state": "offline"})
_NO_NUMBER = {
    "nan": Status.INVALID,
    "none": Status.INVALID,
    "unknown": Status.INVALID,
    "unavailable": Status.NOT_CONNECTED,
}
_Path = Annotated[str, that(lambda text: text.strip("./ "))]
_Paths = Annotated[dict[str, _Path], that(bool)]
_TEXTS = "a table with a text for each output"


class UnitTable(Table):
    """`unit` of an output: where the message names its unit, and with which word."""

    path: Annotated[str, that(bool)] = takes("a path in the message")
    word: Annotated[str, that(bool)] = takes("the word of the unit")
    optional: bool = takes("true or false", False)


class MessageTime(Table):
    """[frame.time]: where the message has the sender's time."""

    path: str = takes("a path in the message")
    form: Literal["rfc3339", "s", "ms", "ns"] = takes("one of rfc3339, s, ms, ns", "rfc3339")


class JsonTable(Table):
    """[frame] of messages in JSON."""

    form: Literal["json"] = takes('"json" or "text"', "json")
    path: _Paths = takes(_TEXTS)
    unit: dict[str, UnitTable] = takes('a table such as { t = { path = "...", word = "..." } }', {})
    member: dict[str, Annotated[dict[str, Any], that(bool)]] = takes(
        'a table such as { t = { Id = "..." } }', {}
    )
    time: MessageTime | None = takes('a table such as { path = "...", form = "rfc3339" }', None)
    topic: str = takes("the last levels of a topic", "")
    utc_offset: Annotated[str, that(_OFFSET.fullmatch)] = takes('a text such as "+01:00"', "")


class TextTable(Table):
    """[frame] of messages that are one number as text."""

    form: Literal["text"] = takes('"json" or "text"')
    topics: _Paths = takes(_TEXTS)


def _names(key: str, table: Mapping[str, Any], sheet: Sheet) -> Iterator[str]:
    for name in table:
        if name not in sheet.outputs:
            yield f"frame.{key}.{name}: no [[output]] has that name"


def _missing(key: str, table: Mapping[str, Any], sheet: Sheet) -> Iterator[str]:
    for name in sorted(sheet.outputs.keys() - table.keys()):
        yield f"frame.{key}: output {name!r} is missing"


def _json_errors(table: JsonTable, sheet: Sheet) -> Iterator[str]:
    yield from _missing("path", table.path, sheet)
    for key, named in (("path", table.path), ("unit", table.unit), ("member", table.member)):
        yield from _names(key, named, sheet)


def _text_errors(table: TextTable, sheet: Sheet) -> Iterator[str]:
    yield from _missing("topics", table.topics, sheet)
    yield from _names("topics", table.topics, sheet)
    topics = list(table.topics.values())
    for topic in sorted({topic for topic in topics if topics.count(topic) > 1}):
        yield f"frame.topics: {topic!r} is of more than one output"


_json_of, _json_sheet_errors = frame_reader(JsonTable, _json_errors)
_text_of, _text_sheet_errors = frame_reader(TextTable, _text_errors)


def _is_text(sheet: Sheet) -> bool:
    return bool(sheet.frame.get("form") == "text")


def sheet_errors(sheet: Sheet) -> Iterator[str]:
    """What is wrong in a sheet; nothing for a good one."""
    yield from (_text_sheet_errors if _is_text(sheet) else _json_sheet_errors)(sheet)


def decode_message(topic: str, data: bytes, sheet: Sheet) -> tuple[Reading, ...]:
    """The readings of one message; none of a topic that says who is online, or belongs to others.

    Raises Garbled for a message that is neither JSON nor, in text form, one number.
    """
    if not data:
        return ()
    data = bare_json(data)
    if data.lower() in {b"online", b"offline"}:
        return ()
    if _is_text(sheet):
        return _text_readings(topic, data, sheet)
    table = _json_of(sheet)
    if not _ends_with(topic, table.topic) or _is_presence(topic, data):
        return ()
    message = parse_object(data)
    if message in _PRESENT:
        return ()
    return tuple(_json_readings(message, sheet, _time_ns(message, table)))


def _is_presence(topic: str, data: bytes) -> bool:
    """Whether an owner's own word for online or offline is where numbers never are."""
    return not data.startswith(b"{") and topic.rpartition("/")[2].lower() in _PRESENCE


def _ends_with(topic: str, levels: str) -> bool:
    return not levels or f"/{topic}".endswith(f"/{levels}")


def _text_readings(topic: str, data: bytes, sheet: Sheet) -> tuple[Reading, ...]:
    topics = _text_of(sheet).topics
    named = [name for name, levels in topics.items() if _ends_with(topic, levels)]
    if not named:
        return ()
    output = sheet.outputs[max(named, key=lambda name: len(topics[name]))]
    text = data[:64].decode("latin-1").strip()
    if len(data) <= 64 and text.lower() in _NO_NUMBER:
        return (without_number(output, _NO_NUMBER[text.lower()]),)
    number = number_of_text(text) if len(data) <= 64 else None
    if number is None:
        raise Garbled("one number as text", data, topic)
    return (_reading(output, number, None),)


class _Wanted(NamedTuple):
    """An output of a sheet, with the paths taken apart that lead to its number and its unit."""

    output: Output
    path: str
    keys: tuple[str, ...]
    unit: UnitTable | None
    unit_keys: tuple[str, ...]
    member: Mapping[str, Any] | None

    def is_in_unit(self, message: Any) -> bool:
        """Whether the message names the sheet's unit; numbers are never converted here."""
        if self.unit is None:
            return True
        word = follow(message, self.unit_keys)
        return bool(word == self.unit.word or (word is ABSENT and self.unit.optional))

    def value(self, message: Any) -> Any:
        member = self.member
        if member is not None:
            rows = (row for row in message.values() if isinstance(row, dict))
            message = next((row for row in rows if member.items() <= row.items()), ABSENT)
        return follow(message, self.keys)


@per_sheet
def _wanted_of(sheet: Sheet) -> tuple[_Wanted, ...]:
    table = _json_of(sheet)
    return tuple(
        _Wanted(
            sheet.outputs[name],
            path,
            keys_of(path),
            table.unit.get(name),
            keys_of(table.unit[name].path) if name in table.unit else (),
            table.member.get(name),
        )
        for name, path in table.path.items()
    )


def _json_readings(message: Any, sheet: Sheet, time_ns: int | None) -> Iterator[Reading]:
    """An output in another unit than the message's is left out where a sister is in that unit."""
    wanted = _wanted_of(sheet)
    met = {one.path for one in wanted if one.is_in_unit(message)}
    for one in wanted:
        in_unit = one.is_in_unit(message)
        value = one.value(message)
        if value is ABSENT or (not in_unit and one.path in met):
            continue
        number = number_in(value)
        if in_unit and number is not None:
            yield _reading(one.output, float(number), time_ns)
        else:
            word = value.lower() if isinstance(value, str) else ""
            yield without_number(one.output, _NO_NUMBER.get(word, Status.INVALID), time_ns)


def _reading(output: Output, number: float, time_ns: int | None) -> Reading:
    if not math.isfinite(number):
        return without_number(output, Status.INVALID, time_ns)
    return reported(output, number, time_ns)


def _time_ns(message: Any, table: JsonTable) -> int | None:
    """The sender's time; a local one only with `frame.utc_offset`, as +01:00.

    None where the message has no such member: many of these senders leave it out by choice.
    """
    sent = follow(message, keys_of(table.time.path)) if table.time else ABSENT
    if sent is ABSENT or table.time is None:
        return None
    if unit_ns := UNIT_NS[table.time.form]:
        return epoch_ns(sent, unit_ns)
    text = sent.strip() if isinstance(sent, str) else ""
    for zone in ("", table.utc_offset):
        if (ns := written_ns(text + zone)) != UNREADABLE_NS:
            return ns
    return UNREADABLE_NS if written_ns(text + "Z") == UNREADABLE_NS else None
