"""A turn of the deriver is short whatever the entries hold, and leaves little in memory."""

from pathlib import Path

import orjson
import pytest

from edaphon.clock import SystemClock
from edaphon.derive.deriver import Deriver
from edaphon.derive.rederive import BATCH_BYTES, READINGS
from edaphon.journal import Entry, Journal, Kind
from edaphon.series import Series
from edaphon_drivers.readings import Piece, pack_piece

ROWS = 1000  # of a piece, each of one reading
PIECES = 60
MODEL = """
[logger]
id = "l"
[site]
id = "s"
[storage]
folder = "/nowhere"
[[source]]
name = "log"
file = "/nowhere/*.csv"
model = "own.csv"
settings = { utc_offset = "+00:00" }
[model."own.csv"]
title = "a table"
engine = "file"
[model."own.csv".frame]
form = "table"
separator = "comma"
column = [{ name = "t", output = "t" }]
time = { columns = ["time"], formats = ["%Y-%m-%d %H:%M:%S"] }
[[model."own.csv".output]]
name = "t"
quantity = "soil_temperature"
unit = "degC"
[[plot]]
id = "p"
[[channel]]
id = "c"
plot = "p"
quantity = "soil_temperature"
unit = "degC"
depth_cm = 5
"""
HEADER = b"time,t\n"


def entry(kind: Kind, payload: bytes, source: str = "") -> Entry:
    return Entry(kind, 1_790_000_000 * 10**9, 10**9, "boot", source, payload)


def configuration() -> Entry:
    table = {"file": "edaphon.toml", "sha256": "", "text": MODEL}
    return entry(Kind.CONFIGURATION, orjson.dumps(table))


def clock() -> Entry:
    table = {"offset_ns": 1_790_000_000 * 10**9 - 10**9, "error_ns": 1, "how": "ntp"}
    return entry(Kind.CLOCK, orjson.dumps(table))


def piece(n: int) -> Entry:
    rows = (
        f"2026-{n // 28 + 1:02}-{n % 28 + 1:02} {k // 60:02}:{k % 60:02}:00,{k % 50}.5\n"
        for k in range(ROWS)
    )
    packed = pack_piece(Piece("a.csv", n, HEADER, "".join(rows).encode()))
    return entry(Kind.RECORD, packed, "file/log")


@pytest.mark.parametrize("known_first", [True, False], ids=["as they come", "held for their clock"])
def test_a_turn_takes_few_readings_whatever_the_entries_hold(
    tmp_path: Path, known_first: bool
) -> None:
    """Of 4,000 pieces of a file it took millions at once, and so of all that waited for a clock."""
    pieces = [piece(n) for n in range(PIECES)]
    with Journal(tmp_path / "journal", SystemClock()) as journal:
        last = [clock(), *pieces] if known_first else [*pieces, clock()]
        journal.append([configuration(), *last])
        journal.append_now(entry(Kind.NOTE, b"{}"))
        series = Series(tmp_path / "series.sqlite")
        deriver = Deriver(journal, series, tmp_path / "again.sqlite")
        steps, more = [0], True
        while more:
            more = deriver.turn()
            counts = deriver.state.counts
            assert counts.records == counts.decoded + counts.held
            steps.append(counts.decoded)
            if len(steps) % 2:  # a new life in between loses none and takes none twice
                deriver.flush()
                deriver = Deriver(journal, series, tmp_path / "again.sqlite")
        series.close()
    assert steps[-1] == PIECES
    most = max(b - a for a, b in zip(steps, steps[1:], strict=False))
    assert 0 < most * ROWS <= READINGS
    assert most * len(pieces[0].payload) <= BATCH_BYTES or not known_first
