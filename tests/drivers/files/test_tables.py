"""Other line files: names or numbers of columns, commas as points, conditions, fixed orders."""

import pytest
from tests.drivers.files.following import Follower, follow
from tests.readers import decode_piece

from edaphon_drivers.faults import Garbled
from edaphon_drivers.files.sheet import completed
from edaphon_drivers.message_values import rfc3339_ns
from edaphon_drivers.readings import Origin, Piece, Status
from edaphon_drivers.sheets import load_sheet, parse_sheet

OWNER = {"utc_offset": "+01:00"}
EGM4 = completed(load_sheet("ppsystems.egm-4-file"), {**OWNER, "year": 2014})
LGR = completed(load_sheet("losgatos.ugga"), {**OWNER, "date_order": "mdy"})
TMS = load_sheet("tomst.tms-4")

EGM4_FILE = (
    b";Logged EGM-4 Data\r\n;SoftwareVersion=4.18\r\n"
    b";Plot\tRecNo\tDay\tMonth\tHour\tMin\tCO2 Ref\tmb Ref\tmbR Temp\tInput A\tInput B\tInput C\t"
    b"Input D\tInput E\tInput F\tInput G\tInput H\tATMP\tProbe Type\r\n"
    b"05\t0004\t04\t08\t14\t04\t00422\t00.0\t+00.0\t0000\t000.0\t000.0\t0013\t0014\t+01.72\t02\t00\t"
    b"0983\t08\r\n"
    b"06\t0001\t04\t08\t14\t05\t00507\t00.0\t+00.0\t0120\t041.0\t019.2\t0000\t0000\t0000\t00\t00\t"
    b"1007\t01\r\n"
    b";Logging Stopped after 2 record(s)\r\n"
)


def small(**frame):
    return parse_sheet(
        "own.csv",
        {
            "title": "own",
            "engine": "file",
            "checked": "unverified",
            "source": "its program",
            "frame": {
                "form": "table",
                "separator": "semicolon",
                "time": {
                    "columns": ["Datum", "Zeit"],
                    "formats": ["%d.%m.%Y %H:%M"],
                    "utc_offset": "+01:00",
                },
                "column": [{"name": "Temp °C", "output": "t"}],
                **frame,
            },
            "output": [{"name": "t", "quantity": "soil_temperature", "unit": "degC"}],
        },
    )


def given(readings):
    return {r.output: r.number for r in readings}


def test_an_egm4_record_is_read_by_its_probe():
    readings = follow(EGM4_FILE, EGM4).readings
    first, second = readings[:8], readings[8:]
    assert given(first)["soil_respiration"] == 1.72
    assert "par" not in given(first)
    assert given(second) == {
        "plot": 6,
        "record": 1,
        "co2": 507,
        "h2o": 0,
        "pressure": 1007,
        "par": 120,
        "relative_humidity": 41.0,
        "temperature": 19.2,
    }
    assert first[0].time_ns == rfc3339_ns("2014-08-04T13:04:00Z")
    assert {r.origin for r in first if r.output == "soil_respiration"} == {Origin.CONVERTED}


def test_an_egm4_file_grows_to_its_last_line():
    steps = range(1, len(EGM4_FILE), 17)
    follower = follow(EGM4_FILE, EGM4, *steps)
    assert follower.offset == len(EGM4_FILE)
    assert follower.readings == follow(EGM4_FILE, EGM4).readings


def test_names_move_the_columns_of_an_lgr_file_and_the_order_holds_without_them():
    names = "Time, [CO2]d_ppm, GasP_torr, Fit_Flag"
    row = "  05/04/2023 08:13:06.603,  6.572660e+03,  1.390845e+02,  3\n"
    (co2, pressure) = follow(f"VC:1 SN:L-1\n   {names}\n{row}".encode(), LGR).readings
    assert (co2.output, co2.number) == ("co2_dry", 6572.66)
    assert (pressure.number, pressure.unit) == (139.0845, "Torr")
    assert co2.time_ns == rfc3339_ns("2023-05-04T07:13:06.603Z")
    with pytest.raises(Garbled):  # four cells are not the sheet's own order
        decode_piece(Piece("f", 0, b"", row.encode()), LGR)


def test_a_signature_below_the_rows_of_an_lgr_file_is_no_row():
    head = "VC:1 SN:L-1\nTime, [CO2]_ppm\n05/04/2023 08:13:06,400\n"
    tail = "-----BEGIN PGP MESSAGE-----\nhQEMA5vG\n"
    assert len(follow((head + tail).encode(), LGR).readings) == 1


def test_tms4_rows_are_utc_whatever_their_zone_says_and_bad_clocks_give_nothing():
    data = (
        b"0;2020.10.08 12:15;4;11.5;12.0625;9.75;1148;202;0;\r\n"
        b"1;31.10.2013 11:45;0;21.5625;22.0625;23.125;148;1;0\r\n"
        b"2;2020.10.08 12:45;4;11.5;12.0625;9.75;1148;202;1;\r\n"
    )
    readings = follow(data, TMS, 30).readings
    assert [r.number for r in readings[:4]] == [11.5, 12.0625, 9.75, 1148]
    assert readings[0].time_ns == rfc3339_ns("2020-10-08T12:15:00Z")
    assert readings[4].time_ns == rfc3339_ns("2013-10-31T11:45:00Z")
    assert len(readings) == 8


def test_a_comma_may_be_the_point():
    data = 'Datum;Zeit;"Temp °C"\r\n7.3.2026;06:00;"-1,5"\r\n7.3.2026;06:30;1.234,5\r\n'
    for encoding in ("utf-8", "latin-1"):
        readings = follow(data.encode(encoding), small(decimal=",")).readings
        assert [(r.number, r.status) for r in readings] == [
            (-1.5, Status.OK),
            (None, Status.INVALID),
        ]


def test_columns_by_number_need_no_names():
    sheet = small(
        column=[{"number": 3, "output": "t", "mean": True}],
        interval_s=600,
        time={"columns": [1, 2], "formats": ["%d.%m.%Y %H:%M"], "utc_offset": "+00:00"},
    )
    (reading,) = follow(b"Tag;Zeit;x\n7.3.2026;06:00;2.5\n", sheet).readings
    assert reading.number == 2.5
    assert reading.time_ns - reading.start_ns == 600 * 10**9


def test_missing_numbers_are_found_however_they_are_written():
    sheet = small(missing=["-9999", "--", ""])
    rows = "".join(f"7.3.2026;06:00;{word}\n" for word in ("-9999", "-9999.00", "--", "", "x", "1"))
    readings = follow(("Datum;Zeit;Temp °C\n" + rows).encode(), sheet).readings
    assert [r.status.value for r in readings] == ["failure"] * 4 + ["invalid", "ok"]


@pytest.mark.parametrize("text", ["1e999", "inf", "nan", "0x10", "1_0", "١", "1.2.3", "+-1", "."])
def test_what_only_looks_like_a_number_is_none(text):
    data = f"Datum;Zeit;Temp °C\n7.3.2026;06:00;{text}\n".encode()
    (reading,) = follow(data, small()).readings
    assert (reading.number, reading.status) == (None, Status.INVALID)


def test_new_names_in_the_middle_of_a_file_hold_from_there_on():
    data = (
        "Datum;Zeit;Temp °C;x\n7.3.2026;06:00;1;9\n"
        "Datum;Zeit;x;Temp °C\n7.3.2026;06:30;9;2\n7.3.2026;07:00;9;3\n"
    ).encode()
    for steps in ((), range(1, len(data), 9)):
        assert [r.number for r in follow(data, small(), *steps).readings] == [1, 2, 3]


def test_rows_flow_one_by_one_while_the_file_grows():
    lines = [b"Datum;Zeit;Temp \xc2\xb0C\n", *(b"7.3.2026;06:%02d;1\n" % n for n in range(9))]
    follower = Follower(small())
    for n in range(1, len(lines) + 1):
        follower.see(b"".join(lines[:n]))
        assert len(follower.pieces) == n - 1
    assert len(follower.readings) == 9


def test_a_preamble_that_says_a_time_is_no_record_and_spoils_none():
    data = "Export 7.3.2026;06:00\nDatum;Zeit;Temp °C\n7.3.2026;06:00;2\n".encode()
    follower = Follower(small()).see(data)
    assert decode_piece(follower.pieces[-1], small())[0].number == 2


def test_a_picarro_row_with_a_cell_too_few_is_refused_for_its_blanks():
    sheet = load_sheet("picarro.g4301")
    names = " ".join(sheet.frame["order"])
    row = (
        "2022-07-15 16:42:32.276 195.3 4688.7 1657903352.277 0 899 2.27 2.31 521.9 530.4 1.5 747.4"
    )
    row += " 32.7 -1.5 41.3 19.0 0.0 0.0 0.0 0.0 0.0"
    readings = follow(f"{names}\n{row}\n".encode(), sheet).readings
    assert given(readings)["co2_dry"] == 530.4
    assert readings[0].time_ns == 1657903352_277000000
    with pytest.raises(Garbled):
        decode_piece(Piece("f", 0, b"", row.replace(" 521.9", "      ").encode()), sheet)


@pytest.mark.parametrize(
    ("model", "gas"),
    [
        ("licor.li-7810-file", "CO2"),
        ("licor.li-7815-file", "CO2"),
        ("licor.li-7820-file", "N2O"),
    ],
)
def test_li78xx_rows_are_checked_by_the_instruments_own_line_sheet(model, gas):
    sheet = load_sheet(model)
    names = load_sheet(sheet.frame["like"]).frame["columns"]
    answer = {
        "DATAH": "DATA",
        "SECONDS": "1666884942",
        "NANOSECONDS": "313442945",
        "REMARK": '""',
        "DATE": "2022-10-27",
        "TIME": "10:35:42",
        "DIAG": "0",
        gas: "458.86121",
    }
    body = "".join(answer.get(name, "12.5") + "\t" for name in names[:-1])
    row = f"{body} {sum(body.encode()) % 256}\n"
    head = "Model:\tLI-78xx\nSN:\tTG10-01087\n" + "\t".join(names) + "\nDATAU\tsecs\n"
    data = (head + row * 3).encode()
    readings = follow(data, sheet, 40, 500, 700).readings
    assert [r.number for r in readings if r.output == gas.lower()] == [458.86121] * 3
    assert readings[0].time_ns == 1666884942_313442945
    assert {r.output for r in readings} <= sheet.outputs.keys()
    broken = (head + row.replace("458.8", "459.8")).encode()
    with pytest.raises(Garbled):
        assert follow(broken, sheet).readings


def test_a_file_of_something_else_is_journalled_and_garbled():
    for data in (b"\x01" * 200_000, b"lorem ipsum\n" * 40):
        follower = Follower(small()).see(data, ended=True)
        assert follower.offset == len(data)
        with pytest.raises(Garbled):
            assert follower.readings
