"""Who was heard lately on a broker, read from the journal, and what may be added for it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from edaphon.config import Configuration, JsonSource, LorawanSource
from edaphon.journal import Kind, read_only
from edaphon.model import EntryId
from edaphon.toml_input.values import instant_text
from edaphon_calibration.errors import CalibrationError
from edaphon_calibration.nomenclature import QUANTITIES
from edaphon_calibration.units import check_unit
from edaphon_drivers import lorawan
from edaphon_drivers.discovery import Discovered, read_discovery
from edaphon_drivers.faults import Fault
from edaphon_drivers.json_message import parse_object
from edaphon_drivers.payloads import Message, unpack_message
from edaphon_drivers.text_values import number_in

__all__ = ["broker_rows"]

LATELY = 20_000  # entries at the end of the journal
_MOST_NUMBERS = 12


@dataclass(slots=True)
class _Heard:
    n: int = 0
    last_ns: int = 0
    data: bytes = b""

    def take(self, received_ns: int, data: bytes) -> None:
        self.n, self.last_ns, self.data = self.n + 1, received_ns, data


def broker_rows(config: Configuration, journal: Path, name: str) -> dict[str, Any]:
    """Devices or topics with count and time of the last message; proposals for unknown ones."""
    received: dict[str, _Heard] = {}
    discovered: dict[tuple[str, str], Discovered] = {}
    for received_ns, message in _messages(journal, name):
        for place, data in _places(config.brokers[name].envelope, message):
            received.setdefault(place, _Heard()).take(received_ns, data)
        if found := _discovery(message):
            discovered[found.state_topic, found.unique_id or found.name] = found
    own = _own(config, name)
    rows: list[dict[str, Any]] = [
        {
            "place": place,
            "n": one.n,
            "last_ns": one.last_ns,
            "state": "ok" if place in own else "unknown",
        }
        for place, one in sorted(received.items())
    ]
    rows += [
        {"place": place, "n": 0, "last_ns": None, "state": "not heard"}
        for place in sorted(own - received.keys())
    ]
    announced = {one.state_topic for one in discovered.values()}
    unknown = {p: one for p, one in received.items() if p not in own and p not in announced}
    proposals = [*_announced(config, name, discovered.values(), own)]
    proposals += [_proposal(config, name, place, one.data) for place, one in unknown.items()]
    return {"name": name, "rows": rows, "proposals": proposals, "lines": _lines(name, rows)}


def _messages(journal: Path, name: str) -> Iterator[tuple[int, Message]]:
    reader = read_only(journal)
    last = reader.last
    if last is None:
        return
    start = EntryId(last.file, max(0, last.n - LATELY))
    found = reader.scan({name}, {Kind.RECORD}, start, on_damage=lambda _: None)
    for _, entry in found:
        try:
            yield entry.received_ns, unpack_message(entry.payload)
        except Fault:
            continue


def _places(envelope: str, message: Message) -> Iterator[tuple[str, bytes]]:
    """The DevEUI of an uplink, else the topic."""
    if envelope == "json":
        if not message.topic.endswith("/config"):
            yield message.topic, message.data
        return
    try:
        uplink = lorawan.read_envelope(envelope, message.topic, message.data)
    except Fault:
        yield message.topic, message.data
        return
    if uplink is not None:
        yield uplink.dev_eui, message.data


def _discovery(message: Message) -> Discovered | None:
    try:
        return read_discovery(message.topic, message.data)
    except Fault:
        return None


def _own(config: Configuration, name: str) -> set[str]:
    json = {s.topic for s in config.sources if isinstance(s, JsonSource) and s.broker == name}
    return json | {
        s.dev_eui for s in config.sources if isinstance(s, LorawanSource) and s.broker == name
    }


def _lines(name: str, rows: list[dict[str, Any]]) -> list[str]:
    lines = [f"broker {name}: {sum(bool(row['n']) for row in rows)} heard lately"]
    for row in rows:
        last = f"{row['n']} messages, last {instant_text(row['last_ns'])}" if row["n"] else ""
        lines.append(f"  {_plain(row['place']):36} {row['state']:10} {last}".rstrip())
    return lines


def _announced(config: Configuration, name: str, found: Any, own: set[str]) -> Iterator[str]:
    """One [[source]] for each topic that Home Assistant's discovery announces."""
    by_topic: dict[str, list[Discovered]] = {}
    for one in found:
        if one.state_topic not in own:
            by_topic.setdefault(one.state_topic, []).append(one)
    for topic, sensors in sorted(by_topic.items()):
        device = f"{sensors[0].manufacturer} {sensors[0].model}".strip()
        lines = [f"# announced: {_plain(device)}", *_head(name, topic)]
        for one in sensors:
            lines += _field(one)
        yield "\n".join(lines)


def _field(one: Discovered) -> Iterator[str]:
    if not one.json_path:
        why = one.doubt or "the whole payload is the number"
        yield f"# {_plain(one.name)}: {_plain(why)}"
        return
    yield "[[source.field]]"
    yield f"name = {_text(one.json_path.rpartition('.')[2])}"
    yield f"path = {_text(one.json_path)}"
    yield f'quantity = "{_quantity(one) or "?"}"  # announced as {_plain(one.device_class)}'
    yield f"unit = {_text(one.unit)}"


def _quantity(one: Discovered) -> str:
    """The only quantity that goes by the announced class and unit; "" where several might."""
    fitting = []
    for quantity in (one.device_class, f"soil_{one.device_class}"):
        if quantity in QUANTITIES:
            try:
                check_unit(one.unit, quantity)
            except CalibrationError:
                continue
            fitting.append(quantity)
    return fitting[0] if len(fitting) == 1 else ""


def _proposal(config: Configuration, name: str, place: str, data: bytes) -> str:
    if config.brokers[name].envelope != "json":
        return "\n".join(["[[source]]", f'broker = "{name}"', f"dev_eui = {_text(place)}",
                          'model = "?"  # the model sheet of this device'])  # fmt: skip
    numbers = [f"{path} = {number}" for path, number in _numbers(data)][:_MOST_NUMBERS]
    stated = f"# numbers in it: {', '.join(numbers)}" if numbers else "# no numbers in it by name"
    return "\n".join([*_head(name, place), stated])


def _head(name: str, topic: str) -> list[str]:
    return ["[[source]]", f'broker = "{name}"', f"topic = {_text(topic)}"]


def _numbers(data: bytes) -> Iterator[tuple[str, str]]:
    """The paths of a message that lead to numbers, with what stands there."""
    try:
        found = parse_object(data)
    except Fault:
        return
    yield from _walked(found, "")


def _walked(found: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(found, Mapping | list):
        members = found.items() if isinstance(found, Mapping) else enumerate(found)
        for key, value in members:
            yield from _walked(value, f"{path}.{_plain(str(key))}".lstrip("."))
    elif number_in(found) is not None:
        yield path, f"{found}" if not isinstance(found, str) else f'"{_plain(found)}" (text)'


def _text(value: str) -> str:
    return orjson.dumps(_plain(value)).decode()


def _plain(text: str) -> str:
    """A topic may be anything: nothing of it may reach a terminal as it is."""
    return "".join(c if c.isprintable() else "?" for c in text)[:200]
