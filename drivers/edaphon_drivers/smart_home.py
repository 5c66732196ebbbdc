"""Engine "message": numbers in MQTT messages (Tasmota, Zigbee2MQTT, ESPHome, Home Assistant).

A message of one topic, of which a sheet names the numbers. `frame.form` is "json" (the default) or
"text". JSON: `frame.path` leads to each output; `frame.unit` says where the message names its unit,
and with which word; `frame.member` picks a sensor by its own number where positions may change;
`frame.time` leads to the sender's time. Text: one number is the whole message, and `frame.topics`
says which output a topic ends with.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from edaphon_drivers.faults import Garbled
from edaphon_drivers.json_message import ABSENT, epoch_ns, follow, parse_object
from edaphon_drivers.readings import UNREADABLE_NS, Reading, Status, reported, without_number
from edaphon_drivers.sheets import Output, Sheet
from edaphon_drivers.text_values import bare_json, number_in, number_of_text, rfc3339_ns

_KEYS = {
    "json": frozenset({"form", "path", "unit", "member", "time", "topic", "utc_offset"}),
    "text": frozenset({"form", "topics"}),
}
_TIME_FORMS = ("rfc3339", "s", "ms", "ns")
_OFFSET = re.compile(r"[+-]\d\d:\d\d", re.ASCII)


def sheet_errors(sheet: Sheet) -> Iterator[str]:
    """Every trouble, none for a good sheet."""
    form = sheet.frame.get("form", "json")
    if form not in _KEYS:
        yield f'frame.form: expected "json" or "text", came {form!r}'
        return
    for key in sorted(sheet.frame.keys() - _KEYS[form]):
        yield f"frame.{key}: unknown in form {form!r}; known are {', '.join(sorted(_KEYS[form]))}"
    if form == "text":
        yield from _named_texts(sheet, "topics")
        yield from _doubled_topics(sheet)
        return
    yield from _named_texts(sheet, "path")
    yield from _units(sheet)
    yield from _members(sheet)
    yield from _time(sheet)


def _named_texts(sheet: Sheet, key: str) -> Iterator[str]:
    table = sheet.frame.get(key)
    if not isinstance(table, Mapping) or not table:
        yield f"frame.{key}: expected a table with a text for each output"
        return
    for name in sorted(sheet.outputs.keys() - table.keys()):
        yield f"frame.{key}: output {name!r} is missing"
    for name, text in table.items():
        if name not in sheet.outputs:
            yield f"frame.{key}.{name}: no [[output]] has that name"
        if not isinstance(text, str) or not text.strip("./ "):
            yield f"frame.{key}.{name}: expected a text, came {text!r}"


def _doubled_topics(sheet: Sheet) -> Iterator[str]:
    topics = sheet.frame.get("topics")
    said = list(topics.values()) if isinstance(topics, Mapping) else []
    for topic in said:
        if said.count(topic) > 1:
            yield f"frame.topics: {topic!r} stands for more than one output"
            return


def _table(sheet: Sheet, key: str) -> Mapping[str, Any]:
    found = sheet.frame.get(key, {})
    return found if isinstance(found, Mapping) else {"": found}


def _units(sheet: Sheet) -> Iterator[str]:
    for name, unit in _table(sheet, "unit").items():
        if name not in sheet.outputs:
            yield f"frame.unit.{name}: no [[output]] has that name"
        keys = unit if isinstance(unit, Mapping) else {}
        texts = [keys.get("path"), keys.get("word")]
        if not all(isinstance(text, str) and text for text in texts):
            yield f'frame.unit.{name}: expected {{ path = "...", word = "..." }}, came {unit!r}'
        if keys.keys() - {"path", "word", "optional"}:
            yield f"frame.unit.{name}: only path, word and optional are known"


def _members(sheet: Sheet) -> Iterator[str]:
    for name, member in _table(sheet, "member").items():
        if name not in sheet.outputs:
            yield f"frame.member.{name}: no [[output]] has that name"
        if not isinstance(member, Mapping) or not member:
            yield f'frame.member.{name}: expected {{ Id = "..." }}, came {member!r}'


def _time(sheet: Sheet) -> Iterator[str]:
    offset = sheet.frame.get("utc_offset")
    if offset is not None and not (isinstance(offset, str) and _OFFSET.fullmatch(offset)):
        yield f'frame.utc_offset: expected a text such as "+01:00", came {offset!r}'
    if "time" not in sheet.frame:
        return
    time = sheet.frame["time"]
    keys = time if isinstance(time, Mapping) else {}
    if not isinstance(keys.get("path"), str) or keys.get("form", "rfc3339") not in _TIME_FORMS:
        forms = " | ".join(_TIME_FORMS)
        yield f'frame.time: expected {{ path = "...", form = "{forms}" }}, came {time!r}'


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
