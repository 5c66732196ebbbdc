"""`edaphon scan`: who is on lines, brokers and ports, held against the configuration."""

import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from edaphon.acquire.line_tools import SDI12_KINDS
from edaphon.clock import instant_text
from edaphon.commands.options import INTERRUPTED, USAGE, Config, Json
from edaphon.config import Bus, Configuration, JsonSource, LorawanSource, ScheduledSource
from edaphon.journal import Kind, read_only
from edaphon.model import EntryId
from edaphon.printer import overwrite, show_found
from edaphon.service.check import open_storage
from edaphon.service.line_tools import opened_line_tools
from edaphon.storage.access import Storage, fail
from edaphon.storage.client import DaemonRefuses
from edaphon_calibration.errors import CalibrationError
from edaphon_calibration.nomenclature import QUANTITIES
from edaphon_calibration.units import check_unit
from edaphon_drivers import lorawan
from edaphon_drivers.discovery import Discovered, read_discovery
from edaphon_drivers.faults import Fault
from edaphon_drivers.json_message import parse_object
from edaphon_drivers.readings import Message, unpack_message
from edaphon_drivers.text_values import number_in

BY_IDENTITY = Path("/dev/serial/by-id")


def port_rows(config: Configuration, by_identity: Path = BY_IDENTITY) -> Iterator[dict[str, Any]]:
    """Each port with what is known of its adapter; then the configured ports that are not there."""
    wanted = {name: bus.port for name, bus in config.buses.items() if bus.port.startswith("/")}
    seen: set[str] = set()
    for identity, device, what in _adapters(by_identity):
        users = [name for name, port in wanted.items() if _is_same(port, device)]
        seen |= set(users)
        use = f"bus {', '.join(users)}" if users else "used by no bus"
        yield {"port": identity, "what": what, "use": use, "buses": users, "trouble": ""}
    for name, port in wanted.items():
        if name not in seen and not Path(port).exists():
            problem = f"bus {name}: expected a port at {port}, there is none; plug the adapter in"
            row = {"port": port, "what": "is not there", "use": f"bus {name}", "buses": [name]}
            yield {**row, "trouble": problem}


def _adapters(by_identity: Path) -> Iterator[tuple[str, str, str]]:
    """(path by identity if there is one, device, what it says of itself)."""
    from serial.tools.list_ports import comports

    links = {str(p.resolve()): str(p) for p in by_identity.glob("*")}
    for port in sorted(comports(), key=lambda p: str(p.device)):
        if port.vid is None and port.device not in links:
            continue  # the sixteen ttyS of a PC, mostly without a plug
        stated = filter(None, (port.manufacturer, port.product, port.serial_number))
        yield links.get(port.device, port.device), port.device, " ".join(stated) or port.description


def _is_same(port: str, device: str) -> bool:
    return str(Path(port).resolve()) == device


LATELY = 20_000  # entries at the end of the journal
_MOST_NUMBERS = 12


@dataclass(slots=True)
class _Pushed:
    n: int = 0
    last_ns: int = 0
    data: bytes = b""

    def take(self, received_ns: int, data: bytes) -> None:
        self.n, self.last_ns, self.data = self.n + 1, received_ns, data


def broker_rows(config: Configuration, journal: Path, name: str) -> dict[str, Any]:
    """Devices or topics with count and time of the last message; proposals for unknown ones."""
    received: dict[str, _Pushed] = {}
    discovered: dict[tuple[str, str], Discovered] = {}
    for received_ns, message in _messages(journal, name):
        for place, data in _places(config.brokers[name].envelope, message):
            received.setdefault(place, _Pushed()).take(received_ns, data)
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
        {"place": place, "n": 0, "last_ns": None, "state": "nothing received"}
        for place in sorted(own - received.keys())
    ]
    announced = {one.state_topic for one in discovered.values()}
    unknown = {p: one for p, one in received.items() if p not in own and p not in announced}
    proposals = [*_announced(config, name, discovered.values(), own)]
    proposals += [_pushed_proposal(config, name, place, one.data) for place, one in unknown.items()]
    return {"name": name, "rows": rows, "proposals": proposals, "lines": _read_lines(name, rows)}


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


def _read_lines(name: str, rows: list[dict[str, Any]]) -> list[str]:
    lines = [f"broker {name}: {sum(bool(row['n']) for row in rows)} received lately"]
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


def _pushed_proposal(config: Configuration, name: str, place: str, data: bytes) -> str:
    if config.brokers[name].envelope != "json":
        return "\n".join(["[[source]]", f'broker = "{name}"', f"dev_eui = {_text(place)}",
                          'model = "?"  # the model sheet of this device'])  # fmt: skip
    numbers = [f"{path} = {number}" for path, number in _numbers(data)][:_MOST_NUMBERS]
    stated = f"# numbers in it: {', '.join(numbers)}" if numbers else "# no numbers in it by name"
    return "\n".join([*_head(name, place), stated])


def _head(name: str, topic: str) -> list[str]:
    return ["[[source]]", f'broker = "{name}"', f"topic = {_text(topic)}"]


def _numbers(data: bytes) -> Iterator[tuple[str, str]]:
    """The paths of a message that lead to numbers, with the value there."""
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


OK, MISSING, UNKNOWN, CONTRADICTED = "ok", "missing", "unknown", "contradicted"
_SDI12 = string.digits + string.ascii_lowercase + string.ascii_uppercase
_MODBUS = tuple(map(str, range(1, 248)))
_AT_ONCE = 4  # addresses of one request: so long until the progress shows and Ctrl-C ends it
_W1_MODELS = {"10": "maxim.ds18s20", "28": "maxim.ds18b20"}
_W1_FOLDERS = "[0-9a-f][0-9a-f]-" + 12 * "[0-9a-f]"
Row = dict[str, Any]


def scan(
    bus: Annotated[str | None, typer.Argument(help="name of a bus or broker; default: all")] = None,
    addresses: Annotated[
        str, typer.Option(help="only these, such as 1-20 (Modbus) or 0-9,a-f (SDI-12)")
    ] = "",
    file: Config = None,
    json: Json = False,
) -> None:
    """Find the instruments on lines and brokers and compare them with the configuration.

    Recording goes on. Exit 1 if an instrument is missing, is not the deployed one, or shares its
    address.
    """
    storage = open_storage(file)
    names = [*storage.config.buses, *storage.config.brokers]
    if bus is not None and bus not in names:
        raise fail(f"expected the name of a bus or broker ({', '.join(names)}), got {bus!r}", USAGE)
    found = _found(storage, bus, addresses)
    show_found(json, found, _lines(found))
    if found["interrupted"]:
        raise typer.Exit(INTERRUPTED)
    if found["problems"]:
        raise typer.Exit(1)


def _found(storage: Storage, only: str | None, addresses: str) -> dict[str, Any]:
    config = storage.config
    found: dict[str, Any] = {"buses": [], "brokers": [], "ports": [], "interrupted": False}
    chosen = {n: b for n, b in config.buses.items() if only in {None, n}}
    asked = {n: _addresses(config, n, b, addresses) for n, b in chosen.items()}
    if chosen:
        with opened_line_tools(storage) as ask:
            for name, table in chosen.items():
                found["buses"].append(_bus(config, name, table, asked[name], ask))
                found["interrupted"] |= found["buses"][-1]["interrupted"]
                if found["interrupted"]:
                    break
            found["explanations"] = _contradicted(found["buses"], ask)
    received = [name for name in config.brokers if only in {None, name}]
    found["brokers"] = [broker_rows(config, storage.layout.journal, name) for name in received]
    if only is None:
        found["ports"] = list(port_rows(config))
    found["proposals"] = list(_proposals(config, found))
    found["problems"] = list(_problems(found))
    return found


# -- lines that are asked ------------------------------------------------------------------


def _addresses(config: Configuration, name: str, table: Bus, given: str) -> list[str]:
    """Those to be asked, each once; where nobody can be looked for, the configured ones."""
    sources = [s for s in config.sources if isinstance(s, ScheduledSource) and s.bus == name]
    own = [s.address for s in sources]
    engines = {config.sheet(s).engine for s in sources}
    if given:
        known = _SDI12 if table.kind in SDI12_KINDS else _MODBUS
        return list(dict.fromkeys(_written(given, tuple(known))))
    if table.kind in SDI12_KINDS:
        return list(dict.fromkeys([*own, *_SDI12]))
    if table.kind in {"serial", "modbus-tcp"} and engines <= {"modbus"}:
        return list(dict.fromkeys([*own, *_MODBUS]))
    return list(dict.fromkeys(own))


def _written(text: str, known: Sequence[str]) -> Iterator[str]:
    """1-20,30 or 0-9,a-f as addresses."""
    for part in text.split(","):
        first, dash, last = (word.strip() for word in part.partition("-"))
        if first not in known or (dash and last not in known):
            words = f"{known[0]} to {known[-1]}, such as {known[1]}-{known[3]}"
            raise fail(f"expected addresses from {words}, got {part!r}", USAGE)
        start, end = known.index(first), known.index(last or first)
        yield from known[start : end + 1]


def _bus(
    config: Configuration, name: str, table: Bus, addresses: list[str], ask: Any
) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "kind": table.kind, "port": table.port, "trouble": ""}
    found |= {"asked": len(addresses), "rows": [], "interrupted": False}
    if table.kind == "stream":
        return found | {"asked": 0, "note": "talks by itself: nobody is asked"}
    if table.kind == "w1":
        return found | _thermometers(config, name, table)
    configured = {
        s.path: s for s in config.sources if isinstance(s, ScheduledSource) and s.bus == name
    }
    try:
        for row in _asked(name, addresses, ask):
            if judged := _judged(row, configured, config):
                found["rows"].append(judged)
    except DaemonRefuses as refusal:
        found["trouble"] = str(refusal)
    except KeyboardInterrupt:
        found["interrupted"] = True
    return found


def _asked(name: str, addresses: list[str], ask: Any) -> Iterator[Row]:
    left = iter(addresses)
    done = 0
    while group := list(islice(left, _AT_ONCE)):
        overwrite(f"{name}: {done} of {len(addresses)} addresses asked, now {group[0]}")
        yield from ask("probe", bus=name, addresses=group)["rows"]
        done += len(group)
    overwrite("")


def _judged(
    row: Row, configured: Mapping[str, ScheduledSource], config: Configuration
) -> Row | None:
    """The row in the words of the configuration; None for silence that nobody expects to end."""
    source = configured.get(row["path"])
    row = {**row, "model": source.model if source else ""}
    if row["state"] == "silent":
        return {**row, "state": MISSING, "words": "no answer"} if source else None
    if row["state"] == "answers":
        guess = "" if source else _guess(config, row["identity"])
        return {**row, "state": OK if source else UNKNOWN, "guess": guess}
    return row


def _guess(config: Configuration, identity: Mapping[str, str] | None) -> str:
    """The model sheet whose name is nearest to what the instrument says of itself; "" if none."""
    if identity is None:
        return ""
    stated = f"{identity['vendor']}.{identity['model']}".lower().replace(" ", "-")
    return next(iter(get_close_matches(stated, config.sheets.names(), 1, 0.8)), "")


def _thermometers(config: Configuration, name: str, table: Bus) -> dict[str, Any]:
    """The kernel's folder lists who is on a 1-wire bus."""
    folder = Path(table.port)
    if not folder.is_dir():
        words = f"expected the kernel's folder of 1-wire devices, got nothing at {folder}"
        return {"trouble": f"{words}; load w1-gpio and w1-therm"}
    there = {path.name for path in folder.glob(_W1_FOLDERS)}
    own = {s.address: s for s in config.sources if isinstance(s, ScheduledSource) and s.bus == name}
    rows = []
    for address in sorted(there | own.keys()):
        state = (OK if address in there else MISSING) if address in own else UNKNOWN
        model = own[address].model if address in own else ""
        path = own[address].path if address in own else f"{name}/{address}"
        row = {"path": path, "address": address, "state": state, "model": model}
        guess = _W1_MODELS.get(address[:2], "")
        rows.append({**row, "identity": None, "words": "", "guess": guess})
    return {"asked": len(rows), "rows": rows}


def _contradicted(buses: list[dict[str, Any]], ask: Any) -> list[str]:
    """Marks the rows where another sensor than the deployed one answers; what explains it."""
    rows = {row["path"]: row for bus in buses for row in bus["rows"]}
    reported = {path: (row["identity"] or {}).get("serial", "") for path, row in rows.items()}
    found = ask("contradictions", **{"told": reported})
    for one in found["rows"]:
        row = rows[one["path"]]
        if row["state"] == OK:
            words = f"expected sensor {one['expected']}, {one['reported']} answers"
            row |= {"state": CONTRADICTED, "words": words}
    explanations: list[str] = found["explanations"]
    return explanations


# -- what is shown -------------------------------------------------------------------------


def _problems(found: dict[str, Any]) -> Iterator[str]:
    for bus in found["buses"]:
        if bus["trouble"]:
            yield f"bus {bus['name']}: {bus['trouble']}"
        for row in bus["rows"]:
            if row["state"] not in {OK, UNKNOWN}:
                yield f"{row['path']}: {row['state']}" + (f", {row['words']}" * bool(row["words"]))
    yield from found.get("explanations", ())
    yield from (port["trouble"] for port in found["ports"] if port["trouble"])


def _proposals(config: Configuration, found: dict[str, Any]) -> Iterator[str]:
    for bus in found["buses"]:
        for row in bus["rows"]:
            if row["state"] == UNKNOWN:
                yield _proposal(bus["name"], row)
    for broker in found["brokers"]:
        yield from broker["proposals"]


def _proposal(bus: str, row: Row) -> str:
    stated = " ".join(filter(None, _identity_words(row["identity"]))) or "it gives no identity"
    guess = row.get("guess") or ""
    doubt = f"guessed from: {stated}" if guess and row["identity"] else stated
    branch = row["path"].partition("@")[2]
    lines = [
        "[[source]]",
        f'bus = "{bus}"',
        f'address = "{row["address"]}"',
        *([f'branch = "{branch}"'] if branch else []),
        f'model = "{guess or "?"}"  # {doubt}',
        'interval = "10min"',
    ]
    return "\n".join(lines)


def _identity_words(identity: Mapping[str, str] | None) -> list[str]:
    return [identity[key] for key in ("vendor", "model", "version", "serial")] if identity else []


def _lines(found: dict[str, Any]) -> Iterator[str]:
    for bus in found["buses"]:
        note = bus.get("note") or f"{bus['asked']} addresses asked"
        yield f"bus {bus['name']} ({bus['kind']}, {bus['port']}): {bus['trouble'] or note}"
        for row in bus["rows"]:
            stated = " ".join(
                filter(None, [*_identity_words(row["identity"]), row["words"], row["model"]])
            )
            yield f"  {row['path']:20} {row['state']:20} {stated}".rstrip()
    for broker in found["brokers"]:
        yield from broker["lines"]
    for port in found["ports"]:
        yield f"port {port['port']}  {port['what']}: {port['use']}"
    for words in found.get("explanations", ()):
        yield f"PROBLEM {words}"
    if found["proposals"]:
        yield from ("", "For edaphon.toml:", "")
        yield from "\n\n".join(found["proposals"]).split("\n")
    if found["interrupted"]:
        yield "interrupted: not everybody was asked"
