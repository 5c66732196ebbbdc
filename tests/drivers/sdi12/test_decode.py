"""What an exchange gives when its bytes are not those that were sent."""

import ast
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import edaphon_drivers
import edaphon_drivers.simulators.sdi12 as simulator
from edaphon_drivers import simulators
from edaphon_drivers.checksums import crc_characters
from edaphon_drivers.faults import Fault, Garbled, NoAnswer
from edaphon_drivers.readings import Reading, Status, Turn, pack_exchange, unpack_exchange
from edaphon_drivers.sdi12.engine import decode_answers, decode_exchange, last_identity
from edaphon_drivers.sheets import load_sheet

_TEROS12 = load_sheet("meter.teros12")
_HYDRA = load_sheet("stevens.hydraprobe")
_DATA = b"1+1807.82+21.0+1"


def _exchange(*answer: bytes) -> tuple[Turn, ...]:
    """What ends with `!` was sent."""
    return tuple(Turn(i, data.endswith(b"!"), data) for i, data in enumerate(answer))


def _with_crc(text: bytes) -> bytes:
    return text + crc_characters(text) + b"\r\n"


def _readings(turns: Sequence[Turn]) -> tuple[Reading, ...]:
    try:
        return decode_exchange(turns, _TEROS12)
    except Fault:
        return ()


@given(st.data())
def test_no_number_comes_of_an_answer_whose_crc_is_wrong(data: st.DataObject) -> None:
    line = bytearray(_with_crc(_DATA))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(line) - 1))
        line[at] ^= data.draw(st.integers(1, 255))
    turns = _exchange(b"1MC!", b"10013\r\n", b"1\r\n", b"1D0!", bytes(line))
    right = bytes(line[-5:-2]) == crc_characters(bytes(line[:-5]))
    assert right or not _readings(turns)


@given(st.data())
def test_any_damage_to_an_exchange_gives_readings_or_a_fault(data: st.DataObject) -> None:
    packed = bytearray(
        pack_exchange(_exchange(b"1MC!", b"10013\r\n", b"1\r\n", b"1D0!", _with_crc(_DATA)))
    )
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(packed) - 1))
        packed[at] = data.draw(st.integers(0, 255))
    try:
        turns = unpack_exchange(bytes(packed))
        last_identity(turns)
        decode_exchange(turns, _TEROS12)
    except Fault:
        pass


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=12)), max_size=8))
def test_any_turns_give_readings_or_a_fault(answer: list[tuple[bool, bytes]]) -> None:
    turns = [Turn(i, sent, data) for i, (sent, data) in enumerate(answer)]
    assert all(reading.status is Status.OK for reading in _readings(turns) if reading.number)
    last_identity(turns)


def test_the_last_complete_measurement_counts() -> None:
    turns = _exchange(
        b"1M!", b"10013\r\n", b"1D0!", b"1+1700+20+1\r\n",
        b"1M!", b"10013\r\n", b"1D0!", b"1+1800+21+2\r\n",
        b"1M!", b"10013\r\n", b"1D0!", b"1\r\n",
    )  # fmt: skip
    assert [reading.number for reading in decode_exchange(turns, _TEROS12)] == [1800, 21, 2]


def test_a_measurement_with_fewer_values_than_announced_is_not_complete() -> None:
    turns = _exchange(
        b"1M!", b"10013\r\n", b"1D0!", b"1+1700+20+1\r\n",
        b"1M!", b"10013\r\n", b"1D0!", b"1+1800+21\r\n", b"1D1!", b"1\xab\r\n",
    )  # fmt: skip
    assert [reading.number for reading in decode_exchange(turns, _TEROS12)] == [1700, 20, 1]
    with pytest.raises(Garbled):
        decode_exchange(_exchange(b"1M!", b"10016\r\n", b"1D0!", b"1+1700+20+1\r\n"), _TEROS12)


def test_data_of_another_measurement_are_not_mixed_in() -> None:
    turns = _exchange(
        b"0M!", b"00029\r\n", b"0D0!", b"0+1+2+3\r\n", b"0D1!", b"0+4+5+6\r\n",
        b"0M!", b"00029\r\n", b"0D2!", b"0+7+8+9\r\n",
    )  # fmt: skip
    with pytest.raises(Garbled):
        decode_exchange(turns, _HYDRA)


def test_data_from_a_neighbour_give_no_number() -> None:
    turns = _exchange(b"1M!", b"10013\r\n", b"1D0!", b"2+1800+21+2\r\n")
    with pytest.raises(Garbled):
        decode_exchange(turns, _TEROS12)


def test_another_number_of_values_than_the_sheet_knows_is_not_mapped() -> None:
    turns = _exchange(b"1M!", b"10012\r\n", b"1D0!", b"1+1800+21\r\n")
    with pytest.raises(Garbled, match="3 values of meter.teros12"):
        decode_exchange(turns, _TEROS12)


def test_silence_is_no_answer() -> None:
    with pytest.raises(NoAnswer):
        decode_exchange(_exchange(b"1M!", b"1M!"), _TEROS12)
    with pytest.raises(NoAnswer):
        decode_exchange((), _TEROS12)


def test_an_identity_of_another_address_is_none() -> None:
    line = b"113METER   TER12 201T12-00082937\r\n"
    assert last_identity(_exchange(b"2I!", line)) is None
    identity = last_identity(_exchange(b"1I!", line))
    assert identity is not None
    assert (identity.vendor, identity.model, identity.version) == ("METER", "TER12", "201")


def test_a_factory_calibration_is_named_by_curve_quantity_and_unit() -> None:
    factory = {entry.name: entry for entry in _TEROS12.outputs["water_content_counts"].factory}
    assert {name: entry.curve for name, entry in factory.items()} == {
        "mineral": "teros12_mineral",
        "soilless": "teros12_soilless",
        "permittivity": "teros12_permittivity",
    }
    assert factory["permittivity"].quantity == "relative_permittivity"


def test_the_simulator_imports_nothing_of_the_runtime_code() -> None:
    tree = ast.parse(Path(simulator.__file__).read_text("utf-8"))
    named = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    named |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    own = {name for name in named if name.startswith(edaphon_drivers.__name__)}
    assert not {name for name in own if not name.startswith(simulators.__name__)}


CS650 = ["volumetric_water_content", "bulk_electrical_conductivity", "soil_temperature"]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0+0.25+0.1+21.5", [0.25, 0.1, 21.5]),
        ("0+0.25+0.1\r\n0+21.5\r\n", [0.25, 0.1, 21.5]),
        ("0M!00013\r\n0\r\n0D0!0+0.25+0.1+21.5\r\n", [0.25, 0.1, 21.5]),  # as a terminal shows it
        ("0C!000103\n0D0!0+0.25-0.1+21.5\n", [0.25, -0.1, 21.5]),
        ("0C!0D0!0+0.25+0.1+21.5\n", [0.25, 0.1, 21.5]),
    ],
)
def test_the_answers_of_a_terminal_are_the_values_of_the_command_that_gives_so_many(text, values):
    found = decode_answers(text.encode(), load_sheet("campbell.cs650"))
    assert [(r.output, r.number) for r in found] == list(zip(CS650, values, strict=True))


def test_the_values_of_all_commands_are_in_the_order_of_the_sheet():
    lines = b"0+0.25+0.1+21.5\r\n0+18.2+1+2\r\n"
    found = decode_answers(lines, load_sheet("campbell.cs650"))
    numbers = [0.25, 0.1, 21.5, 18.2]  # what M1 gives behind the permittivity has no name
    names = [*CS650, "relative_permittivity"]
    assert [(r.output, r.number) for r in found] == list(zip(names, numbers, strict=True))
    profile = load_sheet("gropoint.profile-4")
    moisture = decode_answers(b"1+1+2+3+4", profile)
    assert [r.output for r in moisture][::3] == [f"volumetric_water_content_{n}" for n in (1, 4)]
    temperature = decode_answers(b"1+1+2+3+4\n1+5+6+7", profile)
    assert {r.output[:-2] for r in temperature} == {"soil_temperature"}


@pytest.mark.parametrize(
    "text", ["", "0", "0M!00013", "0+1", "0+1+2+3+4", "0+1+2\n1+3", "0+1+2+3+4+5+6+7"]
)
def test_values_of_two_probes_or_of_no_command_are_garbled(text):
    with pytest.raises(Garbled):
        decode_answers(text.encode(), load_sheet("campbell.cs650"))


@pytest.mark.parametrize(("n", "whole"), [(0, False), (1, True), (4, True), (6, True), (7, False)])
def test_a_shorter_profile_may_give_fewer_values_and_none_is_no_profile(n, whole):
    sheet = load_sheet("delta-t.pr2")
    data = b"0" + b"+1.5" * n
    if whole:
        assert [r.number for r in decode_answers(data, sheet)] == [1.5] * n
    else:
        with pytest.raises(Garbled):
            decode_answers(data, sheet)
