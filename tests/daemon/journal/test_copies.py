"""The copy file: what it holds, what a damaged line may be about, how it goes on behind it."""

import orjson
import pytest
from tests.daemon.journal.entries import record

from edaphon.journal import Entry, Kind
from edaphon.journal.copies import CopyFile, copies_in, is_copied
from edaphon.journal.entry import reached_in
from edaphon.model import EntryId


def at(n: int, file: int = 1) -> EntryId:
    return EntryId(file, n)


def fact(k: int, kind: Kind = Kind.FACT) -> Entry:
    return record(k, b'{"k": %d}' % k, "")._replace(kind=kind, slot_ns=None)


def name(folder):
    return folder / "journal.copies"


def copy_file(folder) -> CopyFile:
    return CopyFile(folder)


def test_the_first_copies_are_in_a_new_file_at_once(tmp_path):
    copy_file(tmp_path).add([(at(1), fact(1))])
    assert copies_in(tmp_path).places == [at(1)]


def test_the_last_of_a_kind_and_those_between_two_places(tmp_path):
    file = copy_file(tmp_path)
    kinds = {1: Kind.FACT, 3: Kind.CALIBRATION, 4: Kind.FACT, 7: Kind.CONFIGURATION}
    file.add([(at(n), fact(n, kind)) for n, kind in reversed(kinds.items())])
    file.add([(at(2, 2), fact(9, Kind.CALIBRATION))])
    copies = copies_in(tmp_path)
    assert copies.places == [at(1), at(3), at(4), at(7), at(2, 2)]
    assert copies.copied_files == {1, 2}
    assert copies.whole
    assert copies.last(Kind.FACT) == (at(4), fact(4))
    assert copies.last(Kind.CALIBRATION) == (at(2, 2), fact(9, Kind.CALIBRATION))
    assert copies.last(Kind.LOST) is None
    assert [place for place, _ in copies.of_kind(Kind.FACT)] == [at(1), at(4)]
    for first, last, found in ((1, 7, [1, 3, 4, 7]), (2, 4, [3, 4]), (3, 3, [3]), (5, 6, [])):
        assert [place.n for place, _ in copies.within(at(first), at(last))] == found


def test_of_a_commit_the_rare_kinds_are_copied_with_their_places(tmp_path):
    released = record(5, b'{"what":"release"}')._replace(kind=Kind.NOTE)
    entries = [record(1), fact(2), record(3)._replace(kind=Kind.NOTE), released, fact(6)]
    assert [is_copied(entry) for entry in entries] == [False, True, False, True, True]
    file = copy_file(tmp_path)
    file.commit(at(11), entries)
    assert [place.n for place in copies_in(tmp_path).places] == [12, 14, 15]
    assert reached_in(tmp_path) is None  # nobody has looked for those before
    file.healed = True
    file.commit(at(16), entries)
    assert reached_in(tmp_path) == at(20)


def test_what_a_disk_refused_comes_with_the_next_and_is_not_reached_before(tmp_path):
    file = copy_file(tmp_path)
    file.healed = True
    name(tmp_path).mkdir()
    file.commit(at(1), [fact(1)])
    assert reached_in(tmp_path) is None
    name(tmp_path).rmdir()
    name(tmp_path).write_bytes(b"")
    file.commit(at(2), [fact(2)])
    assert copies_in(tmp_path).places == [at(1), at(2)]
    assert reached_in(tmp_path) == at(2)


def test_begun_files_are_no_entries(tmp_path):
    file = copy_file(tmp_path)
    file.begin(3, 17)
    copies = copies_in(tmp_path)
    assert (copies.files, copies.entries) == ({3}, {})


def test_a_torn_line_is_written_over(tmp_path):
    file = copy_file(tmp_path)
    file.add([(at(1), fact(1))])
    with name(tmp_path).open("ab") as copy:
        copy.write(b"12 torn")
    file.add([(at(2), fact(2))])
    assert copies_in(tmp_path).places == [at(1), at(2)]
    assert copies_in(tmp_path).bad == ()


@pytest.mark.parametrize(
    ("line", "doubtful"),
    [
        (b"4294967298 00000000 {}", {at(2)}),
        (b'x 0 {"place": 4294967299}', {at(3)}),
        (b'4294967298 0 {"place": 4294967299}', {at(2), at(3)}),
        (b"0 0 {}", set()),
        (b"-5 0 {}", set()),
        (b"18446744073709551616 0 {}", set()),
        (b"noise", set()),
        (b"", set()),
    ],
)
def test_a_damaged_line_leaves_the_places_that_it_names_in_doubt(tmp_path, line, doubtful):
    file = copy_file(tmp_path)
    file.add([(at(1), fact(1))])
    with name(tmp_path).open("ab") as copy:
        copy.write(line + b"\n")
    copies = copies_in(tmp_path)
    assert (copies.places, copies.bad, copies.whole) == ([at(1)], (line,), False)
    assert copies.doubtful == doubtful
    file.write_again(copies, [(at(3), fact(3))])
    healed = copies_in(tmp_path)
    assert healed.places == [at(1), at(3)]
    assert healed.bad == (() if at(3) in doubtful else (line,))


def test_a_flipped_digit_of_a_line_is_damage(tmp_path):
    file = copy_file(tmp_path)
    file.add([(at(1), fact(1)), (at(2), fact(2))])
    data = name(tmp_path).read_bytes()
    flips = ((b"4294967297 ", b"4294967299 "), (b'"kind":', b'"kinb":'), (b':"b19', b':"c19'))
    for old, new in flips:
        name(tmp_path).write_bytes(data.replace(old, new, 1))
        copies = copies_in(tmp_path)
        assert at(2) in copies.places
        assert len(copies.bad) == 1
        assert at(1) in copies.doubtful


def lost(without: list[EntryId], by: EntryId) -> Entry:
    table = {"without": [place.number for place in without], "by": by.number}
    return record(8, orjson.dumps(table), "")._replace(kind=Kind.LOST, slot_ns=None)


def test_what_was_entered_again_is_read_in_the_places_of_what_was_lost(tmp_path):
    file = copy_file(tmp_path)
    file.add([(at(1), fact(1)), (at(5), fact(5)), (at(6), lost([at(1), at(2), at(3)], at(5)))])
    copies = copies_in(tmp_path)
    assert {place.n: copies.entries[place] for place in copies.places if place.n < 6} == {
        1: fact(1),  # its copy is there
        2: fact(5),
        3: fact(5),
        5: fact(5),
    }
    file.add([(at(7), lost([at(4)], at(99)))])
    assert at(4) not in copies_in(tmp_path).entries


def test_a_key_of_newer_software_makes_no_copy_a_damaged_one(tmp_path):
    file = copy_file(tmp_path)
    file.add([(at(1), fact(1))])
    line = name(tmp_path).read_bytes()
    name(tmp_path).write_bytes(line.replace(b'{"place"', b'{"of later":1,"place"'))
    copies = copies_in(tmp_path)
    assert copies.whole
    assert copies.last(Kind.FACT) == (at(1), fact(1))
