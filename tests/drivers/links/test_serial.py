"""What is reported of a port that can't be used: what to do with hands and tools."""

import os
import pty

import pytest

from edaphon_drivers.faults import LinkDown
from edaphon_drivers.links.serial import SerialLink, SerialOptions


@pytest.mark.parametrize(
    ("path", "remedy"), [("/dev/null", "this is none"), ("/dev/nowhere", "plug the adapter in")]
)
def test_a_port_that_is_none_or_is_gone_is_told_apart(path, remedy):
    with pytest.raises(LinkDown, match=remedy):
        SerialLink(path)


def test_the_reason_of_a_long_path_is_whole_and_the_path_stands_once():
    path = "/dev/serial/by-id/usb-FTDI_USB-RS485_FT4XYZ12-if00-port0"
    with pytest.raises(LinkDown) as down:
        SerialLink(path)
    assert str(down.value).endswith(f"got No such file or directory from {path}")


def test_a_format_that_the_port_refuses_is_named_as_such():
    """A pseudo-terminal has no parity, and reports it where nothing else changes."""
    other, port = pty.openpty()
    try:
        path = os.ttyname(port)
        SerialLink(path, SerialOptions(parity="E")).close()
        with pytest.raises(LinkDown, match=r"baud and format .*, got Invalid argument from /dev"):
            SerialLink(path, SerialOptions(parity="E"))
    finally:
        os.close(other)
        os.close(port)
