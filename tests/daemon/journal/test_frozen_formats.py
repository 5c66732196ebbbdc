"""The formats that outlive all code: their bytes change only by a decision and a migration."""

import sqlite3
import zlib
from contextlib import closing
from pathlib import Path

import pytest
from tests.daemon.journal.entries import SetClock, commit, journal_file

from edaphon.journal import Entry, EntryId, Journal, Kind, Purpose, read_only, salvage
from edaphon.journal.entry import entry_crc
from edaphon_drivers.faults import Garbled
from edaphon_drivers.readings import (
    Message,
    Turn,
    pack_exchange,
    pack_message,
    unpack_exchange,
    unpack_message,
)

GOLDEN = Path(__file__).parent / "golden"

ENTRIES = [
    Entry(
        Kind.RECORD, 1_795_262_400_000_000_000, 12_000_000_000, "boot-1", "sdi12/a",
        bytes.fromhex("01000000003e0400614d3021"), 1_795_262_400_000_000_000,
    ),
    Entry(
        Kind.RECORD, 1_795_262_401_500_000_000, 13_500_000_000, "boot-1", "ttn",
        bytes.fromhex("0101060070 6c6f742f317b7d".replace(" ", "")),
    ),
    Entry(Kind.CLOCK, -1, 0, "boot-ü", "", b'{"how":"ntp"}', -(2**63), Purpose.TYPED),
    Entry(Kind.LOST, 2**63 - 1, 1, "boot-ü", "", b""),
]  # fmt: skip

MIDS = [None, 65535, None, None]


def golden(name: str) -> bytes:
    return bytes.fromhex((GOLDEN / name).read_text("ascii"))


def test_the_crc_covers_place_columns_and_payload() -> None:
    crcs = [entry_crc(1, n, entry) for n, entry in enumerate(ENTRIES, 1)]
    assert crcs == [int.from_bytes(golden("crc.hex")[k : k + 4], "big") for k in range(0, 16, 4)]
    first = ENTRIES[0]
    changed = [
        entry_crc(2, 1, first),
        entry_crc(1, 2, first),
        *(
            entry_crc(1, 1, first._replace(**{name: value}))  # type: ignore[arg-type]
            for name, value in {
                "kind": Kind.GAP, "received_ns": 0, "mono_ns": 0, "boot": "boot-2",
                "source": "sdi12/b", "payload": b"", "slot_ns": None, "purpose": Purpose.TEST,
            }.items()
        ),
    ]  # fmt: skip
    assert crcs[0] not in changed
    assert len(set(changed)) == len(changed)


def test_a_journal_file_of_the_first_format_is_read_and_written_on(tmp_path: Path) -> None:
    path = journal_file(tmp_path)
    path.write_bytes(zlib.decompress(golden("journal-000001.sqlite.zlib.hex")))
    assert [entry for _, entry in read_only(tmp_path).scan()] == ENTRIES
    assert [entry for _, entry in salvage(path)] == ENTRIES
    with Journal(tmp_path, SetClock()) as journal:
        assert journal.id == "0123456789abcdef0123456789abcdef"
        assert journal.deliveries("ttn", 9) == [(65535, ENTRIES[1].payload)]
        assert commit(journal, ENTRIES[:1]) == [EntryId(1, 5)]


def test_a_new_file_has_the_tables_and_marks_of_the_first_format(tmp_path: Path) -> None:
    old, new = journal_file(tmp_path, 1), journal_file(tmp_path / "new")
    old.write_bytes(zlib.decompress(golden("journal-000001.sqlite.zlib.hex")))
    with Journal(new.parent, SetClock()) as journal:
        journal.append(ENTRIES, mids=MIDS)
        assert journal.wait_newer(None, 10)
    assert shape(new) == shape(old)


def shape(path: Path) -> list[object]:
    """Everything that a reader of the file in a hundred years would see."""
    asked = (
        "PRAGMA application_id", "PRAGMA user_version", "PRAGMA page_size", "PRAGMA encoding",
        "SELECT name, sql FROM sqlite_schema", "SELECT * FROM name", "SELECT * FROM entry",
    )  # fmt: skip
    with closing(sqlite3.connect(path)) as connection:
        return [connection.execute(sql).fetchall() for sql in asked]


EXCHANGE = (
    Turn(0, True, b"aM0!"),
    Turn(85, False, b"a0013\r\n"),
    Turn(1100, True, b"aD0!"),
    Turn(2**32 - 1, False, b"a+1.5-0.25\r\n"),
    Turn(7, False, b""),
)


def test_the_exchange_keeps_its_bytes() -> None:
    assert pack_exchange(EXCHANGE[:4]) == golden("exchange.hex")
    assert unpack_exchange(golden("exchange.hex")) == EXCHANGE[:4]


def test_a_long_turn_comes_back_in_pieces_of_the_largest_size() -> None:
    pieces = unpack_exchange(pack_exchange([Turn(3, False, bytes(70_000))]))
    assert [(t.ms, t.sent, len(t.data)) for t in pieces] == [(3, False, 65535), (3, False, 4465)]


def test_the_message_keeps_its_bytes() -> None:
    assert pack_message("plot/ü", b'{"t":12.5}', 1, True, True) == golden("message.hex")
    whole = Message("plot/ü", b'{"t":12.5}', 1, True, True, 10)
    assert unpack_message(golden("message.hex")) == whole


def test_the_cut_message_keeps_its_bytes() -> None:
    packed = pack_message("a", bytes(65_537), 0, False, False)
    assert packed[: len(packed) - 4096] == golden("cut-message-head.hex")
    message = unpack_message(packed)
    assert (message.whole_bytes, message.data) == (65_537, bytes(4096))
    assert not message.dup


@pytest.mark.parametrize("cut", range(1, len(bytes.fromhex("01000000003e0400614d3021"))))
def test_a_shortened_exchange_is_garbled(cut: int) -> None:
    short = pack_exchange(EXCHANGE[:1])[:-cut]
    if short == b"\x01":
        assert unpack_exchange(short) == ()
    else:
        with pytest.raises(Garbled, match="expected"):
            unpack_exchange(short)


@pytest.mark.parametrize("payload", [b"", b"\x02", b"\x00", b"\x01\x00", b"\x01\x10\x01\x00a"])
def test_what_is_no_message_is_garbled(payload: bytes) -> None:
    with pytest.raises(Garbled):
        unpack_message(payload)
