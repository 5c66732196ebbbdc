"""What facts would change, as words, as cells, as JSON: each number at its place."""

from dataclasses import replace

import pytest
from tests.daemon.derive.test_compare import NAN, compared, rows

from edaphon.clock import instant_text
from edaphon.model import ALWAYS
from edaphon.preview import ChannelPreview, LostStretch, Preview
from edaphon.preview.text import COLUMNS, as_json, lines_of, row_of, same_value, warnings_of

FIRST, LAST = instant_text(10), instant_text(60)


def mixed() -> ChannelPreview:
    """Rows 10 to 60: one stays, two move, one is lost, one gained, one gets another flag."""
    old = rows([5, 10, 20, 30, 40, 50], [1.0, 1.0, 2.0, 3.0, NAN, 5.0])
    new = rows([5, 10, 20, 30, 40, 50, 60], [1.0, 2.0, 1.5, NAN, 4.0, 5.0, NAN])
    new.flag[5] = 3
    found = compared(([old], [new]))
    lost = (LostStretch(30, 31, "no certificate"),)
    return ChannelPreview("t", "degC", found, lost)


def test_lines_say_what_moves_what_is_lost_and_which_flags_change():
    assert list(lines_of(Preview((mixed(),), {}))) == [
        f"  t: 6 of 7 rows change, {FIRST} to {LAST}",
        f"      2 values change, by +0.25 degC in the mean, by +1 at most (at {FIRST})",
        "      1 rows gain a value",
        "      2 keep their value and get another uncertainty or flag",
        "      flags: 1 from no row to 1 passed, 1 from 1 passed to 3 suspect",
        f"  t: 1 values from {instant_text(30)} to {instant_text(31)} lose their number:"
        " no certificate",
    ]


def test_a_channel_that_stays_as_it_is_has_one_line():
    same = rows([1, 2], [1.0, 2.0])
    one = ChannelPreview("t", "degC", compared(([same], [same])), ())
    assert list(lines_of(Preview((one,), {}))) == ["  t: none of 2 rows changes"]
    assert (same_value(one.found), row_of(one)[-1]) == (0, "")


def test_rows_of_which_only_the_uncertainty_changes_say_so():
    old = rows([1, 2], [1.0, 2.0])
    one = ChannelPreview("t", "K", compared(([old], [replace(old, u_random=old.u_random * 2)])), ())
    assert list(lines_of(Preview((one,), {})))[1:] == [
        "      2 keep their value and get another uncertainty"
    ]


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        (ALWAYS[0], ALWAYS[1], "from the beginning"),
        (ALWAYS[0], 60, f"from the beginning to {LAST}"),
        (10, ALWAYS[1], f"from {FIRST}"),
        (10, 60, f"from {FIRST} to {LAST}"),
    ],
)
def test_a_channel_without_rows_has_its_times_and_how_to_look_further(start, end, words):
    found = Preview((), {"b": [(start, end)], "a": [(10, 60)]}, unread=frozenset({"b"}))
    first, second = lines_of(found)
    assert first == f"  a: recalculated from {FIRST} to {LAST}"
    assert second == f"  b: recalculated {words}; --dry-run reads the journal and shows by how much"
    (own,) = as_json(found)["derived_anew"]["b"]
    assert own == {
        "from": None if start == ALWAYS[0] else FIRST,
        "to": None if end == ALWAYS[1] else LAST,
    }


def test_of_several_stretches_each_says_which_of_the_lost_it_has():
    one = mixed()._replace(lost=(LostStretch(10, 20, "a"), LostStretch(30, 60, "b")))
    assert list(warnings_of(Preview((one,), {}))) == [
        f"  t: of 1 values those from {FIRST} to {instant_text(20)} lose their number: a",
        f"  t: of 1 values those from {instant_text(30)} to {LAST} lose their number: b",
    ]


def test_channels_that_are_behind_are_named_together():
    (line,) = warnings_of(Preview((), {}, behind=("a", "b")))
    assert line.startswith("  a, b: not all values are derived")


def test_cells_and_json_have_the_same_numbers():
    one = mixed()
    cells = dict(zip(COLUMNS, row_of(one), strict=True))
    assert cells == {
        "channel": "t", "unit": "degC", "first": FIRST, "last": LAST, "rows": 7, "changed": 6,
        "moved": 2, "mean_change": 0.25, "largest_change": 1.0, "largest_at": FIRST, "lost": 1,
        "gained": 1, "same_value": 2, "flags": "0>1:1,1>3:1",
    }  # fmt: skip
    (table,) = as_json(Preview((one,), {}))["channels"]
    assert {name: table[name] for name in cells if name != "flags"} == {
        name: cell for name, cell in cells.items() if name != "flags"
    }
    assert table["flags"] == [
        {"before": 0, "after": 1, "n": 1}, {"before": 1, "after": 3, "n": 1}
    ]  # fmt: skip
    assert table["lost_because"] == [
        {"first": instant_text(30), "last": instant_text(31), "why": "no certificate"}
    ]
