"""The simulated probes speak the protocol as the specification prints it."""

import os
import select
import time

import pytest

from edaphon_drivers.simulators.sdi12 import Probe, SimulatedBus


def _talk(path: str, *commands: str) -> list[bytes]:
    """The bytes that come within 60 ms after each command."""
    port = os.open(path, os.O_RDWR | os.O_NOCTTY)
    heard = []
    try:
        for command in commands:
            os.write(port, command.encode())
            heard.append(_heard(port))
    finally:
        os.close(port)
    return heard


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
    heard = _speak(_spec_probe(per_answer=6), "0MC!", "0D0!", "0D1!", "0D2!")
    assert heard[0] == b"00019\r\n0\r\n"
    assert heard[1] == b"0+1.11+2.22+3.33+4.44+5.55+6.66I]q\r\n"
    assert heard[2] == b"0+7.77+8.88+9.99IvW\r\n"
    assert heard[3] == b"0AP@\r\n"


def test_a_concurrent_measurement_has_no_service_request_and_longer_answers() -> None:
    heard = _speak(_spec_probe(), "0C!", "0D0!")
    assert heard == [
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
