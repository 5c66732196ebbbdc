"""A release as a file: one moment of the series, whole or in part, in memory that does not grow."""

import sqlite3
import sys
import zlib
from contextlib import closing
from pathlib import Path

import pytest
from tests.daemon.series.test_adopting import CHANNELS, MINUTE_NS, run
from tests.programs import output

from edaphon.series import DamagedBlock, Release, Series, WrongFile, read_release, write_release

ALWAYS = (-(2**62), 2**62)
TEXTS = {"d0": '{"a": 0}', "d1": '{"a": 1}'}
ABOUT = Release("r", "", "", "", "", "1.7", "", "", "", tuple(CHANNELS.values()))
MORE_MB = 20
CHILD = """
import sys
from pathlib import Path
from tests.daemon.series.test_adopting import peak_mb
from tests.daemon.series.test_releasing import released
before = peak_mb()
print(released(Path(sys.argv[1])).rows, peak_mb() - before)
"""


def series_of(folder: Path, n: int) -> Series:
    series = Series(folder / "series")
    for start in range(0, n, 100_000):
        series.merge([run(start, min(100_000, n - start), 0)], TEXTS)
        series.flush()
    return series


def released(folder: Path, span: tuple[int, int] = ALWAYS) -> Release:
    with closing(Series(folder / "series", read_only=True)) as series, series.snapshot() as frozen:
        return write_release(folder / "release", frozen, ABOUT, *span)


def test_a_release_is_of_one_moment_whatever_is_written_meanwhile(tmp_path: Path) -> None:
    writer = series_of(tmp_path, 5 * 1440)
    before = [(h.day, h.n, h.digest) for h in writer.heads()]
    reader = Series(tmp_path / "series", read_only=True)
    with reader.snapshot() as frozen:
        assert frozen.checkpoint("change") == "1"
        writer.revise([run(0, 3000, 1)], TEXTS)
        writer.merge([run(5 * 1440, 10, 1)], TEXTS)
        writer.flush()
        made = write_release(tmp_path / "release", frozen, ABOUT, *ALWAYS)
    assert made.rows == 5 * 1440
    with closing(Series(tmp_path / "release", read_only=True)) as series:
        assert [(h.day, h.n, h.digest) for h in series.heads()] == before
        assert series.derivation_text("d0") == TEXTS["d0"]
        assert series.derivation_text("d1") is None
    assert sorted(p.name for p in tmp_path.iterdir() if "release" in p.name) == ["release"]


def test_half_a_day_has_the_digest_of_what_it_holds(tmp_path: Path) -> None:
    series_of(tmp_path, 3 * 1440).close()
    made = released(tmp_path, (720 * MINUTE_NS, 2000 * MINUTE_NS))
    assert made.rows == 2000 - 720
    assert read_release(tmp_path / "release") == made
    other = tmp_path / "other"
    other.mkdir()
    with closing(Series(other / "series")) as series:
        series.merge([run(720, 1280, 0)], TEXTS)
        series.flush()
    assert released(other).digest == made.digest


def test_what_is_no_release_is_said_so(tmp_path: Path) -> None:
    series_of(tmp_path, 10).close()
    with pytest.raises(WrongFile, match="got table 'total', which is not expected"):
        read_release(tmp_path / "series")
    (tmp_path / "text").write_text("nothing")
    with pytest.raises(WrongFile, match="expected a release in text"):
        read_release(tmp_path / "text")


def test_a_block_that_is_damaged_is_not_released(tmp_path: Path) -> None:
    series = series_of(tmp_path, 2000)
    with series.snapshot() as file:
        head = file.heads()[1]
        rows = file.part_rows(head.channel, head.day)
        rows["value"][3] += 1e-9
        file.put(head.channel, head.day, rows, head.digest)
        with pytest.raises(DamagedBlock, match="a on 1970-01-02"):
            write_release(tmp_path / "release", file, ABOUT, *ALWAYS)


def test_releasing_takes_no_memory(tmp_path: Path) -> None:
    """6 MB at the peak for 2 million rows, measured by hand; here a tenth."""
    series_of(tmp_path, 200_000).close()
    rows, more = output(sys.executable, "-c", CHILD, tmp_path).split()
    assert int(rows) == 200_000
    assert float(more) < MORE_MB


BOMB = """
import resource, sqlite3, sys, zlib
from pathlib import Path
from edaphon.series import release_problems
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(release_problems(Path(sys.argv[1])))
assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000
"""


@pytest.mark.parametrize("n", [1440, 10**9, -1])
def test_a_block_that_unpacks_to_more_than_its_rows_takes_no_memory(tmp_path: Path, n: int) -> None:
    series_of(tmp_path, 1440).close()
    released(tmp_path)
    packing = zlib.compressobj(9)
    packed = b"".join(packing.compress(bytes(1_000_000)) for _ in range(500)) + packing.flush()
    with closing(sqlite3.connect(tmp_path / "release")) as file:
        file.execute("UPDATE block SET columns = ?, n = ?", (packed, n))
        file.commit()
    found = output(sys.executable, "-c", BOMB, tmp_path / "release")
    assert "has other rows" in found


def test_a_view_in_the_place_of_a_table_is_no_release(tmp_path: Path) -> None:
    series_of(tmp_path, 1440).close()
    released(tmp_path)
    with closing(sqlite3.connect(tmp_path / "release")) as file:
        file.execute("DROP TABLE checkpoint")
        file.execute(
            "CREATE VIEW checkpoint AS WITH RECURSIVE x(name) AS"
            " (SELECT 'a' UNION ALL SELECT name FROM x) SELECT name, name AS json FROM x"
        )
        file.commit()
    with pytest.raises(WrongFile, match="got view '.*', which is not expected"):
        read_release(tmp_path / "release")
