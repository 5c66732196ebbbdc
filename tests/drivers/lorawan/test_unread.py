"""What of a frame nobody can read costs itself, is named, and never becomes a number."""

import pytest

from edaphon_drivers.faults import Garbled, Incomplete
from edaphon_drivers.lorawan import decode_uplink, has_data
from edaphon_drivers.sheets import load_sheet, model_names

MODELS = [name for name in model_names() if load_sheet(name).engine == "lorawan"]

# A good start of a frame, what stands behind it, and how it is named.
BEHIND = [
    ("milesight.em500-smtc", 85, "0175640367FAFF046862057FF000", "07AA01", "unknown channel 07 AA"),
    ("milesight.em500-smtc", 85, "017564", "036719", "cut channel 03 67"),
    ("milesight.em500-smtc", 85, "017564", "03", "cut channel 03"),
    ("milesight.uc50x", 85, "017564", "0999", "unknown channel 09 99"),
    ("elsys.ers-elt", 5, "0100ea", "fe01", "unknown channel FE"),
    ("elsys.ers-elt", 5, "0100ea", "02", "cut channel 02"),
    ("tektelic.kiwi-clover", 10, "00bd0100", "eeee00", "unknown channel EE EE"),
    ("sensecap.s2120", 3, "0364", "ff", "unknown channel FF"),
    ("sensecap.s2120", 3, "0364", "4a00d2", "cut channel 4A"),
    ("cayenne.lpp", 1, "03670110", "01ff00", "unknown channel 01 FF"),
]


@pytest.mark.parametrize(("model", "f_port", "good", "behind", "named"), BEHIND)
def test_the_channels_before_an_unreadable_one_stay_and_it_is_named(
    model: str, f_port: int, good: str, behind: str, named: str
) -> None:
    sheet = load_sheet(model)
    before = decode_uplink(bytes.fromhex(good), f_port, sheet)
    with pytest.raises(Incomplete) as found:
        decode_uplink(bytes.fromhex(good + behind), f_port, sheet)
    assert found.value.readings == before
    assert found.value.unread == (named,)
    place = f"at byte {len(good) // 2}: {len(behind) // 2} bytes not read"
    assert found.value.detail == f"{named} {place}"


@pytest.mark.parametrize(("model", "f_port", "good", "behind", "named"), BEHIND)
def test_a_frame_whose_first_channel_is_unreadable_is_refused_as_a_whole(
    model: str, f_port: int, good: str, behind: str, named: str
) -> None:
    payload = behind if named.startswith("cut") else behind + good
    with pytest.raises(Garbled) as found:
        decode_uplink(bytes.fromhex(payload), f_port, load_sheet(model))
    assert not isinstance(found.value, Incomplete)


def test_a_value_that_cannot_be_read_costs_itself_and_nothing_behind_it() -> None:
    answer = b"no answer".ljust(36, b"\0").hex()
    with pytest.raises(Incomplete, match="channel 08 DB") as found:
        decode_uplink(
            bytes.fromhex("017564" + "08db00" + answer + "017563"),
            85,
            load_sheet("milesight.uc50x"),
        )
    assert [r.number for r in found.value.readings] == [100.0, 99.0]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("f_port", [0, 1, 2, 85, 224, 225, 255])
def test_no_model_makes_anything_of_a_frame_without_data(model: str, f_port: int) -> None:
    sheet = load_sheet(model)
    assert decode_uplink(b"", f_port, sheet) == ()
    if not 1 <= f_port <= 223:
        assert decode_uplink(b"\x01\x02\x03\x04\x05\x06\x07", f_port, sheet) == ()


def test_data_has_bytes_and_a_port_of_the_device() -> None:
    ports = [-1, 0, 1, 2, 223, 224, 255]
    assert [p for p in ports if has_data(b"\0", p)] == [1, 2, 223]
    assert not any(has_data(b"", p) for p in ports)
