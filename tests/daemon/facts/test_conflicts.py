"""What may supersede what, once something was taken back."""

from edaphon.facts import FactRow, Knowledge, fact_of, knowledge_conflicts
from edaphon.model import EntryId


def calibration(id, supersedes=None):
    table = {"kind": "calibration", "id": id, "channel": "c", "curve": "polynomial"}
    more = {"supersedes": supersedes} if supersedes else {}
    return fact_of({**table, "parameters": {"c0": 0.0, "c1": 1.0}, **more})


def revocation(of, id):
    return fact_of({"kind": "revocation", "id": id, "of": of, "why": "a slip"})


def came(new, *known):
    knowledge = Knowledge()
    for n, fact in enumerate(known, 1):
        knowledge = knowledge.learn(EntryId(1, n), fact)
    row = FactRow(new, "", "", "facts.toml", 1, {})
    return [c.came for c in knowledge_conflicts([row], knowledge)]


def test_a_fact_is_superseded_once():
    first, second = calibration("a"), calibration("b", "a")
    assert came(calibration("c", "a"), first, second) == ['"a" is already superseded by "b"']


def test_what_was_superseded_by_a_fact_that_was_taken_back_may_be_superseded_again():
    first, second, back = calibration("a"), calibration("b", "a"), revocation("b", "r1")
    assert came(calibration("c", "a"), first, second, back) == []
    again = revocation("r1", "r2")
    assert len(came(calibration("c", "a"), first, second, back, again)) == 1


def test_a_replacement_names_a_source_of_the_configuration():
    table = {"kind": "replacement", "id": "r", "source": "file/y", "file": "/a.csv", "copy": 2}
    row = FactRow(fact_of(table), "", "", "facts.toml", 1, {})
    found = knowledge_conflicts([row], Knowledge(), {"file/x": {}})
    assert [c.came for c in found] == ['"file/y" is no source']
