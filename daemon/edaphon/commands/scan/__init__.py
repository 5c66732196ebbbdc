"""`edaphon scan`: who is on lines, brokers and ports, held against the configuration."""

import string
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from edaphon.acquire.line_tools import SDI12_KINDS
from edaphon.commands.scan.ports import port_rows
from edaphon.commands.scan.pushed import broker_rows
from edaphon.config import Bus, Configuration, ScheduledSource
from edaphon.printer import overwrite, show_json, show_line
from edaphon.service.line_tools import opened_line_tools
from edaphon.storage.access import Storage, fail, open_storage
from edaphon.storage.client import DaemonRefuses

__all__ = ["scan"]

USAGE, INTERRUPTED = 2, 130
OK, MISSING, UNKNOWN, CONTRADICTED = "ok", "missing", "unknown", "contradicted"
_SDI12 = string.digits + string.ascii_lowercase + string.ascii_uppercase
_MODBUS = tuple(map(str, range(1, 248)))
_AT_ONCE = 4  # addresses of one request: so long until the progress shows and Ctrl-C is heard
_W1_MODELS = {"10": "maxim.ds18s20", "28": "maxim.ds18b20"}
_W1_FOLDERS = "[0-9a-f][0-9a-f]-" + 12 * "[0-9a-f]"

Row = dict[str, Any]


def scan(
    bus: Annotated[str | None, typer.Argument(help="name of a bus or broker; none: all")] = None,
    addresses: Annotated[
        str, typer.Option(help="only these, such as 1-20 (Modbus) or 0-9,a-f (SDI-12)")
    ] = "",
    file: Annotated[Path | None, typer.Option("--config", help="edaphon.toml")] = None,
    json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Ask who is there and compare it with the configuration; recording goes on.

    Exit 1 when an instrument is missing, another one than deployed, or two share an address.
    """
    storage = open_storage(file)
    names = [*storage.config.buses, *storage.config.brokers]
    if bus is not None and bus not in names:
        raise fail(f"expected the name of a bus or broker ({', '.join(names)}), got {bus!r}", USAGE)
    found = _found(storage, bus, addresses)
    if json:
        show_json(found)
    else:
        for line in _lines(found):
            show_line(line)
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
    with _progress() as show:
        while group := list(islice(left, _AT_ONCE)):
            show(f"{name}: {done} of {len(addresses)} addresses asked, now {group[0]}")
            yield from ask("probe", bus=name, addresses=group)["rows"]
            done += len(group)


@contextmanager
def _progress() -> Iterator[Any]:
    """Shown to a person only, and wiped out at the end."""
    yield overwrite
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


# -- what is told --------------------------------------------------------------------------


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
    stated = " ".join(filter(None, _said(row["identity"]))) or "it tells no identity"
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


def _said(identity: Mapping[str, str] | None) -> list[str]:
    return [identity[key] for key in ("vendor", "model", "version", "serial")] if identity else []


def _lines(found: dict[str, Any]) -> Iterator[str]:
    for bus in found["buses"]:
        note = bus.get("note") or f"{bus['asked']} addresses asked"
        yield f"bus {bus['name']} ({bus['kind']}, {bus['port']}): {bus['trouble'] or note}"
        for row in bus["rows"]:
            stated = " ".join(filter(None, [*_said(row["identity"]), row["words"], row["model"]]))
            yield f"  {row['path']:20} {row['state']:20} {stated}".rstrip()
    for broker in found["brokers"]:
        yield from broker["lines"]
    for port in found["ports"]:
        yield f"port {port['port']}  {port['what']}: {port['use']}"
    for words in found.get("explanations", ()):
        yield f"TROUBLE {words}"
    if found["proposals"]:
        yield from ("", "For edaphon.toml:", "")
        yield from "\n\n".join(found["proposals"]).split("\n")
    if found["interrupted"]:
        yield "interrupted: not everybody was asked"
