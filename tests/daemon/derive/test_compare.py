"""How much values differ between two derivations: counts, sums, sizes, ends, the sketch."""

from dataclasses import replace

import numpy as np
import pytest
from tests.daemon.derive.lives import Life, MemoryJournal, folders
from tests.daemon.derive.test_recalibrate import calibration, readings, started

from edaphon.derive.projection import BINS, Comparison, Sketch, previewed
from edaphon.derive.recalculate import BeforeAfter
from edaphon.model import Observations

NAN = float("nan")


def rows(
    times: list[int], values: list[float], flag: int = 1, u: float = 0.5, u2: float = 0.25
) -> Observations:
    t, v = np.array(times, np.int64), np.array(values)
    flags = np.full(len(t), flag, np.int8)
    return Observations("c", "d", t, t, v, v, v * 0 + u, v * 0 + u2, flags, flags, t)


def compared(
    *parts: tuple[list[Observations], list[Observations]], start: int = 0, end: int = 1000
) -> Comparison:
    comparison = Comparison(Sketch(start, end))
    for old, new in parts:
        comparison.add(BeforeAfter(old, new))
    return comparison


def test_what_stays_the_same_moves_nothing():
    same = [rows([10, 20, 30], [1.0, NAN, 3.0])]
    found = compared((same, same))
    assert (found.rows, found.changed, found.moved, found.lost, found.gained) == (3, 0, 0, 0, 0)
    assert (found.first_ns, found.last_ns, found.largest_ns, found.mean) == (None, None, None, 0.0)
    assert found.flags[1, 1] == found.flags.sum() == 3


def test_moved_values_are_counted_summed_and_the_largest_is_kept_with_its_sign():
    old = [rows([10, 20, 30, 40], [1.0, 2.0, 3.0, 4.0])]
    new = [rows([10, 20, 30, 40], [1.0, 2.5, 1.0, 4.5])]
    found = compared((old, new))
    assert (found.changed, found.moved, found.sum) == (3, 3, -1.0)
    assert found.mean == pytest.approx(-1 / 3)
    assert (found.largest, found.largest_ns) == (-2.0, 30)
    assert (found.first_ns, found.last_ns) == (20, 40)


@pytest.mark.parametrize(
    ("later", "largest", "at"),
    [(3.0, 3.0, 110), (-3.0, -3.0, 110), (2.0, -2.0, 10), (1.0, -2.0, 10)],
)
def test_of_several_parts_the_largest_change_is_that_of_all_and_the_earlier_of_two_alike(
    later, largest, at
):
    found = compared(
        ([rows([10], [2.0])], [rows([10], [0.0])]), ([rows([110], [0.0])], [rows([110], [later])])
    )
    assert (found.largest, found.largest_ns) == (largest, at)
    assert (found.first_ns, found.last_ns, found.moved) == (10, 110, 2)


def test_a_value_lost_or_gained_is_no_move():
    old = [rows([10, 20, 30], [1.0, NAN, 3.0])]
    new = [rows([10, 20, 30], [NAN, 2.0, NAN])]
    found = compared((old, new))
    assert (found.lost, found.gained, found.moved, found.changed) == (2, 1, 0, 3)


def test_a_row_that_is_not_there_has_the_flag_zero():
    found = compared(([rows([10, 20], [1.0, 2.0])], [rows([20, 30], [2.0, 3.0], flag=3)]))
    assert found.rows == 3
    assert {(a, b): int(found.flags[a, b]) for a, b in np.argwhere(found.flags)} == {
        (1, 0): 1,
        (1, 3): 1,
        (0, 3): 1,
    }
    assert (found.lost, found.gained, found.changed) == (1, 1, 3)


@pytest.mark.parametrize("column", ["u_random", "u_systematic", "flag"])
def test_a_row_with_another_uncertainty_or_flag_is_changed_though_its_value_stays(column):
    old = rows([10, 20], [1.0, 2.0])
    new = replace(old, **{column: getattr(old, column) + np.array([0, 1], old.flag.dtype)})
    found = compared(([old], [new]))
    assert (found.changed, found.moved, found.first_ns, found.last_ns) == (1, 0, 20, 20)


def test_runs_of_one_part_are_one_row_of_times():
    old = [rows([10], [1.0]), rows([20], [2.0]), rows([30], [3.0])]
    new = [rows([10, 20, 30], [1.0, 2.0, 4.0])]
    found = compared((old, new))
    assert (found.rows, found.changed, found.sum, found.largest_ns) == (3, 1, 1.0, 30)
    assert compared(([], [])).rows == 0


def test_the_sketch_holds_lowest_and_highest_of_each_stretch_before_and_after():
    start, end = 700, 700 + BINS * 10
    old = [rows([start, start + 5, start + 9, start + 10, end - 1], [3.0, NAN, 1.0, 7.0, 8.0])]
    new = [rows([start, start + 9, end], [4.0, 2.0, 9.0])]
    ends = compared((old, new), start=start, end=end).sketch.ends
    assert ends[:, 0].tolist() == [1.0, 3.0, 2.0, 4.0]
    assert ends[:2, 1].tolist() == [7.0, 7.0]
    assert ends[:, -1].tolist() == [8.0, 8.0, 9.0, 9.0]
    assert np.isnan(ends[2:, 1]).all()
    assert np.isnan(ends[:, 2:-1]).all()


def test_a_sketch_of_a_moment_has_all_in_one_stretch():
    sketch = Sketch(50, 50)
    sketch.add(np.array([50], np.int64), np.array([1.5]), after=False)
    assert sketch.ends[:2, 0].tolist() == [1.5, 1.5]


def test_a_preview_without_times_has_the_channels_that_change_and_one_with_times_those_asked():
    stream = started()
    readings(stream, [10.0, 10.5, 11.0, 10.5, 10.0, 10.5])  # one a minute, of a and b in turns
    before, known = len(stream.entries), stream.knowledge
    stream.learn(calibration("k", "c1", 4))
    with folders() as folder:
        journal = MemoryJournal(stream.entries[:before])
        journal.shown = before
        life = Life(folder, journal)
        life.settle()
        life.flush()
        sources = life.deriver.sources

        def changes(knowledge, ranges=None):
            found = previewed(journal, life.series, knowledge, sources, folder / "scratch", ranges)
            return {channel: (one.rows, one.changed) for channel, one in found.items()}

        ever = [(-(2**62), 2**62)]
        assert changes(known) == {}
        assert changes(stream.knowledge) == {"c1": (3, 3)}
        assert changes(stream.knowledge, {}) == {}
        assert changes(stream.knowledge, {"c1": ever, "c2": ever}) == {"c1": (3, 3), "c2": (3, 0)}
        assert changes(known, {"c1": ever}) == {"c1": (3, 0)}
        life.close()
