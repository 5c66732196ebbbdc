"""The errors of the drivers' room: what an instrument or its line can do wrong.

Fault
├── NoAnswer   nothing came in time                              (temporary)
├── Garbled    bytes came that the protocol or the CRC forbids   (temporary)
│   └── Incomplete   only the first part of a payload could be read
├── Refused    the instrument or its payload says no             (final)
└── LinkDown   the port or the connection is gone                (temporary)
"""

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from edaphon_drivers.readings import Reading


_MOST_OF_A_PLACE = 240  # characters: the path of a port, a long one too


def _plain(place: str) -> str:
    """In printable characters, as a topic may be anything; the end says which port it is."""
    half = _MOST_OF_A_PLACE // 2
    short = place if len(place) <= _MOST_OF_A_PLACE else f"{place[:half]}...{place[-half:]}"
    return ascii(short)[1:-1]


class Fault(Exception):
    """What was expected, what came and from where; `cause` names it on a gap."""

    cause: ClassVar[str] = "fault"
    temporary: ClassVar[bool] = True

    def __init__(self, expected: str, came: bytes | str = b"", where: str = "") -> None:
        self.expected = expected
        self.came = came if isinstance(came, bytes) else came.encode()
        self.where = where
        seen = ascii(self.came[:80])[2:-1] if self.came else "nothing"
        place = f" from {_plain(where)}" if where else ""
        super().__init__(f"expected {expected}, got {seen}{place}")


class NoAnswer(Fault):
    """Nothing came in time."""

    cause = "no answer"


class Garbled(Fault):
    """Bytes came that the protocol or its CRC forbids."""

    cause = "garbled"


class Incomplete(Garbled):
    """Some channels of a payload could not be read; `readings` are those of all others.

    `unread` names each of them without what differs from frame to frame, to be counted by;
    `detail` says the same for one frame, with places and lengths.
    """

    def __init__(
        self,
        readings: "tuple[Reading, ...]",
        unread: tuple[str, ...],
        detail: str,
        came: bytes,
        where: str = "",
    ) -> None:
        super().__init__(f"known and whole channels only ({detail})", came, where)
        self.readings, self.unread, self.detail = readings, unread, detail


class Refused(Fault):
    """The instrument, or the rules for its payload, say no; asking again won't help."""

    cause = "refused"
    temporary = False


class PackageMissing(Fault):
    """The engine or the sheet is of a package that is not installed, or can't be used."""

    cause = "package missing"


class LinkDown(Fault):
    """The port or the connection is gone."""

    cause = "port gone"


class LinkMissing(LinkDown):
    """The link is of a package that is not installed, or can't be used."""

    cause = "package missing"
