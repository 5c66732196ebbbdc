"""A day in pieces is the same day: whatever is written in whatever order."""

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphon.clock import DAY_NS
from edaphon.model import Channel, Observations
from edaphon.series import Release, Series, WrongFile, read_release, write_release
from edaphon.series import parts as parts_of
from edaphon.series.store import SeriesStore

WHOLE, TEXTS = 1 << 40, {"d" * 12: "{}", "e" * 12: "{}"}
MINUTE_NS = 60_000_000_000


def run(minutes, sequence: int, rank: int = 0, raw: float = 0.0, id: str = "d") -> Observations:
    times = np.array(sorted(set(minutes)), np.int64) * MINUTE_NS
    number, byte = np.full(len(times), raw), np.ones(len(times), np.int8)
    sequences = np.full(len(times), sequence, np.int64)
    return Observations(
        "a", id * 12, times, times, number, number, number, number, byte, byte, sequences, rank
    )


MINUTES = st.one_of(
    st.lists(st.integers(0, 1500), min_size=1, max_size=30),
    st.builds(lambda a, n: list(range(a, a + n)), st.integers(0, 1400), st.integers(1, 60)),
)
RAW = st.sampled_from([0.0, 1.0, float("nan")])
ACTS = st.lists(
    st.one_of(
        st.tuples(
            st.just("merge"), MINUTES, st.integers(1, 6), st.sampled_from([0, 1, 64]), RAW
        ),
        st.tuples(st.just("revise"), RAW),
        st.tuples(st.just("adopt"), MINUTES, RAW),
        st.tuples(st.just("flush")),
    ),
    max_size=25,
)  # fmt: skip


def act_on(series: Series, act: tuple, folder: Path) -> object:
    """What the act answers; it must be the same however the day is kept."""
    match act:
        case ("merge", minutes, sequence, rank, raw):
            change = series.merge([run(minutes, sequence, rank, raw)], TEXTS)
            runs = change.observations
            rows = [row for o in runs for row in zip(o.time_ns, o.sequence, strict=True)]
            gone = [time for w in change.withdrawals for time in w.times_ns.tolist()]
            return sorted(rows), sorted(gone)
        case ("revise", raw):
            found = series.read("a", 0, 2 * DAY_NS)
            new = [run(o.time_ns // MINUTE_NS, 0, o.rank, raw, "e") for o in found[:1]]
            for own, old in zip(new, found, strict=False):
                own.sequence[:] = old.sequence
            return series.revise(new, TEXTS)
        case ("adopt", minutes, raw):
            with closing(Series(folder / f"other-{id(series)}.sqlite")) as other:
                other.merge([run(minutes, 3, 0, raw, "e")], TEXTS)
                return series.adopt("a", other, [(0, 700 * MINUTE_NS)])
        case _:
            return series.flush()


def seen(series: Series) -> tuple[object, ...]:
    rows = [
        (t, s, o.rank, repr(r), o.derivation)
        for o in series.read("a", 0, 3 * DAY_NS)
        for t, s, r in zip(o.time_ns.tolist(), o.sequence.tolist(), o.raw.tolist(), strict=True)
    ]
    streamed = [t for o in series.runs("a", 0, 3 * DAY_NS) for t in o.time_ns.tolist()]
    assert [row[0] for row in rows] == streamed == sorted(streamed)
    middle = series.change // 2
    above = [
        (head.day, t)
        for head in series.changed_heads(middle)
        for o in series.rows_above("a", head.day, middle)
        for t in o.time_ns.tolist()
    ]
    heads = [head[:3] for head in series.heads()]
    latest = series.latest("a")
    gone = [w.times_ns.tolist() for w in series.withdrawn_above(0)]
    last = latest.time_ns.tolist() if latest else None
    return rows, sorted(above), heads, last, series.count(), gone, series.conflicts()


@settings(max_examples=15, deadline=None)
@given(ACTS, st.sampled_from([1, 2, 7]))
def test_a_day_in_pieces_reads_as_one_that_is_kept_whole(tmp_path_factory, acts, size):
    folder = tmp_path_factory.mktemp("parts")
    with (
        closing(Series(folder / "pieces")) as pieces,
        closing(Series(folder / "whole")) as whole,
        pytest.MonkeyPatch.context() as patch,
    ):
        for act in acts:
            answers = []
            for series, rows in ((pieces, size), (whole, WHOLE)):
                patch.setattr(parts_of, "PIECE_ROWS", rows)
                answers.append((act_on(series, act, folder), seen(series)))
            assert answers[0] == answers[1]
        for series, rows in ((pieces, size), (whole, WHOLE)):
            patch.setattr(parts_of, "PIECE_ROWS", rows)
            series.flush()
            kept, counted = series.totals()
            assert kept == counted
        query = (
            "SELECT channel, day, n, passed, not_evaluated, suspect, failed, missing, lowest,"
            " highest, mean, digest FROM block ORDER BY channel, day"
        )
        numbers = [series._store._db.execute(query).fetchall() for series in (pieces, whole)]
        for one, other in zip(*numbers, strict=True):
            assert one[:-2] == other[:-2]
            assert (one[-2] is None) == (other[-2] is None)
            assert (one[-2] or 0.0) == pytest.approx(other[-2] or 0.0, rel=1e-12)


def of_one_day(path: Path, n: int) -> Series:
    series = Series(path)
    series.merge([run(range(n), 1)], TEXTS)
    series.flush()
    return series


def test_no_part_has_as_many_rows_as_two_pieces(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(parts_of, "PIECE_ROWS", 100)
    with closing(of_one_day(tmp_path / "a", 1000)) as series:
        sizes = [len(rows) for rows in series.each_part("a", 0)]
        assert sizes == [100] * 9 + [100]
        series.merge([run([k * 0.25 + 500 for k in range(300)], 2)], TEXTS)  # late, between
        series.flush()
        assert max(len(rows) for rows in series.each_part("a", 0)) < 200


def test_a_late_value_rewrites_its_own_piece_alone(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(parts_of, "PIECE_ROWS", 100)
    with closing(of_one_day(tmp_path / "a", 1000)) as series:
        db = series._store._db
        of_piece = "SELECT until_ns, digest FROM piece ORDER BY 1"
        before = db.execute(of_piece).fetchall()
        late = run([450], 1)
        late.time_ns[:] += 1
        series.merge([late], TEXTS)
        series.flush()
        after = db.execute(of_piece).fetchall()
        assert [a == b for a, b in zip(before, after, strict=True)].count(False) == 1


def test_a_file_with_pieces_is_not_opened_by_a_program_that_misses_them(
    tmp_path: Path, monkeypatch
):
    """Without a large day the file is as it was, and earlier programs go on with it."""
    for rows, version in ((WHOLE, 3), (100, 4)):
        monkeypatch.setattr(parts_of, "PIECE_ROWS", rows)
        of_one_day(tmp_path / str(version), 1000).close()
        with closing(sqlite3.connect(tmp_path / str(version))) as db:
            assert db.execute("PRAGMA user_version").fetchone() == (version,)
        with closing(Series(tmp_path / str(version), read_only=True)) as series:
            assert sum(map(len, series.read("a", 0, DAY_NS))) == 1000
    with closing(sqlite3.connect(tmp_path / "4")) as db:
        db.execute("PRAGMA user_version = 5")
    with pytest.raises(WrongFile):
        Series(tmp_path / "4")


def test_a_day_that_an_earlier_version_kept_whole_is_cut_when_it_is_next_written(
    tmp_path: Path, monkeypatch
):
    monkeypatch.setattr(parts_of, "PIECE_ROWS", WHOLE)
    of_one_day(tmp_path / "a", 1000).close()
    monkeypatch.setattr(parts_of, "PIECE_ROWS", 100)
    with closing(Series(tmp_path / "a")) as series:
        series.merge([run([1000], 1)], TEXTS)
        series.flush()
        assert max(len(rows) for rows in series.each_part("a", 0)) < 200
        assert series.count() == sum(map(len, series.read("a", 0, DAY_NS))) == 1001


def test_a_release_of_a_day_in_pieces_is_that_of_one_kept_whole(tmp_path: Path, monkeypatch):
    made = []
    about = Release(
        "r", "", "", "", "", "", "", "", "", (Channel("a", "soil_temperature", "degC", "s", "p"),)
    )
    for size in (100, WHOLE):
        monkeypatch.setattr(parts_of, "PIECE_ROWS", size)
        with closing(of_one_day(tmp_path / str(size), 1000)) as series, series.snapshot() as store:
            write_release(tmp_path / f"release-{size}", store, about, 0, DAY_NS)
        made.append(read_release(tmp_path / f"release-{size}").digest)
        with closing(SeriesStore(tmp_path / f"release-{size}", read_only=True)) as store:
            assert len(store.parts("a", 0)) == 1
    assert made[0] == made[1]
