"""SenseCAP S210x: measurements by id, the CRC, and frames of other devices."""

import pytest

from edaphon_drivers.faults import Garbled
from edaphon_drivers.lorawan import decode_uplink
from edaphon_drivers.lorawan.codecs.sensecap import crc16_kermit, decode_identity
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
# What an S2120 weather station sends is 10 and 8 bytes behind 01 and 02, without a CRC.
S2120 = "01010010a8000001f400001e 0200000000000027a1 03 64"


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


def test_the_probes_own_number_comes_in_two_halves() -> None:
    frame = (
        "010100010100010102006a01001501030030f1f72c010400090c13140105007f4d0000010600000000004cbe"
    )
    identity = decode_identity(bytes.fromhex(frame), 2, SHEET)
    assert identity is not None
    assert identity.serial == "2CF7F1301500016A"
    assert decode_identity(bytes.fromhex(JOINED), 2, SHEET) is None


def test_a_measurement_that_the_sheet_does_not_name_is_passed_over() -> None:
    assert decoded(signed("014510" + "01000000")) == ()


@pytest.mark.parametrize("at", range(len(bytes.fromhex(S2104))))
def test_one_wrong_bit_anywhere_makes_the_frame_garbled(at: int) -> None:
    damaged = bytearray.fromhex(S2104)
    damaged[at] ^= 0x10
    with pytest.raises(Garbled, match="CRC"):
        decoded(damaged.hex())


@pytest.mark.parametrize(
    "payload", ["", "00", "0000", S2104[:-2], EDITED, signed("0106105c5d00"), S2120]
)
def test_other_framings_are_refused(payload: str) -> None:
    with pytest.raises(Garbled):
        decoded(payload)
