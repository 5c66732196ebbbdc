"""SenseCAP S210x and S2120: measurements, the CRC, and that neither reads the other's frames."""

import pytest

from edaphon_drivers.checksums import crc16_kermit
from edaphon_drivers.faults import Garbled, Incomplete
from edaphon_drivers.lorawan import decode_uplink
from edaphon_drivers.readings import Reading, Status
from edaphon_drivers.sheets import load_sheet

SHEET = load_sheet("sensecap.s210x")
# S210X Sensor User Guide, 9.3.3 and 9.4.
S2104 = "010610 245e0000 010710 bcb10000 a3d9"
WITH_BATTERY = "000700 64000500 010610 b45f0000 010710 a41f0000 3259"
# 9.3.4, whose text says 45.5 % where its bytes say 41.8: edited by hand, and the CRC tells.
EDITED = "010610 5c5d0000 010710 48a30000 010c10 b4000000 dd0a"
# sensecap210x decoder, first sample.
JOINED = "0000000101000100070064003c00012001000000002890"
# S2120 User Guide, 10.3: from the first, daily packet.
STATION = load_sheet("sensecap.s2120")
S2120 = "04640101 0103000a05a0 01011043000000000000 0002011a000000002702"


def decoded(payload: str, f_port: int = 2) -> tuple[Reading, ...]:
    return decode_uplink(bytes.fromhex(payload), f_port, SHEET)


def signed(body: str) -> str:
    """A body with its CRC."""
    return body + crc16_kermit(bytes.fromhex(body)).to_bytes(2, "little").hex()


def test_the_crc_is_the_known_one() -> None:
    assert crc16_kermit(b"123456789") == 0x2189


def test_the_user_guides_soil_probes_give_their_numbers() -> None:
    assert [(r.output, r.number, r.unit) for r in decoded(S2104)] == [
        ("soil_temperature", 24.1, "degC"),
        ("soil_moisture", 45.5, "%"),
    ]
    assert [(r.output, r.number) for r in decoded(WITH_BATTERY)] == [
        ("battery_level", 100.0),
        ("soil_temperature", 24.5),
        ("soil_moisture", 8.1),
    ]
    with_salt = decoded(signed("010610 5c5d0000 010710 bcb10000 010c10 b4000000"))[-1]
    assert (with_salt.output, with_salt.number, with_salt.unit) == (
        "bulk_electrical_conductivity",
        0.18,
        "dS/m",
    )


def test_numbers_below_zero_are_twos_complement() -> None:
    (reading,) = decoded(signed("010610" + (-5250).to_bytes(4, "little", signed=True).hex()))
    assert reading.number == -5.25


def test_a_number_that_no_probe_has_is_a_status() -> None:
    (reading,) = decoded(signed("010710" + (2_000_000).to_bytes(4, "little").hex()))
    assert (reading.number, reading.status) == (None, Status.OVER_RANGE)


def test_a_joining_device_tells_its_battery() -> None:
    assert [(r.output, r.number) for r in decoded(JOINED)] == [("battery_level", 100.0)]


def test_a_measurement_that_the_sheet_does_not_name_costs_itself_and_is_named() -> None:
    with pytest.raises(Incomplete, match="unknown measurement 4165") as found:
        decoded(signed("014510" + "01000000" + "010610" + "5c5d0000"))
    assert [(r.output, r.number) for r in found.value.readings] == [("soil_temperature", 23.9)]


def test_the_newer_packets_of_the_weather_station_add_gust_and_rain() -> None:
    payload = "4A00D235000003E80A00184B00B40000000026944C00200000012C"
    readings = decode_uplink(bytes.fromhex(payload), 3, STATION)
    assert [(r.output, r.number, r.unit) for r in readings] == [
        ("air_temperature", 21.0, "degC"),
        ("relative_humidity", 53.0, "%"),
        ("illuminance", 1000.0, "lx"),
        ("uv_index", 1.0, "dimensionless"),
        ("wind_speed", 2.4, "m/s"),
        ("wind_direction", 180.0, "degree"),
        ("precipitation_rate", 0.0, "mm/h"),
        ("air_pressure", 987.6, "hPa"),
        ("wind_gust", 3.2, "m/s"),
        ("precipitation_total", 0.3, "mm"),
    ]
    state = "10" + "00" + "2CF7F13005000123"
    assert decode_uplink(bytes.fromhex(state + "0364"), 3, STATION)[0].number == 100.0


@pytest.mark.parametrize("at", range(len(bytes.fromhex(S2104))))
def test_one_wrong_bit_anywhere_makes_the_frame_garbled(at: int) -> None:
    damaged = bytearray.fromhex(S2104)
    damaged[at] ^= 0x10
    with pytest.raises(Garbled, match="CRC"):
        decoded(damaged.hex())


@pytest.mark.parametrize(
    "payload", ["00", "0000", S2104[:-2], EDITED, signed("0106105c5d00"), S2120]
)
def test_other_framings_are_refused(payload: str) -> None:
    with pytest.raises(Garbled):
        decoded(payload)


def test_the_weather_station_gives_the_numbers_of_its_guide() -> None:
    readings = decode_uplink(bytes.fromhex(S2120), 3, STATION)
    assert [(r.output, r.number, r.unit) for r in readings] == [
        ("battery_level", 100.0, "%"),
        ("air_temperature", 27.2, "degC"),
        ("relative_humidity", 67.0, "%"),
        ("illuminance", 0.0, "lx"),
        ("uv_index", 0.0, "dimensionless"),
        ("wind_speed", 0.0, "m/s"),
        ("wind_direction", 282.0, "degree"),
        ("precipitation_rate", 0.0, "mm/h"),
        ("air_pressure", 998.6, "hPa"),
    ]
    windy = decode_uplink(bytes.fromhex("01ff9c430001d4c0050011 020156000000fe2703"), 3, STATION)
    assert [r.number for r in windy] == [-10.0, 67.0, 120000.0, 0.5, 1.7, 342.0, 0.254, 998.7]


# The first is 21.4 °C and 31.4 % of an S2101; the station's own decoder reads 27.2 °C and -104 %.
@pytest.mark.parametrize(
    "payload",
    ["01011098530000010210a87a0000af51", JOINED, S2104, WITH_BATTERY, "01", "0364ff"],
)
def test_the_weather_station_reads_no_frame_of_the_other_family(payload: str) -> None:
    with pytest.raises(Garbled):
        decode_uplink(bytes.fromhex(payload), 3, STATION)
