"""TOA5 files: support by the fourth header line, new programs, torn rows, NAN, quotes."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.drivers.files.following import Follower, follow
from tests.readers import decode_piece
from tests.simulated_files import SimulatedLogger

from edaphon_drivers.faults import Fault, Garbled, Refused
from edaphon_drivers.files.sheet import completed
from edaphon_drivers.message_values import rfc3339_ns
from edaphon_drivers.readings import Piece, Status
from edaphon_drivers.sheets import parse_sheet

FIELDS = (("T_5_Avg", "Deg C", "Avg"), ("Rain_mm_Tot", "mm", "Tot"), ("BattV", "Volts", "Smp"))


def own_sheet(**frame):
    rows = [
        ("T_5_Avg", "t", "soil_temperature", "degC"),
        ("Rain_mm_Tot", "rain", "precipitation", "mm"),
        ("BattV", "battery", "battery_voltage", "V"),
    ]
    return parse_sheet(
        "own.toa5",
        {
            "title": "own",
            "engine": "file",
            "checked": "unverified",
            "source": "the logger's program",
            "frame": {
                "form": "toa5",
                "missing": ["NAN", "-7999"],
                "interval_s": 1800,
                "time": {
                    "columns": ["TIMESTAMP"],
                    "formats": ["%Y-%m-%d %H:%M:%S"],
                    "utc_offset": "+01:00",
                },
                "column": [{"name": name, "output": output} for name, output, _, _ in rows],
                **frame,
            },
            "output": [{"name": o, "quantity": q, "unit": unit} for _, o, q, unit in rows],
        },
    )


SHEET = own_sheet()


@pytest.fixture
def logger(tmp_path):
    start, step = datetime(2026, 3, 7, 12), timedelta(minutes=30)  # noqa: DTZ001 local text
    return SimulatedLogger(tmp_path / "Table1.dat", FIELDS, start, step)


def numbers(readings, output):
    return [r.number for r in readings if r.output == output]


def test_a_mean_ends_at_its_stamp_and_an_instant_has_no_start(logger):
    logger.step((12.5, 0.4, 13.1))
    mean, rain, battery = follow(logger.path.read_bytes(), SHEET).readings
    assert (mean.number, mean.unit, mean.status) == (12.5, "degC", Status.OK)
    assert mean.time_ns == rain.time_ns == battery.time_ns == rfc3339_ns("2026-03-07T11:30:00Z")
    assert mean.start_ns == rain.start_ns == rfc3339_ns("2026-03-07T11:00:00Z")
    assert battery.start_ns is None


def test_the_interval_is_that_of_the_table(logger):
    logger.step((12.5, 0.4, 13.1))
    sheet = own_sheet(intervals={"Table1": 60, "Hourly": 3600})
    mean = follow(logger.path.read_bytes(), sheet).readings[0]
    assert mean.time_ns - mean.start_ns == 60 * 10**9


def test_a_mean_of_unknown_interval_is_refused_and_never_an_instant(logger):
    logger.step((12.5, 0.4, 13.1))
    frame = {key: value for key, value in SHEET.frame.items() if key != "interval_s"}
    from dataclasses import replace

    with pytest.raises(Refused, match="interval_s"):
        assert follow(logger.path.read_bytes(), replace(SHEET, frame=frame)).readings


@pytest.mark.parametrize("size", [1, 7, 100, 333])
def test_a_file_that_grows_bit_by_bit_gives_the_same_readings(logger, size):
    for n in range(6):
        logger.step((n + 0.5, n, 13))
    data = logger.path.read_bytes()
    whole = follow(data, SHEET)
    grown = follow(data, SHEET, *range(size, len(data), size))
    assert grown.readings == whole.readings
    assert len(whole.readings) == 18
    assert b"".join(piece.data for piece in grown.pieces) == data


def test_a_torn_row_waits_for_its_rest(logger):
    logger.step((1.5, 0, 13))
    logger.torn((123.5, 0, 13), 28)
    follower = Follower(SHEET).see(logger.path.read_bytes())
    assert numbers(follower.readings, "t") == [1.5]
    logger.step((3.5, 0, 13))
    follower.see(logger.path.read_bytes())
    assert numbers(follower.readings, "t") == [1.5, 123.5, 3.5]


def test_a_torn_row_at_the_end_for_ever_gives_no_reading(logger):
    logger.step((1.5, 0, 13))
    logger.torn((123.5, 0, 13), 28)
    follower = follow(logger.path.read_bytes(), SHEET)
    assert follower.offset == len(logger.path.read_bytes())
    with pytest.raises(Garbled):
        decode_piece(follower.pieces[-1]._replace(data=b'"2026-03-07 13:00:00",1,12'), SHEET)
    assert numbers(follower.readings, "t") == [1.5]


def test_a_last_row_without_its_line_end_counts_once_the_file_rests(logger):
    logger.step((1.5, 0, 13))
    data = logger.path.read_bytes()[:-2]
    assert Follower(SHEET).see(data).readings == []
    assert numbers(Follower(SHEET).see(data, ended=True).readings, "t") == [1.5]


def test_a_new_program_in_the_same_file_moves_the_columns(logger):
    logger.step((1.5, 0.2, 13))
    logger.program("CPU:second.CR1X", (FIELDS[2], ("Other", "", "Smp"), FIELDS[0]))
    logger.step((12.5, 99, 2.5))
    logger.step((12.5, 99, 3.5))
    data = logger.path.read_bytes()
    for steps in ((), range(50, len(data), 50)):
        follower = follow(data, SHEET, *steps)
        assert numbers(follower.readings, "t") == [1.5, 2.5, 3.5]
        assert numbers(follower.readings, "battery") == [13, 12.5, 12.5]
        assert numbers(follower.readings, "rain") == [0.2]
    alone = decode_piece(Piece("file", 0, b"", data), SHEET)
    assert list(alone) == follower.readings


def test_words_for_missing_numbers_are_failures(logger):
    for value in ("NAN", -7999.0):
        logger.step((value, "INF", 13))
    readings = follow(logger.path.read_bytes(), SHEET).readings
    assert [(r.number, r.status) for r in readings[::3]] == [(None, Status.FAILURE)] * 2
    assert readings[1].status is Status.INVALID
    assert readings[0].start_ns is not None
    assert numbers(readings, "battery") == [13, 13]


def test_one_bad_row_spoils_no_other(logger):
    logger.step((1.5, 0, 13))
    data = logger.path.read_bytes() + b'"2026-02-31 00:00:00",9,1,2,3\r\nzz\r\n\x00\xff"",\r\n'
    logger.step((2.5, 0, 13))
    data += logger.path.read_bytes().splitlines(keepends=True)[-1]
    assert numbers(follow(data, SHEET).readings, "t") == [1.5, 2.5]


def test_a_unit_that_contradicts_the_sheet_gives_no_number(logger):
    logger.program("CPU:odd.CR1X", (("T_5_Avg", "Deg F", "Avg"), *FIELDS[1:]))
    logger.step((54.5, 0, 13))
    readings = follow(logger.path.read_bytes(), SHEET).readings
    assert [(r.number, r.status) for r in readings][0] == (None, Status.INVALID)
    assert numbers(readings, "battery") == [13]


def test_two_rows_run_together_are_no_row(logger):
    logger.step((1.5, 0, 13))
    row = logger.path.read_bytes().splitlines()[-1]
    header = b"".join(logger.path.read_bytes().splitlines(keepends=True)[:4])
    with pytest.raises(Garbled):
        decode_piece(Piece("file", 0, header, row + row + b"\r\n"), SHEET)


def test_a_byte_order_mark_and_bare_line_feeds_change_nothing(logger):
    logger.step((1.5, 0, 13))
    data = logger.path.read_bytes()
    unix = b"\xef\xbb\xbf" + data.replace(b"\r\n", b"\n")
    assert follow(unix, SHEET).readings == follow(data, SHEET).readings


def test_a_separator_inside_quotes_parts_nothing(logger):
    logger.program("CPU:n.CR1X", (("Remark", "", "Smp"), FIELDS[0]))
    logger.step(("dry, windy", 4.5))
    assert numbers(follow(logger.path.read_bytes(), SHEET).readings, "t") == [4.5]


def test_without_a_zone_nothing_is_dated(logger):
    logger.step((1.5, 0, 13))
    time = {key: v for key, v in SHEET.frame["time"].items() if key != "utc_offset"}
    sheet = own_sheet(time=time)
    with pytest.raises(Refused, match="utc_offset"):
        assert follow(logger.path.read_bytes(), sheet).readings
    stated = completed(sheet, {"utc_offset": "+01:00"})
    assert follow(logger.path.read_bytes(), stated).readings


def test_a_header_is_waited_for_and_alone_gives_nothing(logger):
    data = logger.path.read_bytes()
    for length in range(len(data)):
        assert Follower(SHEET).see(data[:length]).pieces == []
    assert follow(data, SHEET).readings == []


def test_rows_whose_header_is_lost_are_garbled(logger):
    logger.step((1.5, 0, 13))
    row = logger.path.read_bytes().splitlines(keepends=True)[-1]
    with pytest.raises(Garbled):
        decode_piece(Piece("file", 999, b"", row), SHEET)


def test_a_long_file_comes_in_bounded_pieces_each_readable_alone(logger):
    header = logger.path.read_bytes()
    rows = b"".join(
        b'"2026-03-%02d %02d:%02d:00",%d,%d.5,0,13\r\n'
        % (1 + n // 1440, n // 60 % 24, n % 60, n, n)
        for n in range(5000)
    )
    follower = follow(header + rows, SHEET)
    assert len(follower.pieces) > 2
    assert max(len(piece.data) for piece in follower.pieces) <= 65536
    assert numbers(follower.readings, "t") == [n + 0.5 for n in range(5000)]


def test_rotation_is_a_new_file(logger, tmp_path):
    logger.step((1.5, 0, 13))
    logger.rotate("Table1.dat.backup")
    logger.step((2.5, 0, 13))
    assert numbers(follow(logger.path.read_bytes(), SHEET).readings, "t") == [2.5]
    old = Path(tmp_path / "Table1.dat.backup").read_bytes()
    assert numbers(follow(old, SHEET).readings, "t") == [1.5]


@pytest.mark.parametrize("at", range(0, 400, 13))
def test_a_turned_bit_raises_nothing_but_a_fault(logger, at):
    logger.step((1.5, 0, 13))
    data = bytearray(logger.path.read_bytes())
    data[at % len(data)] ^= 0x10
    try:
        readings = follow(bytes(data), SHEET).readings
    except Fault:
        return
    assert all((r.number is None) == (r.status is not Status.OK) for r in readings)
