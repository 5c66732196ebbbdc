"""Taking over what was derived again: all or nothing, in memory that does not grow with it."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.daemon.derive.lives import EnteredFacts, Life, MemoryJournal, folders
from tests.daemon.derive.test_pipeline import first
from tests.daemon.sinks.samples import Notes

from edaphon.clock import DAY_NS
from edaphon.model import Channel, Observations
from edaphon.series import Series, Withdrawal
from edaphon.series.store import SeriesStore
from edaphon.sinks.feed import SeriesFeed

ALWAYS = [(-(2**62), 2**62)]
TEXTS = {"d0": "{}", "d1": "{}"}
CHANNELS = {"a": Channel("a", "soil_temperature", "degC", "site")}
MINUTE_NS = 60_000_000_000
MORE_MB = 20

CHILD = """
import sys
from dataclasses import replace
from pathlib import Path
from tests.daemon.series.test_adopting import peak_mb, taken_over
before = peak_mb()
print(taken_over(Path(sys.argv[1]), int(sys.argv[2])), peak_mb() - before)
"""


def run(start: int, n: int, k: int) -> Observations:
    """Minutes from `start` on; in the second derivation every fifth has lost its value."""
    i = np.arange(start, start + n, dtype=np.int64)
    value = np.sin(i / 1000) + k
    if k:
        value[::5] = np.nan
    u, flag = np.full(n, 0.1), np.ones(n, np.int8)
    times = i * MINUTE_NS
    return Observations("a", f"d{k}", times, times, value, value, u, u, flag, flag, i)


def old_and_new(folder: Path, n: int) -> tuple[Series, Series]:
    series = Series(folder / "series"), Series(folder / "again")
    for start in range(0, n, 100_000):
        for k, own in enumerate(series):
            own.merge([run(start, min(100_000, n - start), k)], TEXTS)
            own.flush()
    return series


def taken_over(folder: Path, killed_at: int) -> int:
    """Take over what lies in two files, in this process; killed at a block, if not 0."""
    put = SeriesStore.put_last
    written = []

    def fatal(self: SeriesStore, *block: object) -> None:
        written.append(block[1])
        if len(written) == killed_at:
            signal.raise_signal(signal.SIGKILL)
        put(self, *block)

    SeriesStore.put_last = fatal
    series, again = Series(folder / "series"), Series(folder / "again")
    with series.unseen():
        differing = series.adopt("a", again, ALWAYS).differing
        series.flush({"place": "2"})
    return differing


def peak_mb() -> float:
    """The most that this process ever held resident [MB]."""
    (line,) = (x for x in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in x)
    return int(line.split()[1]) / 1000


def child(folder: Path, killed_at: int) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", CHILD, str(folder), str(killed_at)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def seen(series: Series) -> tuple[object, ...]:
    gone = [(w.channel, w.times_ns.tolist()) for w in series.withdrawn_above(0)]
    return series.heads(), series.change, gone, series.conflicts(), series.checkpoint("place")


def test_a_kill_in_the_middle_leaves_what_was(tmp_path: Path) -> None:
    series, again = old_and_new(tmp_path, 20 * 1440)
    series.flush({"place": "1"})
    before = seen(series)
    series.close()
    again.close()
    assert child(tmp_path, killed_at=11).returncode == -signal.SIGKILL
    series = Series(tmp_path / "series")
    assert seen(series) == before
    series.close()
    assert child(tmp_path, killed_at=0).returncode == 0
    series, again = Series(tmp_path / "series"), Series(tmp_path / "again")
    assert [h.digest for h in series.heads()] == [h.digest for h in again.heads()]
    assert series.checkpoint("place") == "2"


def test_an_error_in_the_middle_leaves_what_was_in_memory_too(tmp_path, monkeypatch) -> None:
    series, again = old_and_new(tmp_path, 5 * 1440)
    series.merge([run(5 * 1440, 10, 0)], TEXTS)  # not written
    before, unflushed = seen(series), series.unflushed_rows
    put, blocks = SeriesStore.put_last, []

    def full(self: SeriesStore, *block: object) -> None:
        blocks.append(block)
        if len(blocks) == 4:
            raise OSError("no space left on device")
        put(self, *block)

    monkeypatch.setattr(SeriesStore, "put_last", full)
    with pytest.raises(OSError, match="no space"):
        series.adopt("a", again, ALWAYS)
    assert seen(series) == before
    assert series.unflushed_rows == unflushed
    monkeypatch.undo()
    assert series.adopt("a", again, ALWAYS).differing == 5 * 1440 + 1440 + 10
    assert [h.digest for h in series.heads()] == [h.digest for h in again.heads()]


def test_what_differs_takes_no_memory(tmp_path: Path) -> None:
    """8 MB at the peak for 2.4 million rows and withdrawals, measured by hand; here a tenth."""
    for own in old_and_new(tmp_path, 200_000):
        own.close()
    done = child(tmp_path, killed_at=0)
    differing, more = done.stdout.split()
    assert int(differing) == 240_000
    assert float(more) < MORE_MB


def test_a_sink_reads_from_the_blocks_what_was_taken_over(tmp_path: Path) -> None:
    series, again = old_and_new(tmp_path, 3 * 1440)
    again.merge([run(3 * 1440, 7, 1)], TEXTS)
    series.merge([run(9 * 1440, 7, 0)], TEXTS)
    feed = SeriesFeed("s", series, CHANNELS, Notes())
    feed.cursor = series.change
    series.adopt("a", again, ALWAYS)
    assert series.recent(feed.cursor, 10) is None
    gone: list[Withdrawal] = []
    n = 0
    while (batch := feed.next_batch(100)) is not None:
        gone += batch.withdrawals
        n += sum(map(len, batch.observations))
        feed.delivered(batch.upto)
    assert n == 3 * 1440 + 7
    assert sum(len(w.times_ns) for w in gone) == 3 * 1440 // 5 + 7
    assert feed.waiting() == 0


def test_conflicts_within_the_times_are_those_of_the_other(tmp_path: Path) -> None:
    def twice(minute: int, sequence: int) -> list[Observations]:
        return [run(minute, 1, 0), replace(run(minute, 1, 0), sequence=np.array([sequence]))]

    series, again = Series(tmp_path / "series"), Series(tmp_path / "again")
    series.merge([*twice(1, 2007), *twice(1440, 2008)], TEXTS)
    again.merge(twice(1440, 2009), TEXTS)
    assert sum(series.count_conflicts("a")) == 2
    series.flush()
    series.merge(twice(1, 2007), TEXTS)  # the same once more, not written
    assert sum(series.count_conflicts("a")) == 2
    series.adopt("a", again, [(DAY_NS, 2 * DAY_NS)])
    assert [c[2] for c in series.conflicts()] == [2007, 2009]
    assert sum(series.count_conflicts("a")) == 2


def test_the_deriver_tries_again_what_it_could_not_take_over() -> None:
    stream = EnteredFacts()
    first(stream)
    stream.know_clock()
    for n in range(30):
        stream.hear("ab"[n % 2], 10.0 + n / 8, 1, True)
    with folders() as folder:
        journal = MemoryJournal(stream.entries)
        journal.shown = len(stream.entries)
        life = Life(folder, journal)
        life.settle()
        life.deliver()
        right = life.reported()
        changed = [r for c in ("c1", "c2") for r in life.series.read(c, 0, 2**62)]
        for each in changed:
            each.value[:] += 1.0
        assert life.series.revise(changed, {}) == 45  # two sources for c1
        wrong = life.reported()
        life.deriver.derive_all_again()
        flush, life.series.flush = life.series.flush, fails
        with pytest.raises(OSError, match="no space"):
            life.settle()
        assert life.reported() == wrong
        life.series.flush = flush
        life.settle()
        life.deliver()
        assert life.reported() == right
        assert life.deriver.differing == 45
        assert life.sink.points == life.rows()
        life.close()


def fails(*_: object) -> None:
    raise OSError("no space left on device")
