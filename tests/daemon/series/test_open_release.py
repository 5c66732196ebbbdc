"""Reading values of a release: its times, its channels, and what was altered in it."""

import sqlite3
import zlib
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.daemon.series.test_adopting import MINUTE_NS, run
from tests.daemon.series.test_releasing import TEXTS, released, series_of

from edaphon.series import Series, WrongFile
from edaphon.series.release import OpenRelease, _id_of
from edaphon.series.rows import LARGEST_DAY, ROW, pack_rows, unpack_rows

DAYS = 3


@pytest.fixture
def release(tmp_path: Path) -> Path:
    series_of(tmp_path, DAYS * 1440).close()
    released(tmp_path)
    return tmp_path / "release"


def minutes(release: Path, start: int, end: int, channel: str = "a") -> list[int]:
    runs = OpenRelease(release).runs(channel, start * MINUTE_NS, end * MINUTE_NS)
    return [t // MINUTE_NS for run in runs for t in run.time_ns.tolist()]


@pytest.mark.parametrize(
    ("start", "end"),
    [(0, 4320), (-10, 5000), (10, 11), (1439, 1441), (1440, 2880), (1439, 1440), (2880, 2881)],
)
def test_values_are_those_of_the_times_asked_for_without_the_end(release, start, end):
    assert minutes(release, start, end) == list(range(max(start, 0), min(end, DAYS * 1440)))


def test_of_days_that_are_not_asked_for_nothing_is_read(release):
    assert minutes(release, 0, 1440, "b") == minutes(release, 4320, 9000) == []
    with closing(sqlite3.connect(release)) as db, db:
        db.execute("UPDATE block SET columns = ? WHERE day = 1", (zlib.compress(b"other"),))
    assert minutes(release, 0, 1440) == list(range(1440))
    assert minutes(release, 2880, 2882) == [2880, 2881]
    for start, end in ((0, 1441), (2879, 3000)):
        with pytest.raises(WrongFile, match="other rows of a on 1970-01-02"):
            minutes(release, start, end)


def rows(n: int):
    found = np.zeros(n, ROW)
    found["time_ns"] = np.arange(n) * 2
    found["value"] = np.sin(np.arange(n))
    return found


@pytest.mark.parametrize("n", [0, 1, 2, 9_999, 10_000, 10_001, 65_536, 65_537, 140_000])
def test_rows_of_a_day_come_back_as_they_were_packed(n):
    packed = pack_rows(rows(n))
    assert (unpack_rows(packed, n) == rows(n)).all()
    for wrong in {n - 1, n + 1}:
        with pytest.raises(ValueError, match="rows"):
            unpack_rows(packed, wrong)


@pytest.mark.parametrize("n", [3, 10_000, 10_001, 65_537, 140_000])
@pytest.mark.parametrize("by", [1, 2, 3])
def test_times_that_stand_still_or_go_back_are_refused_wherever_they_are(n, by):
    for at in {1, n // 2, 65_536, n - 1}:
        if at < n:
            wrong = rows(n)
            wrong["time_ns"][at:] -= by  # 1: still in order
            if by == 1:
                assert len(unpack_rows(pack_rows(wrong), n)) == n
                continue
            with pytest.raises(ValueError, match="order"):
                unpack_rows(pack_rows(wrong), n)


def test_a_day_has_so_many_rows_at_most():
    with pytest.raises(ValueError, match=f"at most {LARGEST_DAY} rows, got {LARGEST_DAY + 1}"):
        unpack_rows(b"", LARGEST_DAY + 1)
    with pytest.raises(ValueError, match="got -1"):
        unpack_rows(b"", -1)


def test_the_text_of_a_derivation_is_the_one_that_was_released(tmp_path: Path):
    text = TEXTS["d0"]
    id = _id_of(text)
    with closing(Series(tmp_path / "series")) as series:
        series.merge([replace(run(0, 5, 0), derivation=id)], {id: text})
        series.flush()
    released(tmp_path)
    release = OpenRelease(tmp_path / "release")
    assert release.derivation_text(id) == text
    assert release.derivation_text("none") is None
    with closing(sqlite3.connect(tmp_path / "release")) as db, db:
        db.execute("UPDATE derivation SET text = 'other'")
    with pytest.raises(WrongFile, match="another text"):
        release.derivation_text(id)
