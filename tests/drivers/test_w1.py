"""1-wire thermometers: transcripts, simulated folders, and no number from bytes that are wrong."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.transcript import Expected, play, read_transcript

from edaphon_drivers.faults import Fault, Garbled, LinkDown, NoAnswer, Refused
from edaphon_drivers.links.i2c import W1Link
from edaphon_drivers.readings import Status, Turn, pack_exchange, unpack_exchange
from edaphon_drivers.sheets import load_sheet, parse_sheet
from edaphon_drivers.simulators.plugged import W1_FAULTS, SimulatedThermometers
from edaphon_drivers.talk import Asking, Timing
from edaphon_drivers.w1 import (
    address_error,
    decode_exchange,
    decode_identity,
    identify,
    measure,
    sheet_errors,
)

TRANSCRIPTS = Path(__file__).parent / "transcripts" / "w1"
SHEET = load_sheet("maxim.ds18b20")
ROM = "28-0316a2795cff"
GOOD = b"9d 01 4b 46 7f ff 03 10 57 : crc=57 YES\n9d 01 4b 46 7f ff 03 10 57 t=25812\n"


def decoded(data, sheet=SHEET):
    return decode_exchange([Turn(0, False, data)], sheet)


@pytest.mark.parametrize("path", sorted(TRANSCRIPTS.glob("*.txt")), ids=lambda path: path.stem)
def test_a_1_wire_conversation_goes_as_recorded(path):
    transcript = read_transcript(path.read_text("utf-8"))
    sheet = load_sheet(".".join(path.name.split(".")[:2]))
    address = transcript.turns[0].data.decode().strip()
    played = play(measure(address, sheet, Asking()), transcript)
    turns = unpack_exchange(pack_exchange(played.turns))
    assert (played.fault.cause if played.fault else "") == transcript.fault
    if transcript.fault:
        with pytest.raises(Fault):
            decode_exchange(turns, sheet)
    else:
        readings = decode_exchange(turns, sheet)
        assert tuple(map(Expected.of, readings)) == transcript.expected
    assert transcript.notes


def asked(link, rom=ROM, sheet=SHEET):
    """A talk on a real link, as a bus would hold it."""
    turns, talk = [], measure(rom, sheet, Asking(Timing(answer_s=0.001)))
    try:
        step = next(talk)
        while True:
            link.write(step.send)
            came = link.read(step.wait_s)
            turns += [Turn(0, True, step.send), Turn(0, False, came)]
            step = talk.send(came)
    except StopIteration:
        return turns


@pytest.mark.parametrize("celsius", [-55, -10.125, -0.0625, 0, 0.5, 25.8125, 84.9375, 125])
def test_a_simulated_ds18b20_is_read_to_the_sixteenth(tmp_path, celsius):
    SimulatedThermometers(tmp_path).show(ROM, celsius)
    (reading,) = decode_exchange(asked(W1Link(tmp_path)), SHEET)
    assert (reading.number, reading.unit) == (celsius, "degC")


@pytest.mark.parametrize("celsius", [-55, -10.125, -0.5, 0, 0.25, 21.4375, 85.0625])
def test_a_simulated_ds18s20_is_read_with_its_counters(tmp_path, celsius):
    SimulatedThermometers(tmp_path).show("10-000802b5a1f0", celsius)
    sheet = load_sheet("maxim.ds18s20")
    (reading,) = decode_exchange(asked(W1Link(tmp_path), "10-000802b5a1f0", sheet), sheet)
    assert reading.number == celsius


def test_bits_below_the_resolution_mean_nothing(tmp_path):
    SimulatedThermometers(tmp_path).show(ROM, 21.4375, bits=9)
    turns = asked(W1Link(tmp_path))
    assert decode_exchange(turns, SHEET)[0].number == 21.0
    identity = decode_identity(turns, SHEET)
    assert (identity.serial, identity.model) == (ROM, "DS18B20")
    assert identity.settings == {"resolution": "9 bit"}


@pytest.mark.parametrize("fault", sorted(set(W1_FAULTS) - {"power on"}))
def test_a_faulty_file_is_garbled_after_all_tries(tmp_path, fault):
    SimulatedThermometers(tmp_path).show(ROM, 12.5, fault=fault)
    with pytest.raises(Garbled):
        asked(W1Link(tmp_path))


def test_the_power_on_value_is_a_failure_and_so_is_any_85_in_soil(tmp_path):
    bus = SimulatedThermometers(tmp_path)
    for fault in ("power on", ""):
        bus.show(ROM, 85.0, fault=fault)
        (reading,) = decode_exchange(asked(W1Link(tmp_path)), SHEET)
        assert (reading.number, reading.status) == (None, Status.FAILURE)


def test_a_sheet_for_hot_places_keeps_a_real_85_and_still_refuses_the_power_on_value(tmp_path):
    output = {"name": "t", "quantity": "device_temperature", "unit": "degC"}
    frame = {"form": "ds18b20", "families": ["28"]}
    table = {"title": "t", "engine": "w1", "checked": "unverified", "source": "s", "frame": frame}
    hot = parse_sheet("own.hot", {**table, "output": [output]})
    bus = SimulatedThermometers(tmp_path)
    bus.show(ROM, 85.0)
    assert decode_exchange(asked(W1Link(tmp_path)), hot)[0].number == 85.0
    bus.show(ROM, 85.0, fault="power on")
    assert decode_exchange(asked(W1Link(tmp_path)), hot)[0].status is Status.FAILURE


def test_a_missing_thermometer_is_silence_and_a_missing_folder_a_lost_link(tmp_path):
    bus = SimulatedThermometers(tmp_path / "devices")
    link = W1Link(tmp_path / "devices")
    with pytest.raises(NoAnswer):
        asked(link)
    bus.unplug()
    with pytest.raises(LinkDown, match="w1-gpio"):
        asked(link)
    with pytest.raises(LinkDown):
        W1Link(tmp_path / "devices")


def test_the_link_reads_nothing_but_thermometers(tmp_path):
    SimulatedThermometers(tmp_path / "devices")
    (tmp_path / "w1_slave").write_bytes(GOOD)
    link = W1Link(tmp_path / "devices")
    link.write(b"..\n")
    assert link.read(0) == b""


def test_no_turned_bit_in_a_slave_file_gives_another_number():
    for bit in range(len(GOOD) * 8):
        data = bytearray(GOOD)
        data[bit // 8] ^= 1 << bit % 8
        try:
            readings = decoded(bytes(data))
        except Garbled:
            continue
        # only t= may be off by its truncation
        assert [r.number for r in readings] == [25.8125]


@given(st.binary(max_size=200))
def test_any_bytes_in_a_slave_file_give_a_fault(data):
    with pytest.raises(Fault):
        decoded(data)


@given(st.binary(min_size=8, max_size=8), st.sampled_from(["maxim.ds18b20", "maxim.ds18s20"]))
def test_any_scratchpad_gives_a_number_in_range_or_none(pad, model):
    from edaphon_drivers.checksums import crc8_maxim

    shown = " ".join(f"{byte:02x}" for byte in [*pad, crc8_maxim(pad)])
    for millis in (0, 12500, 85000):
        try:
            text = f"{shown} : crc={crc8_maxim(pad):02x} YES\n{shown} t={millis}\n".encode()
            (reading,) = decoded(text, load_sheet(model))
        except Garbled:
            continue
        assert reading.number is None or abs(reading.number * 1000 - millis) < 500


def test_a_ds18s20_is_never_read_as_a_ds18b20():
    with pytest.raises(Refused, match="family"):
        next(measure("10-000802b5a1f0", SHEET, Asking()))
    with pytest.raises(Refused):
        decode_exchange([Turn(0, True, b"10-000802b5a1f0\n"), Turn(1, False, GOOD)], SHEET)


def test_a_1_wire_address_is_an_identity():
    assert address_error(ROM) == ""
    for wrong in ("", "28", "28-0316A2795CFF", "28.0316a2795cff", ROM + "\n"):
        assert "28-0316a2795cff" in address_error(wrong)


def test_an_identity_needs_a_good_file():
    assert decode_identity([Turn(0, True, ROM.encode()), Turn(1, False, b"x")], SHEET) is None
    assert next(identify(ROM, SHEET, Asking())).send == ROM.encode() + b"\n"


def test_the_troubles_of_a_1_wire_sheet_are_said():
    assert list(sheet_errors(SHEET)) == []
    wrong = parse_sheet(
        "own.t",
        {
            "title": "t",
            "engine": "w1",
            "checked": "unverified",
            "source": "s",
            "frame": {"form": "pt100", "families": "28"},
            "output": [],
        },
    )
    assert len(list(sheet_errors(wrong))) == 2
    (missing,) = sheet_errors(replace(wrong, frame=SHEET.frame))
    assert missing == "one output is expected, the temperature; there are 0"
