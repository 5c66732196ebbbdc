"""A reference vector as it stands in a file, and the rows that are compared: value and unit."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson

__all__ = ["Decoder", "Entry", "Given", "Value", "entry_bytes", "read_cases", "read_entries"]

Entry = Mapping[str, Any]
Value = float | str | tuple[float, ...]


class Given(NamedTuple):
    """One thing that a decoder gave.

    `value` is None where it gave a status; `failure` are then the numbers that stand for it, which
    a maker's own decoder may print.
    """

    quantity: str
    value: Value | None
    unit: str | None
    failure: tuple[float, ...] = ()


Decoder = Callable[[Entry], list[Given]]


def entry_bytes(entry: Entry) -> bytes:
    """The payload of an entry as it came over the wire."""
    payload = entry["payload"]
    if payload["encoding"] == "hex":
        return bytes.fromhex(payload["data"])
    if payload["encoding"] == "ascii":
        return str(payload["data"]).encode("latin-1")
    return orjson.dumps(payload["data"])


def read_entries(folder: Path) -> Iterator[tuple[str, Entry]]:
    """(test id, entry) of every vector file in a folder."""
    for path in _json_files(folder):
        for entry in json.loads(path.read_text("utf-8")):
            yield f"{path.stem}:{entry['id']}", entry


def read_cases(folder: Path) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """(test id, group, case) of every reference file in a folder."""
    for path in _json_files(folder):
        for group in json.loads(path.read_text("utf-8"))["groups"]:
            for n, case in enumerate(group["cases"]):
                yield f"{path.stem}:{group['id']}[{n}]", group, case


def _json_files(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*.json"))
    if not found:
        raise FileNotFoundError(f"expected *.json files in {folder}, found none")
    return found
