"""What METER probes send by themselves after power-up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ddi import read_ddi

from edaphon_drivers.faults import Garbled

_PUBLISHED = b"\t-34.8 22.3\rk@l"


@pytest.mark.parametrize("line", [_PUBLISHED, _PUBLISHED + b"\r\n", b"0" + _PUBLISHED + b"\r\n"])
def test_the_published_message_gives_its_values_and_type(line):
    assert read_ddi(line).values == (-34.8, 22.3)
    assert read_ddi(line).kind == "k"


def test_an_older_probe_sends_a_checksum_alone():
    assert read_ddi(b"\t22.0 21.2 1302\rw8\r\n") == ((22.0, 21.2, 1302.0), "w")
    for damaged in (b"\t22.0 21.8 1302\rw8\r\n", b"\t22.0 21.2 1302\rw8", b"\t22.0\rw8\r\n"):
        with pytest.raises(Garbled):
            read_ddi(damaged)


@given(st.integers(0, len(_PUBLISHED) - 1), st.integers(1, 255))
def test_one_changed_byte_of_a_message_gives_no_number(at, flip):
    line = bytearray(_PUBLISHED)
    line[at] ^= flip
    with pytest.raises(Garbled):
        read_ddi(bytes(line))


@given(st.binary(max_size=30))
def test_bytes_that_are_no_message_are_garbled(data):
    with pytest.raises(Garbled):
        read_ddi(b"\t" + data)
