"""The picture of a change: round times, bands without holes, words and lines at their places."""

import re
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from tests.daemon.derive.test_compare import compared, rows

from edaphon.derive.projection import BINS
from edaphon.preview import ChannelPreview
from edaphon.preview.picture import _times, _unbroken, change_svg
from edaphon.svg import HEIGHT, LEFT, RIGHT, Panel, ticks, wider

SPACE = "{http://www.w3.org/2000/svg}"


def moment(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1e9


@pytest.mark.parametrize(
    ("start", "end", "first", "last", "n"),
    [
        ("2026-04-01T00:00", "2026-04-01T02:00", "04-01 00:00", "04-01 02:00", 9),
        ("2026-04-01T00:01", "2026-04-01T08:01", "04-01 01:00", "04-01 08:00", 8),
        ("2026-04-01T00:00", "2026-04-01T08:01", "04-01 00:00", "04-01 06:00", 3),
        ("2026-04-01T00:00", "2026-04-09T00:00", "04-01", "04-09", 9),
        ("2026-04-01T00:00", "2026-12-01T00:00", "2026-05", "2026-11", 4),
        ("2026-01-15T00:00", "2026-09-01T00:00", "2026-02", "2026-09", 8),
        ("2020-01-01T00:00", "2036-01-01T00:00", "2020", "2035", 4),
        ("1900-06-01T00:00", "2036-01-01T00:00", "1910", "2030", 13),
    ],
)
def test_times_are_round_and_within(start, end, first, last, n):
    found = list(_times(moment(start), moment(end)))
    assert (found[0][1], found[-1][1], len(found)) == (first, last, n)
    at = [tick for tick, _ in found]
    assert moment(start) <= at[0] < at[-1] <= moment(end)
    assert at == sorted(at)


def parts(x: list[float], good: list[int]) -> list[tuple[int, int]]:
    found = _unbroken(np.array(x, float), np.array(good, bool))
    return [(part.start, part.stop) for part in found]


def test_a_band_ends_at_a_missing_value_and_at_a_long_hole():
    five = [0, 1, 2, 3, 4]
    assert parts(five, [1, 1, 1, 1, 1]) == [(0, 5)]
    assert parts(five, [1, 1, 0, 1, 1]) == [(0, 2), (3, 5)]
    assert parts(five, [0, 1, 1, 1, 0]) == [(1, 4)]
    assert parts(five, [0, 0, 0, 0, 0]) == []
    assert parts([0, 1, 2, 6, 7], [1] * 5) == [(0, 5)]  # four times the usual distance
    assert parts([0, 1, 2, 7, 8], [1] * 5) == [(0, 3), (3, 5)]
    assert parts([3], [1]) == [(0, 1)]


def drawn(old: list[float], new: list[float]) -> ET.Element:
    times = [k * 10 for k in range(len(old))]
    found = compared(([rows(times, old)], [rows(times, new)]), end=len(old) * 10)
    return ET.fromstring(change_svg(ChannelPreview("t", "degC", found, ())))  # noqa: S314  own text


def points(part: ET.Element) -> list[tuple[float, float]]:
    pairs = [pair.split(",") for pair in part.attrib["points"].split()]
    return [(float(x), float(y)) for x, y in pairs]


def test_lines_go_through_the_values_before_and_after_and_the_change_below():
    root = drawn([1.0, 2.0, 3.0], [2.0, 3.0, 2.0])
    groups = {g.attrib["class"]: g for g in root.iter(f"{SPACE}g")}
    assert [*groups] == ["before", "after", "change"]
    lines = {name: points(next(g.iter(f"{SPACE}polyline"))) for name, g in groups.items()}
    before, after, change = (np.array(lines[name]) for name in groups)
    assert before[:, 0].tolist() == after[:, 0].tolist() == change[:, 0].tolist()
    assert np.diff(before[:, 0]) == pytest.approx(np.diff(before[:, 0])[0], abs=0.11)
    assert (before[:, 0] > LEFT).all()
    assert (before[:, 0] < RIGHT).all()
    assert before[1, 1] == after[0, 1]
    assert before[2, 1] == after[1, 1]
    assert before[0, 1] > before[1, 1] > before[2, 1]  # upwards
    assert 70 < before[:, 1].min() < before[:, 1].max() < 380
    assert 420 < change[:, 1].min() < change[:, 1].max() < 560
    assert change[0, 1] == change[1, 1] < change[2, 1]
    (_, level), (_, again) = points(root.findall(f"{SPACE}polyline")[0])
    assert level == again
    assert change[0, 1] < level < change[2, 1]
    assert level - change[0, 1] == pytest.approx(change[2, 1] - level, abs=0.2)


def test_each_band_encloses_its_line():
    root = drawn([1.0, 4.0, 2.0, 8.0] * BINS, [2.0, 5.0, 3.0, 9.0] * BINS)
    for group in root.iter(f"{SPACE}g"):
        band = points(next(group.iter(f"{SPACE}polygon")))
        middle = points(next(group.iter(f"{SPACE}polyline")))
        high, low = band[: len(middle)], band[len(middle) :][::-1]
        for (x, top), (same, bottom), (here, y) in zip(high, low, middle, strict=True):
            assert x == same == here
            assert top <= y <= bottom
            assert top + bottom == pytest.approx(2 * y, abs=0.11)


def test_words_stand_next_to_their_colours_and_below_the_frames():
    root = drawn([1.0, 2.0], [2.0, 3.0])
    texts = [*root.iter(f"{SPACE}text")]
    words = {t.text: (float(t.attrib["x"]), float(t.attrib["y"])) for t in texts}
    strokes = [p.attrib["d"] for p in root.iter(f"{SPACE}path") if "52h24" in p.attrib["d"]]
    begins = [int(re.match(r"M(\d+),", d)[1]) for d in strokes]
    assert begins == [LEFT, LEFT + 100]
    assert [words[name][0] for name in ("before", "after")] == [LEFT + 30, LEFT + 130]
    middle = (LEFT + RIGHT) / 2
    assert words["time [UTC]"] == (middle, HEIGHT - 12)
    assert words["t: 2 of 2 rows change"] == (middle, 24)
    assert words["value [degC]"] == (18, (70 + 380) / 2)
    assert words["change [degC]"] == (18, (420 + 560) / 2)
    marks = [p.attrib["d"] for p in root.iter(f"{SPACE}path") if p.attrib["d"].endswith(f"H{LEFT}")]
    ends = [t for t in texts if t.attrib["text-anchor"] == "end"]
    assert len(marks) == len(ends) >= 8
    for mark, text in zip(marks, ends, strict=True):
        y = float(re.match(rf"M{LEFT - 5},([\d.]+)H", mark)[1])
        assert float(text.attrib["y"]) == pytest.approx(y + 4, abs=0.11)
        assert float(text.attrib["x"]) == LEFT - 8
    below = [p.attrib["d"] for p in root.iter(f"{SPACE}path") if p.attrib["d"].endswith("v5")]
    assert {d.split(",")[1] for d in below} == {"380.0v5", "560.0v5"}


def test_a_single_value_is_a_dash_that_can_be_seen():
    root = drawn([1.0], [2.0])
    for group in root.iter(f"{SPACE}g"):
        (x, y), (end, same) = points(next(group.iter(f"{SPACE}polyline")))
        assert y == same
        assert end - x == pytest.approx((RIGHT - LEFT) / 100, abs=0.11)


def test_ticks_are_round_and_of_some_number():
    assert ticks((0.0, 10.0), 5) == [0, 2, 4, 6, 8, 10]
    assert ticks((-3.0, 3.0), 5) == [-2, 0, 2]
    assert ticks((0.0, 0.04), 5) == pytest.approx([0.0, 0.01, 0.02, 0.03, 0.04])
    assert ticks((1.0, 1.0), 5) == ticks((2.0, 1.0), 5) == ticks((0.0, float("inf")), 5) == []


def test_a_span_gets_a_margin_even_where_all_are_equal():
    assert wider(np.array([0.0, 10.0])) == pytest.approx((-0.6, 10.6))
    assert wider(np.array([5.0, 5.0])) == pytest.approx((4.5, 5.5))
    assert wider(np.array([0.0])) == (-1.0, 1.0)


def test_a_panel_places_its_ends_at_its_edges():
    panel = Panel((0.0, 10.0), (-1.0, 1.0), 70.0, 380.0)
    assert (panel.across(0), panel.across(10), panel.across(5)) == (LEFT, RIGHT, (LEFT + RIGHT) / 2)
    assert (panel.down(-1), panel.down(1), panel.down(0)) == (380, 70, 225)
    assert panel.at(0, 1) == f"{LEFT:.1f},70.0"
