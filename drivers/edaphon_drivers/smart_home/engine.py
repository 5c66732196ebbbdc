"""Sheets with engine "message": one MQTT message of one topic, of which a sheet names the numbers.

`frame.form` is "json" (the default) or "text". JSON: `frame.path` leads to each output;
`frame.unit` says where the message names its unit, and with which word; `frame.member` picks a
sensor by its own number where positions may change; `frame.time` leads to the sender's time. Text:
one number is the whole message, and `frame.topics` says which output a topic ends with.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from edaphon_drivers.faults import Garbled
from edaphon_drivers.json_message import ABSENT, epoch_ns, follow, parse_object
from edaphon_drivers.json_text import bare_json
from edaphon_drivers.number_text import number_in, number_of_text
from edaphon_drivers.readings import UNREADABLE_NS, Reading, Status
from edaphon_drivers.reported import reported, without_number
from edaphon_drivers.rfc3339 import rfc3339_ns
from edaphon_drivers.sheets import Output, Sheet
from edaphon_drivers.smart_home.sheet import sheet_troubles as sheet_troubles

_PRESENCE = frozenset({"availability", "status", "lwt"})
# Zigbee2MQTT says its availability so; the bare words were its earlier form.
_PRESENT = ({"state": "online"}, {"state": "offline"})
_NO_NUMBER = {
    "nan": Status.INVALID,
    "none": Status.INVALID,
    "unknown": Status.INVALID,
    "unavailable": Status.NOT_CONNECTED,
}
_UNIT_NS = {"s": 1_000_000_000, "ms": 1_000_000, "ns": 1}


def decode_message(topic: str, data: bytes, sheet: Sheet) -> tuple[Reading, ...]:
    """The readings of one message; none of a topic that says who is online, or belongs to others.

    Raises Garbled for a message that is neither JSON nor, in text form, one number.
    """
    if not data:
        return ()
    data = bare_json(data)
    if data.lower() in {b"online", b"offline"}:
        return ()
    if sheet.frame.get("form", "json") == "text":
        return _text_readings(topic, data, sheet)
    if not _ends_with(topic, sheet.frame.get("topic", "")) or _is_presence(topic, data):
        return ()
    message = parse_object(data)
    if message in _PRESENT:
        return ()
    time_ns = _time_ns(message, sheet.frame)
    return tuple(_json_readings(message, sheet, time_ns))


def _is_presence(topic: str, data: bytes) -> bool:
    """Whether an owner's own word for online or offline stands where numbers never do."""
    return not data.startswith(b"{") and topic.rpartition("/")[2].lower() in _PRESENCE


def _ends_with(topic: str, levels: str) -> bool:
    return not levels or f"/{topic}".endswith(f"/{levels}")


def _text_readings(topic: str, data: bytes, sheet: Sheet) -> tuple[Reading, ...]:
    topics: Mapping[str, str] = sheet.frame["topics"]
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


def _json_readings(message: Any, sheet: Sheet, time_ns: int | None) -> Iterator[Reading]:
    """An output in another unit than the message's is left out where a sister is in that unit."""
    units: Mapping[str, Any] = sheet.frame.get("unit", {})
    paths: Mapping[str, str] = sheet.frame["path"]
    said = {name: _is_said(message, units.get(name)) for name in paths}
    met = {paths[name] for name in paths if said[name]}
    for name, path in paths.items():
        value = follow(_member(message, sheet.frame, name), tuple(path.split(".")))
        output = sheet.outputs[name]
        if value is ABSENT or (not said[name] and path in met):
            continue
        number = number_in(value)
        if said[name] and number is not None:
            yield _reading(output, float(number), time_ns)
        else:
            word = value.lower() if isinstance(value, str) else ""
            yield without_number(output, _NO_NUMBER.get(word, Status.INVALID), time_ns)


def _is_said(message: Any, unit: Mapping[str, Any] | None) -> bool:
    """Whether the message names the sheet's unit; numbers are never converted here."""
    if unit is None:
        return True
    word = follow(message, tuple(unit["path"].split(".")))
    return bool(word == unit["word"] or (word is ABSENT and unit.get("optional", False)))


def _member(message: Any, frame: Mapping[str, Any], name: str) -> Any:
    wanted = frame.get("member", {}).get(name)
    if wanted is None:
        return message
    rows = [row for row in message.values() if isinstance(row, dict)]
    return next((row for row in rows if wanted.items() <= row.items()), ABSENT)


def _reading(output: Output, number: float, time_ns: int | None) -> Reading:
    if not math.isfinite(number):
        return without_number(output, Status.INVALID, time_ns)
    return reported(output, number, time_ns)


def _time_ns(message: Any, frame: Mapping[str, Any]) -> int | None:
    """The sender's time; a local one only with `frame.utc_offset`, as +01:00.

    None where the message has no such member: many of these senders leave it out by choice.
    """
    said = follow(message, tuple(frame["time"]["path"].split("."))) if "time" in frame else ABSENT
    if said is ABSENT:
        return None
    unit_ns = _UNIT_NS.get(frame["time"].get("form", ""))
    if unit_ns is not None:
        return epoch_ns(said, unit_ns)
    text = said.strip() if isinstance(said, str) else ""
    found = [_rfc3339_or_none(text + zone) for zone in ("", frame.get("utc_offset", ""))]
    if found == [None, None]:
        local = _rfc3339_or_none(text + "Z") is not None
        return None if local else UNREADABLE_NS
    return next(ns for ns in found if ns is not None)


def _rfc3339_or_none(said: str) -> int | None:
    try:
        return rfc3339_ns(said)
    except ValueError:
        return None
