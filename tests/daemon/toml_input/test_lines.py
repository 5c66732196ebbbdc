"""Every key of a TOML text keeps its line."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphon.toml_input.lines import read_document
from edaphon.toml_input.models import toml_text

TEXT = '''\
# a comment with [brackets] and "quotes"
top = 1

[a.b]          # a table
"quoted key" = 'x # no comment'
many = """
[not.a.table]
fake = 1
"""
list = [
  "one",   # first
  { k = 2 },
  [3],
]
dotted.key = 4
[[row]]
name = "first"
[row.inner]
deep = true
[[row]]
  [[row.part]]
  n = 1
  [[row.part]]
  n = 2
'''


def test_each_place_has_the_line_it_was_written_on() -> None:
    document = read_document("f.toml", TEXT)
    wanted = {
        ("top",): 2,
        ("a", "b"): 4,
        ("a", "b", "quoted key"): 5,
        ("a", "b", "many"): 6,
        ("a", "b", "list"): 10,
        ("a", "b", "list", 0): 11,
        ("a", "b", "list", 1): 12,
        ("a", "b", "list", 2): 13,
        ("a", "b", "dotted", "key"): 15,
        ("row", 0): 16,
        ("row", 0, "inner", "deep"): 19,
        ("row", 1): 20,
        ("row", 1, "part", 1, "n"): 24,
    }
    assert {place: document.line(place) for place in wanted} == wanted


def test_a_place_that_is_not_written_has_the_line_around_it() -> None:
    document = read_document("f.toml", TEXT)
    assert document.line(("row", 0, "inner", "absent")) == 18
    assert document.line(("a",)) == 4
    assert document.line(("nowhere",)) == 1


def test_windows_line_ends_do_not_shift_lines() -> None:
    document = read_document("f.toml", TEXT.replace("\n", "\r\n"))
    assert document.line(("row", 1, "part", 0, "n")) == 22


@pytest.mark.parametrize("value", ["A84041B2C1D5E6F7", "0004123400001234", "10min", "abc def"])
def test_a_value_without_quotes_is_reported_and_read_as_text(value: str) -> None:
    document = read_document("f.toml", f"x = 1\ny = {value}  # note\nz = 3\n")
    assert document.table == {"x": 1, "y": value, "z": 3}
    assert [(c.line, c.key) for c in document.config_errors] == [(2, "y")]
    assert document.repaired == {2}


def test_what_cannot_be_mended_is_reported_once_with_its_line() -> None:
    document = read_document("f.toml", "x = 1\n[a\ny = 2\n")
    assert not document.readable
    assert [c.line for c in document.config_errors] == [2]


def test_a_list_nested_a_hundred_thousand_times_is_shown() -> None:
    document = read_document("f.toml", "x = " + "[" * 100_000)
    assert [c.came for c in document.config_errors] == ["lists nested too deep"]


KEYS = st.text("abcXYZ019_- .\"'#[]=\\ü", min_size=1, max_size=6)
VALUES = st.recursive(
    st.integers() | st.booleans() | st.text("ab\"'#[]{}=,\n\\ ", max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def written(value: object) -> str:
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(k)} = {written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return toml_text(value)


@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_whatever_the_values_hold_each_key_keeps_its_line(table: dict[str, object]) -> None:
    text = "".join(f"{quoted(key)} = {written(value)}\n" for key, value in table.items())
    document = read_document("f.toml", text)
    assert document.table == tomllib.loads(text) == table
    for number, key in enumerate(table, start=1):
        assert document.line((key,)) == number
