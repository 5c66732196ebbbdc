"""Home Assistant's MQTT discovery: what a device says of a sensor before it sends numbers.

Keys and their abbreviations as in the documentation, MQTT > Discovery. It only helps to propose a
configuration: units and names are what the device's owner or firmware wrote, not facts. Of the
value templates only the few that pick a number out of a message are matched; none is ever run.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from edaphon_drivers.faults import Garbled
from edaphon_drivers.message_values import parse_object

_STEP = r"""\.\w+ | \[ \s* '[^'\\\]]*' \s* \] | \[ \s* "[^"\\\]]*" \s* \] | \[ \s* \d{1,5} \s* \]"""
_TEMPLATE = re.compile(
    rf"""\{{\{{-? \s* (?P<root>value_json|value) (?P<steps>(?:{_STEP})*) \s*
          (?P<filters>[^{{}}]*?) -?\}}\}}""",
    re.VERBOSE | re.ASCII,
)
_STEPS = re.compile(_STEP, re.VERBOSE | re.ASCII)
# What leaves a number as it is: a default only speaks where the message has no number.
_HARMLESS = re.compile(
    r"float | float\( [^()]* \) | is_defined | default\( [^()]* \)", re.VERBOSE | re.ASCII
)
_LONGEST = 512


class Picked(NamedTuple):
    """`path` as in a JsonField, "" for the whole payload, None if unknown; `doubt` says why."""

    path: str | None
    doubt: str = ""


def read_template(template: str) -> Picked:
    """Where a template finds its number; without a template the payload is the number."""
    text = template.strip()
    if not text:
        return Picked("")
    found = _TEMPLATE.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None or (found["root"] == "value" and found["steps"]):
        return Picked(None, f"the template {text[:80]!r} does more than pick a number")
    problem = _filter_problem(found["filters"])
    if problem:
        return Picked(None, problem)
    keys = [_key(step) for step in _STEPS.findall(found["steps"])]
    if found["root"] == "value_json" and not keys:
        return Picked(None, "the template takes the whole object for a number")
    odd = next((key for key in keys if not key or "." in key), None)
    if odd is not None:
        return Picked(None, f"the key {odd!r} can't stand in a path joined by dots")
    return Picked(".".join(keys))


def _key(step: str) -> str:
    return step[1:] if step[0] == "." else step[1:-1].strip().strip("'\"")


def _filter_problem(filters: str) -> str:
    if not filters.strip():
        return ""
    first, *named = filters.split("|")
    if first.strip() or not named:
        return f"the template computes: {filters.strip()[:60]!r}"
    harmful = [f.strip() for f in named if not _HARMLESS.fullmatch(f.strip())]
    return f"the template computes: {harmful[0][:60]!r}" if harmful else ""


_SHORT = {
    "availability": "avty",
    "availability_topic": "avty_t",
    "device": "dev",
    "device_class": "dev_cla",
    "state_topic": "stat_t",
    "topic": "t",
    "unique_id": "uniq_id",
    "unit_of_measurement": "unit_of_meas",
    "value_template": "val_tpl",
    "manufacturer": "mf",
    "model": "mdl",
}


class Discovered(NamedTuple):
    """One sensor as announced; `json_path` is "" where the whole payload is the number.

    `json_path` is None when the template does more than pick a number; `doubt` says what.
    """

    state_topic: str
    json_path: str | None
    unit: str
    device_class: str
    name: str
    unique_id: str
    manufacturer: str
    model: str
    availability: tuple[str, ...]
    doubt: str = ""


def read_discovery(topic: str, data: bytes) -> Discovered | None:
    """The sensor announced on `{prefix}/sensor/[{node}/]{object}/config`.

    None for other topics and components, and for the empty message that withdraws a sensor. Raises
    Garbled for what is no JSON object or names no topic of its state.
    """
    levels = topic.split("/")
    if len(levels) < 4 or levels[-1] != "config" or "sensor" not in levels[-4:-2] or not data:
        return None
    fields = parse_object(data)
    device = _value(fields, "device")
    state_topic = _topic(fields, _text(fields, "state_topic"))
    if not state_topic:
        raise Garbled("a 'state_topic' in a sensor's discovery", data, topic)
    picked = read_template(_text(fields, "value_template"))
    return Discovered(
        state_topic=state_topic,
        json_path=picked.path,
        unit=_text(fields, "unit_of_measurement"),
        device_class=_text(fields, "device_class"),
        name=_text(fields, "name"),
        unique_id=_text(fields, "unique_id"),
        manufacturer=_text(device, "manufacturer"),
        model=_text(device, "model"),
        availability=tuple(_availability(fields)),
        doubt=picked.doubt,
    )


def _value(fields: Any, key: str) -> Any:
    if not isinstance(fields, Mapping):
        return None
    return fields.get(key, fields.get(_SHORT.get(key, key)))


def _text(fields: Any, key: str) -> str:
    found = _value(fields, key)
    return found if isinstance(found, str) else ""


def _topic(fields: Mapping[str, Any], topic: str) -> str:
    """`~` at the start or the end of a topic stands for the base topic under that key."""
    base = fields.get("~")
    if not isinstance(base, str) or not topic:
        return topic
    if topic.startswith("~"):
        return base + topic[1:]
    return topic[:-1] + base if topic.endswith("~") else topic


def _availability(fields: Mapping[str, Any]) -> Iterator[str]:
    rows = _value(fields, "availability")
    listed = rows if isinstance(rows, list) else [rows]
    topics = [_text(fields, "availability_topic"), *(_text(row, "topic") for row in listed)]
    yield from (_topic(fields, topic) for topic in topics if topic)
