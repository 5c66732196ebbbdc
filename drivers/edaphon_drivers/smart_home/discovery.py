"""Home Assistant's MQTT discovery: what a device says of a sensor before it sends numbers.

Keys and their abbreviations as in the documentation, MQTT > Discovery. It only helps to propose a
configuration: units and names are what the device's owner or firmware wrote, not facts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edaphon_drivers.faults import Garbled
from edaphon_drivers.json_message import parse_object
from edaphon_drivers.smart_home.template import read_template

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


@dataclass(frozen=True, slots=True)
class Discovered:
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
    device = _said(fields, "device")
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


def _said(fields: Any, key: str) -> Any:
    if not isinstance(fields, Mapping):
        return None
    return fields.get(key, fields.get(_SHORT.get(key, key)))


def _text(fields: Any, key: str) -> str:
    found = _said(fields, key)
    return found if isinstance(found, str) else ""


def _topic(fields: Mapping[str, Any], said: str) -> str:
    """`~` at the start or the end of a topic stands for the base topic under that key."""
    base = fields.get("~")
    if not isinstance(base, str) or not said:
        return said
    if said.startswith("~"):
        return base + said[1:]
    return said[:-1] + base if said.endswith("~") else said


def _availability(fields: Mapping[str, Any]) -> Iterator[str]:
    rows = _said(fields, "availability")
    listed = rows if isinstance(rows, list) else [rows]
    said = [_text(fields, "availability_topic"), *(_text(row, "topic") for row in listed)]
    yield from (_topic(fields, topic) for topic in said if topic)
