"""The simulated probes speak the protocol as the specification prints it."""

import os
import select
import time

import pytest

from edaphon_drivers.simulators.sdi12 import Probe, SimulatedBus


def _talk(path: str, *commands: str) -> list[bytes]:
    """The bytes that come within 60 ms after each command."""
    port = os.open(path, os.O_RDWR | os.O_NOCTTY)
    received = []
    try:
        for command in commands:
            os.write(port, command.encode())
            received.append(_heard(port))
    finally:
        os.close(port)
    return received


def _heard(port: int) -> bytes:
    data, end = b"", time.monotonic() + 0.06
    while (left := end - time.monotonic()) > 0:
        if select.select([port], [], [], left)[0]:
            data += os.read(port, 4096)
    return data


def _speak(probe: Probe, *commands: str) -> list[bytes]:
    bus = SimulatedBus([probe], second_s=0.01)
    path = bus.start()
    try:
        return _talk(path, *commands)
    finally:
        bus.stop()


def _spec_probe(**other: object) -> Probe:
    values = ["+1.11", "+2.22", "+3.33", "+4.44", "+5.55", "+6.66", "+7.77", "+8.88", "+9.99"]
    return Probe("0", "14EDAPHON PROBE 001", values, **other)  # type: ignore[arg-type]


def test_nine_values_need_two_answers_with_the_published_crcs() -> None:
    received = _speak(_spec_probe(per_answer=6), "0MC!", "0D0!", "0D1!", "0D2!")
    assert received[0] == b"00019\r\n0\r\n"
    assert received[1] == b"0+1.11+2.22+3.33+4.44+5.55+6.66I]q\r\n"
    assert received[2] == b"0+7.77+8.88+9.99IvW\r\n"
    assert received[3] == b"0AP@\r\n"


def test_a_concurrent_measurement_has_no_service_request_and_longer_answers() -> None:
    received = _speak(_spec_probe(), "0C!", "0D0!")
    assert received == [
        b"000109\r\n",
        b"0" + b"".join(b"+%d.%d%d" % (n, n, n) for n in range(1, 10)) + b"\r\n",
    ]


def test_unknown_addresses_and_commands_are_not_answered() -> None:
    assert _speak(_spec_probe(), "1!", "0X!", "0!", "?!") == [b"", b"", b"0\r\n", b"0\r\n"]


def test_a_measurement_that_the_probe_does_not_have_announces_no_values() -> None:
    assert _speak(_spec_probe(), "0M3!", "0C3!") == [b"00000\r\n", b"000000\r\n"]


def test_data_asked_for_too_early_are_an_aborted_measurement() -> None:
    bus = SimulatedBus([_spec_probe(seconds=9)], second_s=1)
    path = bus.start()
    try:
        assert _talk(path, "0M!", "0D0!") == [b"00099\r\n", b"0\r\n"]
    finally:
        bus.stop()


def test_numbers_have_at_most_seven_digits() -> None:
    probe = Probe("0", "", [1234.56789, -0.000123456, 1234567.0, 0.0], seconds=0)
    assert _speak(probe, "0M!", "0D0!")[1] == b"0+1234.568-0.000123+1234567+0\r\n"


def test_an_unknown_fault_is_refused() -> None:
    with pytest.raises(ValueError, match="silent"):
        _spec_probe().fail("burning")


def test_high_volume_packets_are_those_of_the_specification() -> None:
    packets = [(3, [-1, 1]), (9, [3.14, 1.0])]
    received = _speak(
        Probe("1", "", [], seconds=5, packets=packets), "1HB!", "1DB0!", "1DB1!", "1DB2!"
    )
    assert received == [
        b"1005004\r\n",
        bytes.fromhex("31040003ffff0100c2ac"),
        bytes.fromhex("31080009c3f548400000803f3b6e"),
        bytes.fromhex("310000000efc"),
    ]


def test_high_volume_text_always_has_its_crc() -> None:
    received = _speak(Probe("0", "", [], seconds=0, high=["+3.14", "+2.718"]), "0HA!", "0D0!")
    assert received == [b"0000002\r\n", b"0+3.14+2.718IWO\r\n"]


def test_a_probe_without_high_volume_promises_no_values() -> None:
    assert _speak(_spec_probe(), "0HA!", "0HB!") == [b"0000000\r\n", b"0000000\r\n"]


def test_metadata_are_those_of_the_specification() -> None:
    described = {
        "M": ["PR,mm,precipitation rate per day"],
        "CC": ["CU,degrees C,average air temperature,calibration data,40,1235"],
    }
    probe = Probe("0", "", [], seconds=0, described=described)
    received = _speak(probe, "0IM!", "0IM_001!", "0IM_002!", "0ICC_001!", "0IV!")
    assert received[:3] == [b"00001\r\n", b"0,PR,mm,precipitation rate per day;\r\n", b"0\r\n"]
    line = b"0,CU,degrees C,average air temperature,calibration data,40,1235;@|e\r\n"
    assert received[3:] == [line, b""]


def test_continuous_values_come_at_once_and_an_unknown_number_gives_none() -> None:
    received = _speak(Probe("0", "", [], at_once={1: ["+3.14"]}), "0R1!", "0RC1!", "0R2!", "0RC2!")
    assert received == [b"0+3.14\r\n", b"0+3.14OqZ\r\n", b"0\r\n", b"0AP@\r\n"]


def test_verification_addresses_and_extended_commands_are_answered() -> None:
    probe = Probe("0", "", [], seconds=0, checks=["+1"], extended={"XH": ["one", "two"]})
    received = _speak(probe, "0V!", "0D0!", "0XH!", "0Ab!", "0!", "b!")
    several = b"0\x02one\r\ntwo\r\n\x03"
    assert received == [b"00001\r\n", b"0+1\r\n", several, b"b\r\n", b"", b"b\r\n"]
