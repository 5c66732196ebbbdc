"""I2C sensors: transcripts, CRC-protected words, and an adapter that is a file."""

import errno
import fcntl
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.transcript import Expected, play, read_transcript

from edaphon_drivers.checksums import crc8_sensirion
from edaphon_drivers.faults import Fault, Garbled, LinkDown, NoAnswer, Refused
from edaphon_drivers.i2c import (
    address_error,
    decode_exchange,
    decode_identity,
    identify,
    measure,
    read_words,
    sheet_errors,
)
from edaphon_drivers.links.i2c import I2cLink
from edaphon_drivers.readings import Turn, pack_exchange, unpack_exchange
from edaphon_drivers.sheets import load_sheet, parse_sheet
from edaphon_drivers.talk import Asking

TRANSCRIPTS = Path(__file__).parent / "transcripts" / "i2c"
SCD4X = load_sheet("sensirion.scd4x")
SHT4X = load_sheet("sensirion.sht4x")
GOOD = bytes.fromhex("01f4336667a25eb93c")


def answered(data, sheet=SCD4X):
    command = bytes.fromhex(sheet.frame["read"]["command"])
    return decode_exchange([Turn(0, True, b"\x62\x00" + command), Turn(1, False, data)], sheet)


def word(number):
    data = number.to_bytes(2, "big")
    return data + bytes([crc8_sensirion(data)])


@pytest.mark.parametrize("path", sorted(TRANSCRIPTS.glob("*.txt")), ids=lambda path: path.stem)
def test_an_i2c_conversation_goes_as_recorded(path):
    transcript = read_transcript(path.read_text("utf-8"))
    sheet = load_sheet(".".join(path.name.split(".")[:2]))
    played = play(measure(str(transcript.turns[0].data[0]), sheet, Asking()), transcript)
    turns = unpack_exchange(pack_exchange(played.turns))
    assert (played.fault.cause if played.fault else "") == transcript.fault
    if transcript.fault:
        with pytest.raises(Fault):
            decode_exchange(turns, sheet)
    else:
        readings = decode_exchange(turns, sheet)
        assert tuple(map(Expected.of, readings)) == transcript.expected
    assert transcript.notes


def test_no_turned_bit_in_a_measurement_gives_a_number():
    for bit in range(len(GOOD) * 8):
        data = bytearray(GOOD)
        data[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Garbled):
            answered(bytes(data))


@given(st.binary(max_size=30), st.sampled_from([SCD4X, SHT4X]))
def test_any_bytes_from_i2c_give_readings_or_a_fault(data, sheet):
    try:
        readings = answered(data, sheet)
    except Fault:
        return
    assert len(readings) == len(sheet.outputs)
    assert all((r.number is None) == (r.status != "ok") for r in readings)


def test_a_bus_without_pull_up_or_with_a_short_gives_no_number():
    for data in (b"\xff" * 9, bytes(9)):
        with pytest.raises(Garbled):
            answered(data)


def test_words_end_where_they_are_said_to():
    assert read_words(b"\xbe\xef\x92", 1) == (0xBEEF,)
    for data in (b"", b"\xbe\xef", b"\xbe\xef\x92\x00", b"\xbe\xef\x91"):
        with pytest.raises(Garbled):
            read_words(data, 1)


def test_an_answer_to_another_command_is_no_measurement():
    turns = [Turn(0, True, b"\x62\x00\x36\x82"), Turn(1, False, GOOD)]
    with pytest.raises(NoAnswer):
        decode_exchange(turns, SCD4X)


def asked_who(answers):
    """The turns of an SCD4x that is asked who it is; it is silent to a command not in `answers`."""
    talk, turns = identify("98", SCD4X, Asking()), []
    came, command = None, b""
    with suppress(StopIteration):
        while step := talk.send(came):
            command = step.send[2:] or command
            came = answers.get(command.hex(), b"") if step.send[1] else b""
            turns += [Turn(0, True, step.send), *([Turn(0, False, came)] if came else [])]
    return turns


WHO = {
    "3682": word(0xF896) + word(0x9F07) + word(0x3BBE),
    "2313": word(1),
    "2322": word(1100),
    "2318": word(0x0912),
    "e000": word(987),
    "233f": word(410),
}


def test_the_pressure_that_an_scd4x_was_given_is_one_of_its_settings():
    settings = decode_identity(asked_who(WHO), SCD4X).settings
    assert settings["ambient pressure [hPa]"] == "987"
    assert settings["self-calibration target [ppm]"] == "410"
    older = {name: data for name, data in WHO.items() if name not in {"e000", "233f"}}
    identity = decode_identity(asked_who(older), SCD4X)
    assert identity.serial == "f8969f073bbe"
    assert "ambient pressure [hPa]" not in identity.settings


def test_an_scd4x_is_asked_for_its_pressure_and_never_given_one():
    sent = [turn.data for turn in asked_who(WHO) if turn.sent]
    assert sent.count(b"\x62\x00\xe0\x00") == 1
    assert {len(data) for data in sent} == {2, 4}, "a command alone has no argument"


def test_who_answers_and_whether_it_calibrates_itself():
    turns = asked_who(WHO)
    assert turns[0].data == b"\x62\x00\x3f\x86"
    assert turns[-1].data == b"\x62\x00\x21\xb1"
    identity = decode_identity(turns, SCD4X)
    assert (identity.vendor, identity.model) == ("Sensirion", "SCD4x")
    assert identity.serial == "f8969f073bbe"
    assert identity.settings["automatic self-calibration"] == "1"
    assert identity.settings["sensor altitude [m]"] == "1100"
    assert decode_identity(turns[:1], SCD4X) is None


def test_an_i2c_address_is_seven_bits():
    assert [address_error(a) for a in ("0x62", "98", "8", "0x77")] == [""] * 4
    for wrong in ("", "0x78", "7", "128", "0x062", "62h", "-1", "98\n", "9" * 5000):
        assert "0x62" in address_error(wrong)
    with pytest.raises(Refused):
        next(measure("200", SCD4X, Asking()))


def test_the_troubles_of_an_i2c_sheet_are_said():
    assert list(sheet_errors(SCD4X)) == list(sheet_errors(SHT4X)) == []
    table = {"title": "t", "engine": "i2c", "checked": "unverified", "source": "s", "output": []}
    for frame in (
        {},
        {"read": {"command": "EC05", "word": [{"output": "-"}]}},
        {"read": {"command": "ec05", "word": [{"output": "co2"}]}},
        {"read": {"command": "ec05", "word": [{"over": 0}]}},
        {"read": {"command": "ec05", "word": [{}]}, "start": {"command": "21b1", "wait_ms": -1}},
        {"read": {"command": "ec05", "word": [{}]}, "who": 3},
    ):
        assert list(sheet_errors(parse_sheet("own.t", {**table, "frame": frame})))


def test_a_missing_adapter_and_one_that_is_none_are_lost_links(tmp_path):
    with pytest.raises(LinkDown, match="I2C"):
        I2cLink(str(tmp_path / "i2c-9"))
    (tmp_path / "file").touch()
    link = I2cLink(str(tmp_path / "file"))
    with pytest.raises(LinkDown):
        link.write(b"\x62\x00\xec\x05")
    link.close()
    link.close()


def test_what_is_written_and_read_goes_to_the_address(tmp_path, monkeypatch):
    chosen = []
    monkeypatch.setattr(fcntl, "ioctl", lambda file, request, address: chosen.append(address))
    (tmp_path / "adapter").write_bytes(b"..HELLO")
    link = I2cLink(str(tmp_path / "adapter"))
    link.write(b"\x62\x00\xec\x05")
    assert link.read(0) == b""
    link.write(b"\x62\x03")
    assert (link.read(0), link.read(0)) == (b"HEL", b"")
    assert chosen == [0x62, 0x62]
    assert (tmp_path / "adapter").read_bytes() == b"\xec\x05HELLO"
    link.close()


@pytest.mark.parametrize(
    ("code", "fault"), [(errno.EREMOTEIO, None), (errno.EBUSY, Refused), (errno.ENODEV, LinkDown)]
)
def test_a_silent_address_is_no_lost_adapter(tmp_path, monkeypatch, code, fault):
    def refuse(*_):
        raise OSError(code, "so")

    (tmp_path / "adapter").touch()
    link = I2cLink(str(tmp_path / "adapter"))
    monkeypatch.setattr(fcntl, "ioctl", refuse)
    if fault is None:
        link.write(b"\x62\x09")
        assert link.read(0) == b""
    else:
        with pytest.raises(fault):
            link.write(b"\x62\x09")
    link.close()
