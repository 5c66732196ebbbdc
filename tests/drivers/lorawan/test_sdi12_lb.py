"""Dragino SDI-12-LB: battery and the text of SDI-12 answers."""

import pytest

from edaphon_drivers.faults import Garbled
from edaphon_drivers.lorawan import decode_uplink
from edaphon_drivers.readings import Reading, Status
from edaphon_drivers.sheets import load_sheet

HEADER = bytes.fromhex("0ce501")


def decoded(text: bytes, model: str = "dragino.sdi12-lb", f_port: int = 2) -> tuple[Reading, ...]:
    return decode_uplink(HEADER + text, f_port, load_sheet(model))


def values(text: bytes) -> list[float | None]:
    return [r.number for r in decoded(text)][1:]


def test_the_values_of_the_answer_follow_the_battery() -> None:
    assert [(r.output, r.number, r.unit) for r in decoded(b"0+1.60+25.7")] == [
        ("battery_voltage", 3.301, "V"),
        ("value_1", 1.6, "dimensionless"),
        ("value_2", 25.7, "dimensionless"),
    ]


def test_an_interrupt_is_not_part_of_the_battery() -> None:
    data = b"\x8c\xe5\x01" + b"0+1.60"
    readings = decode_uplink(data, 2, load_sheet("dragino.sdi12-lb"))
    assert readings[0].number == 3.301


@pytest.mark.parametrize(
    "text",
    [
        b"0+1.6\r\n1-2.5\r\n",
        b"0+1.6\xf1\x051-2.5",
        b"\xf0\x0a0+1.6-2.5\r\n",
        b"0+1.6\r\n0\r\n1-2.5"[:9] + b"1-2.5",
    ],
)
def test_answers_of_several_commands_follow_one_another(text: bytes) -> None:
    assert values(text) == [1.6, -2.5]


def test_a_probes_sheet_names_and_judges_the_values() -> None:
    readings = decoded(b"1+1807.82-9999+1\r\n", "dragino.sdi12-lb-teros12")
    assert [(r.output, r.number, r.status) for r in readings] == [
        ("battery_voltage", 3.301, Status.OK),
        ("water_content_counts", 1807.82, Status.OK),
        ("soil_temperature", None, Status.FAILURE),
        ("bulk_electrical_conductivity", 1.0, Status.OK),
    ]


def test_no_answer_at_all_is_a_failure_of_the_probe() -> None:
    readings = decoded(b"", "dragino.sdi12-lb-teros12")
    assert [r.number for r in readings] == [3.301, None, None, None]
    assert {r.status for r in readings[1:]} == {Status.FAILURE}


def test_the_outputs_of_the_teros_12_are_those_of_its_own_sheet() -> None:
    own = dict(load_sheet("dragino.sdi12-lb-teros12").outputs)
    del own["battery_voltage"]
    assert own == load_sheet("meter.teros12").outputs


@pytest.mark.parametrize("text", [b"OK", b"0+1.60+25.7 ", b"+1.60", b"0+1.6+\x00"])
def test_a_text_that_is_no_answer_is_garbled_here_too(text: bytes) -> None:
    with pytest.raises(Garbled):
        decoded(text)


def test_a_status_has_the_battery_alone_and_a_downlinks_answer_nothing() -> None:
    sheet = load_sheet("dragino.sdi12-lb")
    status = decode_uplink(bytes.fromhex("17010001ff0caf"), 5, sheet)
    assert [(r.output, r.number) for r in status] == [("battery_voltage", 3.247)]
    assert decode_uplink(b"0\r\n", 100, sheet) == ()


@pytest.mark.parametrize(("data", "f_port"), [(b"\x0c\xe5", 2), (HEADER, 5), (HEADER, 3)])
def test_another_length_or_port_is_garbled(data: bytes, f_port: int) -> None:
    with pytest.raises(Garbled):
        decode_uplink(data, f_port, load_sheet("dragino.sdi12-lb"))
