"""The configuration of a simulated plot: the real one with other ports, brokers and folders."""

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from stat import S_ISDIR
from typing import Any

import orjson

from edaphon_drivers.outside import leaves

__all__ = ["Places", "followed", "left_out", "simulated_tables", "toml_text"]

NO_PARITY = "8N1"  # a pseudo-terminal has none, and can be opened with one only once
NO_SWITCH = "/dev/null"  # takes what would switch a relay, so that no real one moves
OUTWARD = frozenset({"sink", "notify"})
SIGNS_OF_LIFE = frozenset({"heartbeat_url", "heartbeat_broker", "heartbeat_topic"})


@dataclass(frozen=True, slots=True)
class Places:
    """Where the simulated plot has its things: keys to put in the place of the real ones, by name.

    `brokers` is empty where the real ones stay.
    """

    folder: Path
    buses: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    brokers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def inbox(self, real: str) -> str:
        """A copy of the inbox with the evidence in it: what is written there reaches no real one.

        What was added to the copy stays in it.
        """
        copy = self.folder / "inbox"
        copy.mkdir(parents=True, exist_ok=True)
        shutil.copytree(real, copy, ignore=_not_copied, dirs_exist_ok=True)
        return str(copy)


def _not_copied(folder: str, names: list[str]) -> list[str]:
    """Pipes, sockets, devices, links to folders, and links that leave their folder."""
    return [name for name in names if not _copied(os.path.join(folder, name), folder)]


def _copied(path: str, folder: str) -> bool:
    mode = os.lstat(path).st_mode
    return S_ISDIR(mode) or (os.path.isfile(path) and not leaves(path, folder))


def simulated_tables(table: Mapping[str, Any], places: Places) -> dict[str, Any]:
    """Nothing of it reaches a real database, person or watcher: see `left_out`."""
    found = {key: value for key, value in table.items() if key not in OUTWARD}
    found["alerts"] = {k: v for k, v in table.get("alerts", {}).items() if k not in SIGNS_OF_LIFE}
    if "inbox" in table.get("facts", {}):
        found["facts"] = {**table["facts"], "inbox": places.inbox(str(table["facts"]["inbox"]))}
    found["storage"] = {**table.get("storage", {}), "folder": str(places.folder / "data")}
    found["clock"] = {**table.get("clock", {}), "trust": "system"}
    found["bus"] = {n: _bus(n, bus, places) for n, bus in table.get("bus", {}).items()}
    found["broker"] = {n: _broker(n, row, places) for n, row in table.get("broker", {}).items()}
    found["supply"] = {n: {**row, "file": NO_SWITCH} for n, row in table.get("supply", {}).items()}
    found["source"] = [_source(row, places) for row in table.get("source", ())]
    return {key: value for key, value in found.items() if value}


def left_out(table: Mapping[str, Any]) -> Iterator[str]:
    """What of a real plot its simulated one does not have, as sentences."""
    if table.get("sink"):
        yield "the sinks are left out: simulated numbers must not reach them"
    if table.get("notify"):
        yield "the receivers ([[notify]]) are left out: nobody must be alerted of simulated faults"
    if SIGNS_OF_LIFE & table.get("alerts", {}).keys():
        yield "the sign of life (heartbeat) is left out: it would stand for the real logger"


def _bus(name: str, bus: Mapping[str, Any], places: Places) -> dict[str, Any]:
    found = {**bus, **places.buses.get(name, {"port": str(places.folder / name)})}
    if "format" in bus:
        found["format"] = NO_PARITY
    if "multiplexer" in bus:
        found["multiplexer"] = {**bus["multiplexer"], "file": NO_SWITCH}
    return found


def _broker(name: str, row: Mapping[str, Any], places: Places) -> dict[str, Any]:
    """A real broker gets another client's name, or the recorder of the real plot is thrown out."""
    if name not in places.brokers:
        return {**row, "client_id": f"edaphon-simulated-{name}"[:64]}
    kept = {key: row[key] for key in ("envelope",) if key in row}
    return {**kept, **places.brokers[name]}


def _source(row: Mapping[str, Any], places: Places) -> dict[str, Any]:
    if "file" not in row or "name" not in row:
        return dict(row)
    file = followed(places.folder, str(row["name"]), str(row["file"]))
    file.parent.mkdir(parents=True, exist_ok=True)
    return {**row, "file": str(file)}


def followed(folder: Path, name: str, file: str | Path) -> Path:
    """What the file source of that name follows in the simulated plot."""
    return folder / "files" / name / Path(file).name


def toml_text(table: Mapping[str, Any]) -> str:
    """A table of tables as TOML; what lies deeper stands in one line."""
    return "".join(_tables(table))


def _tables(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            for row in value:
                yield f"\n[[{_key(key)}]]\n" + _rows(row)
        elif isinstance(value, Mapping) and all(isinstance(v, Mapping) for v in value.values()):
            for name, row in value.items():
                yield f"\n[{_key(key)}.{_key(name)}]\n" + _rows(row)
        elif isinstance(value, Mapping):
            yield f"\n[{_key(key)}]\n" + _rows(value)


def _rows(table: Mapping[str, Any]) -> str:
    return "".join(f"{_key(key)} = {_inline(value)}\n" for key, value in table.items())


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {_inline(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, int | float):
        return repr(value)
    return _quoted(str(value))


def _key(text: str) -> str:
    plain = text.isascii() and text.replace("-", "").replace("_", "").isalnum()
    return text if plain else _quoted(text)


def _quoted(text: str) -> str:
    return orjson.dumps(text).decode().replace("\x7f", "\\u007f")
