"""Facts that go to another process as the text in which people wrote them."""

from edaphon.facts import read_facts
from edaphon.facts.files import documents_of, rows_of
from edaphon.toml_input.lines import read_document

SENSOR = '[[sensor]]\nid = "{}"\nmodel = "meter.teros12"\n'
TEXT = "".join(SENSOR.format(name) for name in "abc")


def rows(text: str = TEXT, file: str = "facts.toml"):
    return read_facts(read_document(file, text))[0]


def test_each_text_goes_once_and_gives_the_rows_that_are_meant():
    first, second, third = rows()
    (other,) = rows(SENSOR.format("d"), "other.toml")
    documents = documents_of([third, first, other])
    assert [(d["file"], [r["id"] for r in d["rows"]]) for d in documents] == [
        ("facts.toml", ["c", "a"]),
        ("other.toml", ["d"]),
    ]
    found, wrong = rows_of(documents)
    assert wrong == []
    assert {row.fact.id for row in found} == {"a", "c", "d"}
    assert all(row in (first, third, other) for row in found)


def test_a_row_that_is_meant_and_is_not_there_as_it_should_be_is_an_error():
    (document,) = documents_of(rows())
    for line, id in ((1, "b"), (2, "a"), (99, "a")):
        wrong = {**document, "rows": [{"line": line, "id": id}]}
        found, errors = rows_of([wrong])
        assert found == []
        assert [(e.file, e.line, e.right) for e in errors] == [
            ("facts.toml", line, f'the fact with id = "{id}"')
        ]


def test_a_mistake_of_the_text_is_listed_once():
    (document,) = documents_of(rows())
    text = TEXT + '[[sensor]]\nid = "e"\n'
    found, errors = rows_of([{**document, "text": text}])
    assert {row.fact.id for row in found} == {"a", "b", "c"}
    assert [(e.line, e.key) for e in errors] == [(10, "sensor.model")]
