"""Each line of a file is a row, a header, blank, or a refusal with its number and reason."""

import pytest
from tests.drivers.files.accounts import counts, csv_sheet, read, refusals, sums
from tests.readers import decode_piece

from edaphon_drivers.faults import Garbled
from edaphon_drivers.files.engine import read_piece
from edaphon_drivers.files.lines import SLICE_READINGS
from edaphon_drivers.files.sheet import completed
from edaphon_drivers.readings import Follows, Piece, Status
from edaphon_drivers.sheets import load_sheet, parse_sheet

HEAD = "Time,T5,VWC\n"
GOOD = "2026-04-01 23:00:00,4.2,0.31\n"
CSV = csv_sheet()
NUMBERED = csv_sheet(
    time={"columns": [1], "formats": ["%Y-%m-%d %H:%M:%S"], "utc_offset": "+00:00"},
    column=[{"number": 2, "output": "t5"}, {"number": 3, "output": "vwc"}],
)
TOA5 = (
    '"TOA5","P","CR1000","1","S","C","4","Soil"\r\n"TIMESTAMP","RECORD","T5"\r\n'
    '"TS","RN","Deg C"\r\n"","","Smp"\r\n'
)


def toa5_sheet(*names):
    time = {"columns": ["TIMESTAMP"], "formats": ["%Y-%m-%d %H:%M:%S"], "utc_offset": "+00:00"}
    columns = [{"name": name, "output": name.lower()} for name in names]
    outputs = [{"name": n.lower(), "quantity": "soil_temperature", "unit": "degC"} for n in names]
    frame = {"form": "toa5", "column": columns, "time": time}
    known = {"title": "x", "engine": "file", "checked": "unverified", "source": "s"}
    return parse_sheet("x.toa5", {**known, "frame": frame, "output": outputs})


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("2026-04-02,4.1,0.30", "a time in a format of the sheet"),
        ("2026-13-02 00:00:00,4.1,0.30", "exist"),
        ("2026-02-31 00:00:00,4.1,0.30", "exist"),
        ("2026-04-02 01:00:00,4", "cut off"),
        ("2026-04-02 01:00:00,4,25,0,31", "decimal comma"),
        ("2026-04-02 01:00:00,4,25,0.31", "got 4"),
        ("\0" * 64, "NUL"),
        ("2026-04-02 01:00:00,4\0.1,0.30", "NUL"),
        ('2026-04-02 01:00:00,"4.1,0.30', "cut off"),
        ("Logging stopped", "cut off"),
        ("1733947525 -1 -1 -1.000", "cut off"),
        ("NAN,4.1,0.30", "a time"),
    ],
)
def test_a_line_that_is_no_row_is_refused_with_its_number_beside_good_rows(line, says):
    readings, found, refused, _ = read(f"{HEAD}{GOOD}{line}\n{GOOD}", CSV)
    assert found == (2, 1, 0, 1)
    assert len(readings) == 4
    assert (refused[0].line, refused[0].text) == (3, line.encode()[:80])
    assert says in refused[0].reason


@pytest.mark.parametrize("line", ["", "   ", "\t", ",,", ",,,,,,", '"","",""', "\x1a", "\x0c"])
def test_a_line_of_nothing_but_blanks_and_separators_is_blank(line):
    assert counts(f"{HEAD}{GOOD}{line}\n{GOOD}", CSV) == (2, 1, 1, 0)


@pytest.mark.parametrize(
    "row",
    [
        "\0" * 64 + GOOD,
        GOOD[:-1] + "\0\0\n",
        "\x0c" + GOOD,
        "\ufeff" + GOOD,
        GOOD[:-1] + ",,,\n",
        GOOD[:-1] + "\x1a",
        GOOD[:-1] + "\r\n",
        GOOD[:-1],
    ],
)
def test_what_stands_at_the_edges_of_a_whole_row_costs_nothing(row):
    readings, found, _, _ = read(HEAD + row, CSV)
    assert found == (1, 1, 0, 0)
    assert [r.number for r in readings] == [4.2, 0.31]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_usual_encoding_and_line_end_gives_the_same_rows(encoding, end):
    text = (HEAD.replace("VWC", "VWC,Ort") + GOOD.replace("\n", ",Süd\n") * 3).replace("\n", end)
    readings, found, _, _ = read(text.encode(encoding), CSV)
    assert found == (3, 1, 0, 0)
    assert [r.number for r in readings] == [4.2, 0.31] * 3


def test_a_file_of_utf_16_in_pieces_is_known_by_the_mark_in_front_of_its_header():
    for encoding, mark in (("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff")):
        header, row = mark + HEAD.encode(encoding), GOOD.encode(encoding)
        assert read(row, CSV, header=header, offset=len(header))[1] == (1, 1, 0, 0)
        assert read(row, CSV, header=header, offset=999)[1] == (1, 0, 0, 0)
        assert read(row, NUMBERED, header=mark, offset=999)[1] == (1, 0, 0, 0)


def test_bytes_that_look_like_a_mark_in_the_middle_change_nothing():
    row = b"\xff\xfe\n" + GOOD.encode()
    assert read(row, CSV, header=HEAD.encode(), offset=999)[1] == (1, 0, 0, 1)
    assert read(row, NUMBERED, offset=999)[1] == (1, 0, 0, 1)


def test_one_odd_byte_spoils_no_name_of_a_column():
    sheet = csv_sheet(column=[{"name": "T °C", "output": "t5"}, {"name": "VWC", "output": "vwc"}])
    data = "Time,T °C,VWC\n".encode() + GOOD.encode() + b"\xff\xfe\xfd\n" + GOOD.encode()
    assert read(data, sheet)[1] == (2, 1, 0, 1)


def test_lines_are_counted_where_they_stand_in_the_file():
    header, data = HEAD.encode(), (GOOD + "x\n").encode()
    piece = Piece("f", 500, header, data, 41, 2, 1, Follows.ON)
    (part,) = read_piece(piece, CSV)
    assert (part.counts, part.refused[0].line) == ((1, 0, 0, 1), 42)
    headed = piece._replace(headed=True, lines=3)
    (part,) = read_piece(headed, CSV)
    assert (part.counts, part.refused[0].line) == ((1, 1, 0, 1), 43)
    (part,) = read_piece(Piece("f", len(header), header, data), CSV)
    assert (part.counts, part.refused[0].line) == ((1, 1, 0, 1), 3)
    (part,) = read_piece(Piece("f", 999, header, data), CSV)
    assert (part.counts, part.refused[0].line) == ((1, 0, 0, 1), 2)
    (part,) = read_piece(Piece("f", 0, header, header + data), CSV)
    assert (part.counts, part.refused[0].line) == ((1, 1, 0, 1), 3)


def test_a_piece_comes_in_slices_of_bounded_size():
    data = (HEAD + GOOD * 9000 + "x\n" * 5000).encode()
    parts = list(read_piece(Piece("f", 0, b"", data), CSV))
    assert sums(parts) == (9000, 1, 0, 5000)
    assert max(len(p.readings) + len(p.refused) for p in parts) <= SLICE_READINGS + 1
    assert len(parts) >= 6


def test_the_context_in_front_of_a_line_without_its_end_is_that_of_the_line_when_it_is_whole():
    time = {"columns": ["Time"], "formats": ["%Y-%m-%d %H:%M:%S"], "zone": "Europe/Berlin"}
    sheet = csv_sheet(time=time)
    rows = "2026-10-25 01:30:00,4.2,0.31\n2026-10-25 02:00:00,4.2,0.31"
    piece = Piece("f", 99, HEAD.encode(), rows.encode(), 9, 2, 1, Follows.ON, unended=True)
    before, last = read_piece(piece, sheet)
    assert (before.counts.rows, last.counts.rows) == (1, 1)
    again = Piece("f", 128, HEAD.encode(), rows[29:].encode() + b"\n", 10, 1, 1, Follows.AGAIN)
    assert next(read_piece(again, sheet, before.context)).readings == last.readings
    received = piece._replace(header=b"", data=b"SN:\tx\nModel:\ty")
    assert len(list(read_piece(received, load_sheet("licor.li-7810-file")))) == 2


def test_a_piece_of_nothing_is_one_empty_slice():
    (part,) = read_piece(Piece("f", 0, b"", b""), CSV)
    assert part.counts.lines == 0


def test_names_that_come_again_every_day_and_units_below_them_are_headers():
    units = "[s],[degC],[-]\n"
    assert counts(HEAD + units + GOOD + HEAD + units + GOOD, CSV) == (2, 4, 0, 0)


@pytest.mark.parametrize("offset", [0, 100])
def test_units_below_the_names_of_a_piece_of_version_one_are_a_header(offset):
    names = HEAD.encode()
    data = names + b"-,degC,-\n" + GOOD.encode() + b"-,degC,-\n"
    (part,) = read_piece(Piece("f", offset, names, data), CSV)
    assert part.counts == (1, 2, 0, 1)


def test_fewer_or_more_names_hold_from_there_on():
    wider = "Time,x,T5,VWC\n2026-04-02 00:00:00,9,4.3,0.32\n"
    readings, found, _, _ = read(HEAD + GOOD + wider + HEAD + GOOD, CSV)
    assert found == (3, 3, 0, 0)
    assert [r.number for r in readings] == [4.2, 0.31, 4.3, 0.32, 4.2, 0.31]


def test_a_new_program_in_a_toa5_without_the_columns_of_the_sheet_refuses_its_rows():
    row = '"2026-09-01 00:00:00",0,4.0\r\n'
    other = TOA5.replace('"T5"', '"Rain"')
    readings, found, refused, _ = read(TOA5 + row + other + row, toa5_sheet("T5"))
    assert (len(readings), found) == (1, (1, 8, 0, 1))
    assert "header" in refused[0].reason


def test_a_row_wider_than_its_names_is_read_where_the_order_of_the_sheet_covers_it():
    row = GOOD.replace("\n", ",7,8\n")
    order = ["Time", "T5", "VWC", "a", "b"]
    assert counts(HEAD + row, CSV) == (0, 1, 0, 1)
    assert counts(HEAD + row, csv_sheet(order=order)) == (1, 1, 0, 0)
    assert counts(HEAD + row.replace("8", "8,9"), csv_sheet(order=order)) == (0, 1, 0, 1)
    assert counts(HEAD + row, csv_sheet(order=["T5", "Time", *order[2:]])) == (0, 1, 0, 1)


def test_a_sheet_may_say_that_rows_are_shorter_than_their_names():
    short = HEAD.replace("VWC", "VWC,x") + GOOD
    assert counts(short, CSV) == (0, 1, 0, 1)
    assert counts(short, csv_sheet(width=3)) == (1, 1, 0, 0)


def test_numbered_columns_of_a_comma_file_end_a_row_unless_width_or_names_say_more():
    wide = "2026-04-01 12:00:00,4,25,0,31\n"
    assert counts(wide, NUMBERED) == (0, 0, 0, 1)
    assert counts(GOOD + wide, NUMBERED) == (1, 0, 0, 1)
    assert counts(wide, csv_sheet(**{**NUMBERED.frame, "width": 5})) == (1, 0, 0, 0)
    assert counts("Zeit,Temp,VWC,a,b\n" + wide, NUMBERED) == (1, 1, 0, 0)
    assert counts(GOOD.replace("\n", ",,\n"), NUMBERED) == (1, 0, 0, 0)


def test_numbered_columns_have_the_width_of_the_first_row_in_every_piece():
    sheet = csv_sheet(**{**NUMBERED.frame, "separator": "semicolon"})
    row = "2026-04-01 12:00:00;4;25;0;31\n"
    *_, context = read(row, sheet)
    assert read(row, sheet, context, offset=99)[1] == (1, 0, 0, 0)
    assert read(row.replace("31", "31;7"), sheet, context, offset=99)[1] == (0, 0, 0, 1)
    assert read(row.replace(";0;31", ""), sheet, context, offset=99)[1] == (0, 0, 0, 1)


def test_names_above_numbered_columns_are_a_header_wherever_they_come():
    names = "Zeit,Temperatur,Feuchte\n"
    assert counts(names + GOOD + names + GOOD, NUMBERED) == (2, 2, 0, 0)
    assert counts(GOOD + "NAN,NAN,NAN\n", csv_sheet(**NUMBERED.frame, missing=["NAN"])) == (
        (1, 0, 0, 1)
    )


def test_comments_are_headers_and_there_may_be_several_marks():
    sheet = csv_sheet(comment=["#", "Zero"])
    assert counts(f"# made\n{HEAD}{GOOD}Zero\n# end\n", sheet) == (1, 4, 0, 0)


def test_rows_that_only_leaves_out_are_rows_and_those_of_refuse_are_refused():
    rows = "2026-04-01 12:00:00,4,1\n2026-04-01 12:00:00,4,2\n"
    only = csv_sheet(only=[{"column": "VWC", "is": ["1"]}])
    assert counts(HEAD + rows, only) == (2, 1, 0, 0)
    refuse = csv_sheet(refuse=[{"column": "VWC", "is": ["2"]}])
    assert counts(HEAD + rows, refuse) == (1, 1, 0, 1)


def test_a_row_of_another_port_of_an_81x_is_a_row_without_readings():
    sheet = completed(
        load_sheet("licor.li-8100a"),
        {
            "utc_offset": "Z",
            "column": [{"name": "CO2", "output": "co2", "when": {"column": "Port#", "is": ["2"]}}],
        },
    )
    head = "LI-8100:\t1\nPort#:\t1\nType\tEtime\tDate\tCO2\n"
    data = head + "1\t0\t2026-01-01 00:00:00\t400\nChamber close not detected\n1\t0\tx\t400\n"
    assert counts(data, sheet) == (1, 4, 0, 1)


def test_a_count_that_began_after_1970_is_no_time_of_1970():
    sheet = csv_sheet(time={"columns": ["Time"], "epoch": "s"})
    found = refusals("Time,T5,VWC\n0,4.2,0.3\n3600,4.2,0.3\n1775088000,4,0.3\n", sheet)
    assert [line for line, _ in found] == [2, 3]
    assert all("start" in reason for _, reason in found)


def test_lines_of_an_instrument_whose_checksum_is_wrong_are_refused_by_number():
    sheet = load_sheet("licor.li-7810-file")
    names = load_sheet("licor.li-7810").frame["columns"]
    texts = {"DATAH": "DATA", "SECONDS": "1666884942", "NANOSECONDS": "313442945"}
    body = "".join(texts.get(name, "1.5") + "\t" for name in names[:-1])
    row = f"{body}{sum(body.encode()) % 256}\n"
    head = "Model:\tLI-7810\n" + "\t".join(names) + "\nDATAU\tsecs\n"
    bad = row.replace("1.5", "2.5", 1)
    unset = row.replace("1666884942", "1666")
    other = "D\0TA" + row[4:]
    readings, found, refused, _ = read(head + row + bad + "\n" + other + unset + row, sheet)
    assert found == (2, 3, 1, 3)
    assert [line.line for line in refused] == [5, 7, 8]
    assert "checksum" in refused[0].reason
    assert len(readings) == 2 * len(sheet.outputs)


def test_a_repetition_without_a_date_refuses_a_line_of_its_file():
    def repetition(zone):
        header = f'{{"Date": "2026-06-13 08:15:03", "TimeZone": "{zone}"}}'
        return f'{{"header": {header},\n"data": {{"timestamp": [0], "co2": [400]}}}}'

    sheet = load_sheet("licor.li-8200-01s")
    reps = f'"A": {repetition("UTC")},\n"B": {repetition("Mars/Nowhere")}'
    data = f'{{"datasets": [{{"47": {{"reps": {{{reps}}}}}}}]}}\n\n'
    readings, found, refused, _ = read(data, sheet)
    assert found == (3, 0, 1, 1)
    assert refused[0].line == 3
    assert "B" in refused[0].reason
    assert [r.number for r in readings if r.output == "co2"] == [400]
    assert counts("{\nx\n", sheet) == (0, 0, 0, 2)


def test_decode_piece_gives_readings_alone_and_is_garbled_without_a_record():
    assert len(decode_piece(Piece("f", 0, b"", (HEAD + GOOD + "x\n").encode()), CSV)) == 2
    assert decode_piece(Piece("f", 0, b"", HEAD.encode()), CSV) == ()
    with pytest.raises(Garbled, match="cut off"):
        decode_piece(Piece("f", 0, b"", f"{HEAD}x\n".encode()), CSV)


@pytest.mark.parametrize(
    ("word", "text"),
    [("-999,9", "-999,9"), ("-999.9", "-999,90"), ("k. A.", "K. A."), (-7, "-7,0")],
)
def test_words_of_missing_are_compared_as_text_and_as_numbers_of_the_file(word, text):
    sheet = csv_sheet(separator="semicolon", decimal=",", missing=[word])
    readings, *_ = read(f"Time;T5;VWC\n2026-04-01 12:00:00;{text};0,31\n", sheet)
    assert [(r.number, r.status) for r in readings] == [
        (None, Status.FAILURE),
        (0.31, Status.OK),
    ]
