"""The errors of the drivers' room: what an instrument or its line can do wrong.

Fault
├── NoAnswer   nothing came in time                              (temporary)
├── Garbled    bytes came that the protocol or the CRC forbids   (temporary)
├── Refused    the instrument or its payload says no             (final)
└── LinkDown   the port or the connection is gone                (temporary)
"""

from typing import ClassVar

__all__ = ["Fault", "Garbled", "LinkDown", "NoAnswer", "Refused"]


class Fault(Exception):
    """What was expected, what came and from where; `cause` names it on a gap."""

    cause: ClassVar[str] = "fault"
    temporary: ClassVar[bool] = True

    def __init__(self, expected: str, came: bytes | str = b"", where: str = "") -> None:
        self.expected = expected
        self.came = came if isinstance(came, bytes) else came.encode()
        self.where = where
        seen = ascii(self.came[:80])[2:-1] if self.came else "nothing"
        place = f" from {ascii(where[:80])[1:-1]}" if where else ""  # a topic may be anything
        super().__init__(f"expected {expected}, got {seen}{place}")


class NoAnswer(Fault):
    """Nothing came in time."""

    cause = "no answer"


class Garbled(Fault):
    """Bytes came that the protocol or its CRC forbids."""

    cause = "garbled"


class Refused(Fault):
    """The instrument, or the rules for its payload, say no; asking again won't help."""

    cause = "refused"
    temporary = False


class LinkDown(Fault):
    """The port or the connection is gone."""

    cause = "port gone"
