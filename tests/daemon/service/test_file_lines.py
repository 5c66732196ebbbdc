"""A followed file from its lines to status, verify, the log and explain."""

import logging
from pathlib import Path

import orjson
import pytest
from tests.daemon.commands.calling import call, call_json, until
from tests.stories.station import Station

from edaphon.clock import SystemClock
from edaphon.derive.files import FileAccount, SourceFiles
from edaphon.journal import Entry, Journal, Kind
from edaphon.service.notes import REFUSED_IS_A_PROBLEM_NS, line_rows, refusal_problems
from edaphon.service.process import running
from edaphon.toml_input.values import instant_ns
from edaphon_drivers.files.lines import LineCounts, RefusedLine
from edaphon_drivers.readings import Follows, Piece, pack_piece

NOON_NS = instant_ns("2026-04-01T12:00:00Z")
MODEL = """
[model."own.csv"]
title = "own"
engine = "file"
output = [{ name = "x", quantity = "soil_temperature", unit = "degC" }]
[model."own.csv".frame]
form = "table"
separator = "comma"
column = [{ name = "X", output = "x" }]
time = { columns = ["Time"], formats = ["%Y-%m-%d %H:%M:%S"], utc_offset = "+00:00"SPREAD }
[[source]]
name = "log"
file = "@/log.csv"
model = "own.csv"
"""
FACTS = [
    '[[plot]]\nid = "P"\n[[channel]]\nid = "x"\nplot = "P"\nquantity = "soil_temperature"\n'
    'unit = "degC"\ndepth_cm = 5\n[[deployment]]\nid = "d"\nchannel = "x"\nsource = "file/log"\n'
    'output = "x"\n'
]
LARGE = 256_000_000
HEADER = b"Time,X\n"


def entry(kind: Kind, n: int, source: str, payload: bytes) -> Entry:
    return Entry(kind, NOON_NS + n * 10**9, n * 10**9, "boot-1", source, payload)


def journalled(folder: Path, *pieces: bytes, spread: str = "", second: int = 99) -> Station:
    """The pieces of a file as they were journalled, and the service off.

    Those from number `second` on stand in the second file of the journal.
    """
    model = MODEL.replace("@", str(folder)).replace("SPREAD", spread)
    station = Station(folder, [model], FACTS)
    text = station.file.read_text()
    configuration = orjson.dumps({"file": "edaphon.toml", "sha256": "", "text": text})
    with Journal(station.storage / "journal", SystemClock()) as journal:
        journal.append_now(entry(Kind.CONFIGURATION, 0, "", configuration))
    call(station, "apply")
    name, line, offset = str(folder / "log.csv"), 1, len(HEADER)
    entries = [entry(Kind.CLOCK, 1, "", orjson.dumps({"offset_ns": NOON_NS}))]
    for n, data in enumerate(pieces):
        lines = data.count(b"\n") + (not n)
        follows = Follows.ON if n else Follows.BEGINS
        one = Piece(name, offset, HEADER, data, line, lines, 1, follows, not n)
        entries.append(entry(Kind.RECORD, 10 + n, "file/log", pack_piece(one)))
        line, offset = line + lines, offset + len(data)
    parts = (
        (entries[: second + 1], LARGE),
        (entries[second + 1 :][:1], 1),
        (entries[second + 2 :], LARGE),
    )
    for part, largest_bytes in [part for part in parts if part[0]]:
        with Journal(station.storage / "journal", SystemClock(), largest_bytes) as journal:
            for each in part:
                journal.append_now(each)
    return station


def test_verify_closes_the_ledger_of_lines_and_of_rows_of_one_time(tmp_path: Path) -> None:
    rows = b"".join(b"2026-04-01 11:00:%02d,4.%d\n" % (s, n) for n, s in enumerate((1, 2, 1, 2)))
    station = journalled(tmp_path, rows + b"2026-04-01,4.1\n\n2026-04-01 11:00:02,4.1\n")
    text, _ = call(station, "verify")
    assert "5 derived = 2 current + 2 conflicts + 1 repeats + 0 replaced   ok" in text
    account = "8 lines = 5 rows + 1 headers + 1 blank + 1 refused; line 6:"
    assert f"file/log {tmp_path}/log.csv: {account}" in text
    found = call_json(station, "verify")
    assert found["good"]
    (row,) = found["file_lines"]["files"]
    assert row["latest_refused"][0]["text"] == "2026-04-01,4.1"


def test_verify_finds_lines_that_were_lost_and_an_account_that_was_kept_wrongly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = b"2026-04-01 11:00:01,4.5\n"
    station = journalled(tmp_path, row, row.replace(b":01", b":02"))
    call(station, "verify")
    whole = FileAccount.take
    monkeypatch.setattr(FileAccount, "take", lambda s, counts, *more: whole(s, LineCounts(), *more))
    text, config_error = call(station, "verify", codes=(1,))
    assert "2 rows" not in text
    assert "RECORDS MISSING" in config_error
    assert "the account kept while running differs from that of the journal   OPEN" in text


@pytest.mark.parametrize("lost", [(1,), (1, 2), (2,)])
def test_the_account_of_lines_closes_once_their_loss_is_noted(
    tmp_path: Path, lost: tuple[int, ...]
) -> None:
    row = b"2026-04-01 11:00:01,4.5\n"
    pieces = [row.replace(b":01", b":%02d" % n) for n in range(1, 7)]
    station = journalled(tmp_path, *pieces, second=3)
    folder = station.storage / "journal"
    account = "7 lines = 6 rows + 1 headers + 0 blank + 0 refused"
    assert account in call(station, "verify")[0]
    values = call(station, "query", "x")
    for number in lost:
        (folder / f"journal-{number:06d}.sqlite").unlink()
    call(station, "verify", codes=(1,))
    call(station, "salvage", "--acknowledge")
    assert account in call(station, "verify")[0]
    with running(station.file):
        (kept,) = call_json(station, "status", codes=(0, 1))["file_lines"]
        assert kept["lines"] == 7
        call(station, "verify")
    for _ in range(2):
        assert account in call(station, "verify")[0]
        assert call(station, "query", "x") == values
        call(station, "rebuild")


def test_explain_dates_a_row_by_the_lines_before_its_piece(tmp_path: Path) -> None:
    stamp = b"2026-04-01 11:00:01,"
    spread = ", spread = { rows = 4, within_s = 1 }"
    station = journalled(
        tmp_path, stamp + b"4.0\n", stamp + b"4.1\n" + stamp + b"4.2\n", spread=spread
    )
    call(station, "verify")
    rows = call(station, "query", "x", "--format", "csv")[0].splitlines()[1:]
    assert len(rows) == 3
    way = call_json(station, "explain", "x", "2026-04-01T11:00:01.5Z")
    assert way["agrees"]
    assert way["reading"]["number"] == 4.2
    assert way["reading"]["own_time"] == "2026-04-01T11:00:01.5Z"
    assert way["reading"]["time_from"].startswith("the instrument's")


def test_status_and_log_show_a_refused_line_and_rows_of_one_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    station = journalled(tmp_path)
    (tmp_path / "log.csv").write_bytes(
        HEADER
        + b"2026-04-01 11:00:00,1.0\n2026-04-01 11:00:00,1.5\n2026-04-02,4.1\n2026-04-03,4.1\n"
        + b"2026-04-01 11:00:01,2.0\n"
    )
    with caplog.at_level(logging.WARNING, "edaphon"), running(station.file) as service:
        until(lambda: service.series.count("x") == 2)
        text, _ = call(station, "status", codes=(1,))
    assert "3 derived = 2 current + 1 conflicts" in text
    assert "6 lines = 3 rows + 1 headers + 0 blank + 2 refused; line 5:" in text
    assert f"PROBLEM file/log {tmp_path}/log.csv: 2 lines refused; line 5: " in text
    shown = [r.getMessage() for r in caplog.records if "line refused" in r.getMessage()]
    assert len(shown) == 1  # once for the file and the kind of reason
    assert "log.csv" in shown[0]
    assert "line 4: " in shown[0]
    assert "'2026-04-02,4.1'" in shown[0]


def test_a_refused_line_is_a_problem_for_a_week_and_a_count_for_ever() -> None:
    account = FileAccount()
    account.take(LineCounts(rows=9, refused=1), [RefusedLine(4, "no time", b"x")], NOON_NS)
    rows = line_rows({"file/log": SourceFiles(files={"a.csv": account})})
    (problem,) = refusal_problems(rows, NOON_NS + REFUSED_IS_A_PROBLEM_NS - 1)
    assert problem == "file/log a.csv: 1 line refused; line 4: no time: 'x'"
    assert list(refusal_problems(rows, NOON_NS + REFUSED_IS_A_PROBLEM_NS)) == []
    assert rows[0].counts["refused"] == 1
