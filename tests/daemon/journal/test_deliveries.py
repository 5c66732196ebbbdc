"""Which deliveries of a broker come back: the last ones, from a bounded number of rows."""

from pathlib import Path

import pytest
from tests.daemon.journal.entries import SetClock, record

from edaphon.journal import Journal, reader

LOOK_BACK = 10
EARLIER = [1, 2, 3]


def delivered(folder: Path, newest: int, at_most: int) -> list[int]:
    """From a file with the identifiers 1 to 3 and a newer one with so many from 101 on."""
    later = list(range(101, 101 + newest))
    with Journal(folder, SetClock(), largest_bytes=1) as journal:  # a file for each commit
        for mids in (EARLIER, later):
            before = journal.last
            journal.append([record(mid, source="ttn") for mid in mids], mids=[*mids])
            assert journal.wait_newer(before, 10)
        assert journal.files() == [1, 2]
        return [mid for mid, _ in journal.deliveries("ttn", at_most)]


@pytest.mark.parametrize(("newest", "at_most"), [(4, 4), (4, 2), (8, 5)])
def test_what_one_file_gives_in_full_is_not_looked_for_in_an_earlier_one(
    tmp_path: Path, newest: int, at_most: int
) -> None:
    assert delivered(tmp_path, newest, at_most) == list(range(101, 101 + newest))[-at_most:]


def test_what_the_newest_file_lacks_comes_from_the_one_before(tmp_path: Path) -> None:
    assert delivered(tmp_path, 4, 6) == [2, 3, 101, 102, 103, 104]


@pytest.mark.parametrize("newest", [LOOK_BACK, LOOK_BACK + 1])
def test_rows_further_back_than_the_look_are_not_read_in_any_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, newest: int
) -> None:
    monkeypatch.setattr(reader, "_DELIVERIES_LOOK_BACK", LOOK_BACK)
    seen = list(range(101, 101 + newest))[-LOOK_BACK:]
    further = EARLIER if newest == LOOK_BACK else []
    assert delivered(tmp_path, newest, 50) == further + seen
