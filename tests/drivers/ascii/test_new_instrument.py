"""A new instrument is declared from a sample of its output, in at most twenty lines and no code."""

import tomllib

from edaphon_drivers.ascii.engine import (
    decode_exchange,
    decode_stream,
    line_end,
    sheet_errors,
    start_commands,
)
from edaphon_drivers.readings import Turn
from edaphon_drivers.sheets import parse_sheet

# 2026-05-01 12:00:00, 23.4, 55.1, 412.7
HEARD = """\
title = "Home-made chamber logger"
engine = "ascii"
checked = "real recording"
source = "sample of 1 May 2026, chamber 3"

[frame]
heard = true
separator = ","
columns = ["clock", "air_temperature", "relative_humidity", "co2"]

[[output]]
name = "co2"
quantity = "co2_mole_fraction"
unit = "ppm"

[[output]]
name = "air_temperature"
quantity = "air_temperature"
unit = "degC"
"""

# > R\\r          < 01 T=+021.50C pH=07.01\\r
ASKED = """\
title = "pH meter of the soil laboratory"
engine = "ascii"
checked = "maker's document"
source = "manual page 12"

[frame]
ask = "R\\r"
end = "\\r"
pattern = '[0-9]{2} T=(?P<temperature>[-+0-9.]{1,8})C pH=(?P<ph>[-+0-9.]{1,8})'

[[output]]
name = "ph"
quantity = "soil_ph"
unit = "pH"

[[output]]
name = "temperature"
quantity = "device_temperature"
unit = "degC"
"""


def _sheet(text):
    return parse_sheet("own.instrument", tomllib.loads(text))


def test_the_examples_have_at_most_twenty_lines_and_no_mistakes():
    for text in (HEARD, ASKED):
        assert len(text.splitlines()) <= 20
        assert list(sheet_errors(_sheet(text))) == []


def test_the_heard_example_reads_its_sample():
    sheet = _sheet(HEARD)
    line = b"2026-05-01 12:00:00, 23.4, 55.1, 412.7\r\n"
    readings = decode_stream([Turn(250, False, line)], sheet)
    assert [(r.output, r.number, r.unit) for r in readings] == [
        ("co2", 412.7, "ppm"),
        ("air_temperature", 23.4, "degC"),
    ]
    assert {r.after_ns for r in readings} == {250_000_000}
    assert (line_end(sheet), start_commands(sheet)) == (b"\n", ())


def test_the_asked_example_reads_its_sample():
    turns = [Turn(0, True, b"R\r"), Turn(40, False, b"01 T=+021.50C pH=07.01\r")]
    readings = decode_exchange(turns, _sheet(ASKED))
    assert [(r.output, r.number) for r in readings] == [("ph", 7.01), ("temperature", 21.5)]


def test_one_line_of_the_frame_adds_the_zone_of_the_instruments_clock():
    zoned = HEARD.replace(
        "\n[[output]]",
        'time = {fields = ["clock"], order = "YYYY-MM-DD hh:mm:ss", utc_offset = "+01:00"}\n\n'
        "[[output]]",
        1,
    )
    line = b"2026-05-01 12:00:00, 23.4, 55.1, 412.7\r\n"
    (reading, _) = decode_stream([Turn(250, False, line)], _sheet(zoned))
    assert reading.time_ns == 1777633200 * 10**9
