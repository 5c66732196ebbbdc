"""What may supersede what, once something was taken back."""

from edaphon.facts import FactRow, Knowledge, fact_of, knowledge_conflicts
from edaphon.model import EntryId


def calibration(id, supersedes=None):
    table = {"kind": "calibration", "id": id, "channel": "c", "curve": "polynomial"}
    more = {"supersedes": supersedes} if supersedes else {}
    return fact_of({**table, "parameters": {"c0": 0.0, "c1": 1.0}, **more})


def revocation(of, id):
    return fact_of({"kind": "revocation", "id": id, "of": of, "why": "a slip"})


def came(new, *known, sources=None):
    knowledge = Knowledge()
    for n, fact in enumerate(known, 1):
        knowledge = knowledge.learn(EntryId(1, n), fact)
    row = FactRow(new, "", "", "facts.toml", 1, {})
    return [c.came for c in knowledge_conflicts([row], knowledge, sources)]


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


def layer(id, top, bottom, profile="p", **more):
    table = {"kind": "horizon", "id": id, "profile": profile, "top_cm": top, "bottom_cm": bottom}
    return fact_of({**table, **more})


def test_a_place_lies_in_one_layer_at_a_time():
    profiles = [fact_of({"kind": "profile", "id": name, "plot": "x"}) for name in "pq"]
    plot, other = fact_of({"kind": "plot", "id": "x"}), layer("o", 5, 15, "q")
    until, since = {"to": "2026-01-01T00:00:00Z"}, {"from": "2026-01-01T00:00:00Z"}
    known = plot, *profiles, other, layer("a", 10, 20, **until)
    for top, bottom in ((20, 30), (0, 10)):
        assert came(layer("b", top, bottom), *known, sources={}) == []
    assert came(layer("b", 15, 30, **since), *known, sources={}) == []
    assert came(layer("b", 15, 30, supersedes="a"), *known, sources={}) == []
    for top, bottom in ((19, 30), (0, 11), (10, 20), (12, 18), (0, 30)):
        expected = f"{top} to {bottom} cm, where a lies too"
        assert came(layer("b", top, bottom), *known, sources={}) == [expected]
