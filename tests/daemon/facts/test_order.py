"""A row that supersedes another comes behind it, wherever they stand in the files."""

import pytest

from edaphon.facts import in_order, read_facts
from edaphon.toml_input.lines import read_document

OLD = '[[plot]]\nid = "old"\n'
NEW = '[[plot]]\nid = "new"\nsupersedes = "old"\n'
NEWEST = '[[plot]]\nid = "newest"\nsupersedes = "new"\n'
RENEWED = '[[plot]]\nid = "old"\nsupersedes = "old"\ntreatment = "warmed"\n'


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (OLD + NEW, ["old", "new"]),
        (NEW + OLD, ["old", "new"]),
        (NEWEST + NEW + OLD, ["old", "new", "newest"]),
        (NEW + NEWEST + OLD, ["old", "new", "newest"]),
        (RENEWED + OLD, ["old", "old"]),
    ],
)
def test_the_superseded_row_comes_first(text: str, wanted: list[str]) -> None:
    rows, wrong = read_facts(read_document("f.toml", text))
    assert wrong == []
    found = in_order(rows)
    assert [row.fact.id for row in found] == wanted
    if wanted == ["old", "old"]:
        assert [row.fact.supersedes for row in found] == [None, "old"]
