"""Decentlab sheets that owners write: what is wrong in their tables is stated in words."""

from typing import Any

import pytest

from edaphon_drivers.faults import Garbled
from edaphon_drivers.lorawan import decode_uplink
from edaphon_drivers.lorawan.codecs import sheet_errors
from edaphon_drivers.sheets import Sheet, parse_sheet

OUTPUT = {"name": "pressure", "quantity": "gauge_pressure", "unit": "bar"}


def sheet(row: dict[str, Any], **frame: Any) -> Sheet:
    sensor = {"words": 2, "value": [{"output": "pressure", **row}]}
    table = {"title": "", "engine": "lorawan", "checked": "", "source": "", "output": [OUTPUT]}
    own = {"codec": "decentlab", "f_port": 1, "sensor": [sensor], **frame}
    return parse_sheet("mine", {**table, "frame": own})


RIGHT = {"word": 0, "offset": 16384, "divide": 32768, "multiply": "span", "add": "low"}


def test_a_range_of_ones_own_needs_only_other_parameters() -> None:
    mine = sheet(RIGHT, parameters={"span": 4.0, "low": -1.0})
    assert list(sheet_errors(mine)) == []
    (reading,) = decode_uplink(bytes.fromhex("020000000180000000"), 1, mine)
    assert reading.number == 1.0


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (RIGHT, "multiply is a number or a name of frame.parameters, not 'span'"),
        ({}, "expected one of word, words, ratio, greatest"),
        ({"word": 0, "words": [0, 1]}, "expected one of"),
        ({"word": 2}, "word 2 of 2, counted from 0"),
        ({"words": [1, 2]}, "word 2 of 2"),
        ({"words": [0, 1], "minus": [0, -1]}, "word -1 of 2"),
        ({"word": 0, "good": {"word": 5}}, "word 5 of 2"),
        ({"greatest": [[1.0]]}, "1 weights for 2 words"),
        ({"word": 0, "divide": [2, 0]}, "is divided by 0"),
        ({"word": 0, "shape": "r**2"}, 'shape is one of r, 1/r, r/(1-r), not "r**2"'),
        ({"word": 0, "output": "depth"}, "no [[output]] is named 'depth'"),
        ({"word": 0, "good": {}}, "good.word is missing"),
        ({"words": 0}, "words is the numbers of two words"),
    ],
)
def test_a_row_that_the_codec_cannot_use_is_told(row: dict[str, Any], words: str) -> None:
    assert any(words in shown for shown in sheet_errors(sheet(row)))


def test_a_port_that_no_uplink_has_and_sensors_beyond_the_flags_are_told() -> None:
    many = [{"words": 1, "value": []}] * 17
    shown = list(sheet_errors(sheet(RIGHT, f_port=224, sensor=many)))
    assert ["f_port is 1 to 223" in shown[0], "the flags have 16 bits" in shown[1]] == [True, True]


def test_a_sheet_with_fewer_sensors_than_flags_is_a_garbled_uplink() -> None:
    with pytest.raises(Garbled):
        decode_uplink(bytes.fromhex("0200000002"), 1, sheet({"word": 0}))
