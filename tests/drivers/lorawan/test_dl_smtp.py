"""DL-SMTP: the maker's sample message of a probe with six of eight segments."""

from edaphon_drivers.lorawan import decode_uplink
from edaphon_drivers.readings import Status
from edaphon_drivers.sheets import load_sheet

# decentlab-decoders, DL-SMTP.
SAMPLE = "020b50000309018a8c09438a9809278a920b3c8aa50c9c8a8c11e08aa500000000000000000b3b"
MOISTURE = [-0.39, -0.258, -0.314, 0.752, 1.456, 4.152, None, None]
WARMTH = [27.0, 27.12, 27.06, 27.25, 27.0, 27.25, None, None]


def test_six_segments_give_numbers_and_two_say_that_they_are_not_there() -> None:
    readings = decode_uplink(bytes.fromhex(SAMPLE), 1, load_sheet("decentlab.dl-smtp"))
    given = {r.output: r for r in readings}
    assert [given[f"soil_moisture_{d}"].number for d in range(8)] == MOISTURE
    assert [given[f"soil_temperature_{d}"].number for d in range(8)] == WARMTH
    assert given["soil_temperature_7"].status is Status.FAILURE
    assert given["battery_voltage"].number == 2.875
