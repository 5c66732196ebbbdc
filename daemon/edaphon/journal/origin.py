"""Which machine a journal was begun on: its copy on another machine gets an id of its own.

A card that is copied takes the journal's id with it, and everything that is named after the id:
two loggers would take each other's session at a broker. The serial number of the board and the
addresses of its network hardware do not travel with a card.
"""

import contextlib
import os
import uuid
from pathlib import Path
from typing import NamedTuple

import orjson

__all__ = ["Origin", "machine_marks", "origin_of"]

_NAME = "origin.json"
_SERIAL = "proc/device-tree/serial-number"  # of a Raspberry Pi and its like
_NETWORK = "sys/class/net"
_PERMANENT, _LOCAL_BIT = "0", 0x02
_NAMED = 12


class Origin(NamedTuple):
    """`journal` is the id in force, `machine` the marks of the machine that it is used on.

    `named` is the part of the id in names that are given after the journal, "" where a version
    began it that knew no machines and gave them without.
    """

    journal: str
    machine: tuple[str, ...]
    named: str

    def write(self, folder: Path) -> None:
        """Durable, or as it was before; raises OSError."""
        if _read(folder) == self:
            return
        part = folder / f"{_NAME}.new"
        with part.open("wb") as file:
            file.write(orjson.dumps(self._asdict()))
            file.flush()
            os.fsync(file.fileno())
        part.rename(folder / _NAME)


def origin_of(folder: Path, known: str | None, machine: tuple[str, ...]) -> Origin:
    """The origin of a journal folder on this machine; `known` is the id in its newest file.

    Another machine is one that shares no mark with the first; one without marks is never another.
    """
    stated = _read(folder)
    if stated is None and known is not None:
        return Origin(known, machine, "")
    another = stated is not None and stated.machine and machine
    if stated is None or (another and not set(stated.machine) & set(machine)):
        id = uuid.uuid4().hex
        return Origin(id, machine, id[:_NAMED])
    return stated._replace(machine=machine or stated.machine)


def machine_marks(root: Path = Path("/")) -> tuple[str, ...]:
    """What tells this machine from others and is no file of its card; empty where nothing does."""
    marks = []
    with contextlib.suppress(OSError):
        serial = (root / _SERIAL).read_bytes().strip(b"\0 \n").decode("ascii", "replace")
        if serial.strip("0"):
            marks.append(f"serial {serial}")
    for card in sorted((root / _NETWORK).glob("*/device")):
        with contextlib.suppress(OSError, ValueError):
            address = (card.parent / "address").read_text("ascii").strip()
            kind = (card.parent / "addr_assign_type").read_text("ascii").strip()
            if kind == _PERMANENT and not int(address[:2], 16) & _LOCAL_BIT:
                marks.append(f"address {address}")
    return tuple(marks)


def _read(folder: Path) -> Origin | None:
    try:
        table = orjson.loads((folder / _NAME).read_bytes())
        origin = Origin(**{**table, "machine": tuple(table["machine"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return origin if isinstance(origin.journal, str) and origin.journal else None
