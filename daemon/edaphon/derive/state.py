"""What the line remembers between two batches, and nothing else: it can be written and read."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from edaphon.derive.files import SourceFiles
from edaphon.model import Readings, Small

NOTES_REMEMBERED = 16


class Memory(NamedTuple):
    """The last readings of a segment that the next ones are checked against."""

    rows: Readings
    flag: Small  # as issued
    newest_ns: int

    def to_json(self) -> dict[str, Any]:
        rows = self.rows
        return {
            "time_ns": rows.time_ns.tolist(),
            "start_ns": rows.start_ns.tolist(),
            "raw": [None if x != x else x.hex() for x in rows.raw.tolist()],
            "sequence": rows.sequence.tolist(),
            "doubt": rows.source_flag.tolist(),
            "beside": [[x.hex() for x in row] for row in rows.second_input.tolist()],
            "flag": self.flag.tolist(),
            "newest_ns": self.newest_ns,
        }

    @classmethod
    def of_json(cls, table: Mapping[str, Any]) -> "Memory":
        raw = [float("nan") if x is None else float.fromhex(x) for x in table["raw"]]
        second_input = [[float.fromhex(x) for x in row] for row in table["beside"]]
        rows = Readings(
            np.array(table["time_ns"], np.int64),
            np.array(table["start_ns"], np.int64),
            np.array(raw, np.float64),
            np.array(table["sequence"], np.int64),
            np.array(table["doubt"], np.int8),
            np.array(second_input, np.float64).reshape(len(second_input), len(raw)),
        )
        return cls(rows, np.array(table["flag"], np.int8), table["newest_ns"])


class LastValue(NamedTuple):
    """The last value of a channel, for chains that take it as a second input; in its unit.

    `place` is the sequence up to which the journal was read when its record was placed.
    """

    place: int
    time_ns: int
    value: float
    u_random: float
    u_systematic: float

    def to_json(self) -> list[Any]:
        return [*self[:2], *(x.hex() for x in self[2:])]

    @classmethod
    def of_json(cls, table: list[Any]) -> "LastValue":
        return cls(table[0], table[1], *map(float.fromhex, table[2:]))


class Uplink(NamedTuple):
    """A LoRaWAN frame that came; `digest` of its bytes is "" where an earlier version kept none."""

    session: str
    f_cnt: int
    f_port: int
    digest: str = ""


class UplinkConflicts(NamedTuple):
    """How often a device's frame came again with other bytes, and both of the last time."""

    n: int = 0
    received_ns: int = 0
    f_cnt: int = 0
    first: str = ""  # digest of the bytes that came first and stand
    further: str = ""  # digest of the others
    begins: str = ""  # their first bytes, hexadecimal


@dataclass(slots=True)
class RecordCounts:
    """The ledger of entries: records = decoded + dead letters + duplicates + conflicts + held.

    A conflict is an uplink whose frame came before with other bytes.
    """

    records: int = 0
    decoded: int = 0
    dead: int = 0
    duplicates: int = 0
    held: int = 0
    conflicts: int = 0


@dataclass(slots=True)
class PipelineState:
    """Changed by `step` in place; `to_json` and `of_json` are exact."""

    counts: RecordCounts = field(default_factory=RecordCounts)
    derived: dict[str, int] = field(default_factory=dict)  # by channel, revisions not counted
    memory: dict[str, Memory] = field(default_factory=dict)  # by segment key
    boots: dict[str, tuple[int, int]] = field(default_factory=dict)  # offset [ns], sequence
    held: dict[str, list[int]] = field(default_factory=dict)  # by boot, sequences
    # Sequences of records of one boot whose clock has become known; they come before later entries.
    due: list[int] = field(default_factory=list)
    serials: dict[str, str] = field(default_factory=dict)  # by path, as the sensor last reported
    told_ns: dict[str, int] = field(default_factory=dict)  # by path, when it did, if that is known
    uplinks: dict[str, list[Uplink]] = field(default_factory=dict)  # by path, the latest
    uplink_conflicts: dict[str, UplinkConflicts] = field(default_factory=dict)  # by path
    uplinks_missed: dict[str, int] = field(default_factory=dict)  # by path
    files: dict[str, SourceFiles] = field(default_factory=dict)  # by path
    gaps: dict[str, int] = field(default_factory=dict)  # by cause, slots of closed gaps
    seen: dict[str, int] = field(default_factory=dict)  # by path, measured time of the latest [ns]
    latest: dict[str, LastValue] = field(default_factory=dict)  # by channel
    notes: dict[str, dict[str, int]] = field(default_factory=dict)  # by path and what, records
    aside: list[int] = field(default_factory=list)  # records that the guard has set aside
    configuration: int = 0  # sequence of the configuration in force, 0 before the first
    placed: int = 0  # the highest sequence of a record that was placed
    displaced: list[tuple[int, int]] = field(default_factory=list)  # placed behind later ones
    # Records that waited for their clock: sequences of the first, of the last, of the clock entry.
    waited: list[tuple[int, int, int]] = field(default_factory=list)

    def note(self, path: str, what: str) -> None:
        """Count what made no value, under its words; beyond NOTES_REMEMBERED of them as others."""
        own = self.notes.setdefault(path, {})
        name = what if what in own or len(own) < NOTES_REMEMBERED else "others"
        own[name] = own.get(name, 0) + 1

    def to_json(self) -> dict[str, Any]:
        """In the order of the fields."""
        own = {name: getattr(self, name) for name in self.__slots__}
        own["counts"] = {name: getattr(self.counts, name) for name in RecordCounts.__slots__}
        for name in _TYPED:
            own[name] = {key: value.to_json() for key, value in own[name].items()}
        own["uplinks"] = {path: [list(u) for u in known] for path, known in self.uplinks.items()}
        own["uplink_conflicts"] = {p: list(row) for p, row in self.uplink_conflicts.items()}
        return own

    @classmethod
    def of_json(cls, table: Mapping[str, Any]) -> "PipelineState":
        """What an earlier version did not write is as in a new one."""
        own = deepcopy({name: table[name] for name in cls.__slots__ if name in table})
        own["counts"] = RecordCounts(**own["counts"])
        for name, kind in _TYPED.items():
            own[name] = {key: kind.of_json(row) for key, row in own.get(name, {}).items()}
        own["uplinks"] = {p: [Uplink(*u) for u in known] for p, known in own["uplinks"].items()}
        conflicts = own.get("uplink_conflicts", {})
        own["uplink_conflicts"] = {p: UplinkConflicts(*row) for p, row in conflicts.items()}
        own["boots"] = {boot: tuple(pair) for boot, pair in own["boots"].items()}
        return cls(**own | {name: list(map(tuple, own[name])) for name in ("displaced", "waited")})


_TYPED: Mapping[str, Any] = {"memory": Memory, "files": SourceFiles, "latest": LastValue}
