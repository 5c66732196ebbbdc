"""The address in a command that was sent: of the command it is, and of no other."""

import pytest

from edaphon_drivers.ascii.engine import _sent_to


@pytest.mark.parametrize(
    ("asks", "sent", "address"),
    [
        (("{address}R?\r",), b"7R?\r", "7"),
        (("#{address}\r",), b"#12\r", "12"),
        (("#{address}\r", "Q{address}!"), b"Q3!", "3"),
        (("Q",), b"Q", ""),
        (("Q",), b"Q1", None),
        (("QA", "Q{address}"), b"QA1", "A1"),
        (("#{address}\r",), b"?12\r", None),
        (("#{address}\r",), b"#12\n", None),
        ((), b"#12\r", None),
    ],
)
def test_the_address_of_a_command(asks, sent, address):
    assert _sent_to(asks, sent) == address
