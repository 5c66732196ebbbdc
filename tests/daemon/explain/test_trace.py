"""What was known of a record when it came: configuration, clock, serial number."""

from types import SimpleNamespace

import pytest

from edaphon.derive.plan import Plan
from edaphon.explain.trace import History
from edaphon.facts import Knowledge
from edaphon.journal import Entry, Kind
from edaphon.model import ALWAYS, EntryId

BOOT, LATER_BOOT = "first", "second"
SOURCES = SimpleNamespace(
    identity=lambda entry: SimpleNamespace(serial=entry.payload.decode()) if entry.payload else None
)


def at(n: int) -> EntryId:
    return EntryId(1, n)


def entry(kind: Kind, n: int, source: str = "", payload: bytes = b"", boot: str = BOOT) -> Entry:
    return Entry(kind, 1000 + n, n, boot, source, payload)


def identity(n: int, source: str, serial: str, boot: str = BOOT) -> tuple[EntryId, Entry]:
    return at(n), entry(Kind.IDENTITY, n, source, serial.encode(), boot)


def clock(n: int, boot: str = BOOT) -> tuple[EntryId, Entry]:
    return at(n), entry(Kind.CLOCK, n, boot=boot)


def configuration(n: int, text: str = "") -> tuple[EntryId, Entry]:
    return at(n), entry(Kind.CONFIGURATION, n, payload=text.encode())


def history(*items: tuple[EntryId, Entry]) -> History:
    def of(kind: Kind) -> tuple[tuple[EntryId, Entry], ...]:
        return tuple(item for item in items if item[1].kind == kind)

    return History(
        of(Kind.CONFIGURATION),
        of(Kind.CLOCK),
        of(Kind.IDENTITY),
        (),
        Knowledge(),
        SOURCES,
        Plan(Knowledge()),
    )


LIFE = history(
    clock(1),
    identity(2, "sdi12/a", "A1"),
    identity(3, "sdi12/b", "B1"),
    identity(5, "sdi12/a", ""),  # it answers, and says no number
    identity(8, "sdi12/a", "A2"),
)


@pytest.mark.parametrize(
    ("place", "path", "serial", "since"),
    [
        (2, "sdi12/a", "", ALWAYS[1]),
        (3, "sdi12/a", "A1", 1002),
        (4, "sdi12/b", "B1", 1003),
        (6, "sdi12/a", "A1", 1002),
        (8, "sdi12/a", "A1", 1002),
        (9, "sdi12/a", "A2", 1008),
        (9, "sdi12/c", "", ALWAYS[1]),
    ],
)
def test_the_serial_number_is_the_last_that_the_instrument_reported_before(
    place, path, serial, since
):
    assert LIFE.serial_at(at(place), path) == (serial, since)


def test_a_serial_number_reported_before_the_clock_was_known_has_no_time():
    early = history(identity(1, "sdi12/a", "A1"), clock(2))
    assert early.serial_at(at(3), "sdi12/a") == ("A1", ALWAYS[1])
    of_another_boot = history(clock(1), identity(2, "sdi12/a", "A1", LATER_BOOT))
    assert of_another_boot.serial_at(at(3), "sdi12/a") == ("A1", ALWAYS[1])


def test_a_clock_is_known_from_the_last_entry_before_the_record_or_the_first_after_it():
    life = history(clock(2), clock(5), clock(7, LATER_BOOT))
    assert [life.known_from(at(n), entry(Kind.RECORD, n)) for n in (1, 3, 5, 6, 9)] == [
        at(2), at(2), at(2), at(5), at(5)
    ]  # fmt: skip
    assert life.known_from(at(3), entry(Kind.RECORD, 3, boot=LATER_BOOT)) == at(7)
    assert life.known_from(at(3), entry(Kind.RECORD, 3, boot="none")) is None


def test_a_line_begins_with_the_last_configuration_and_all_clocks_and_last_identities():
    life = history(
        configuration(1),
        clock(2),
        identity(3, "sdi12/a", "A1"),
        configuration(4),
        identity(5, "sdi12/a", "A2"),
        clock(6),
        configuration(7),
        clock(8),
        identity(9, "sdi12/a", "A3"),
    )
    begun = {n: [place.n for place, _ in life.before(at(n))] for n in (1, 3, 6, 9)}
    assert begun == {1: [1], 3: [1, 2, 3], 6: [4, 2, 5, 6], 9: [7, 2, 6, 8, 9]}
