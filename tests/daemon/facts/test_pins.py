"""Makers' curves are kept as facts where deployments begin to use them, each once."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from edaphon.facts import (
    FactRow,
    Knowledge,
    fact_of,
    knowledge_conflicts,
    pin_id,
    pin_of,
    pins_needed,
    table_of,
)
from edaphon.model import EntryId
from edaphon.toml_input.values import Id
from edaphon_drivers.sheets import Factory, load_sheet

MODEL, OUTPUT = "meter.teros12", "water_content_counts"
OUTPUTS = load_sheet(MODEL).outputs
SOURCES = {"s/a": OUTPUTS, "s/b": OUTPUTS}
MODELS = {"s/a": MODEL, "s/b": MODEL}
MINERAL = next(f for f in OUTPUTS[OUTPUT].factory if f.name == "mineral")
PIN = pin_of(MODEL, OUTPUT, MINERAL)


def deployment(id: str, source: str = "s/a", factory: str | None = "mineral") -> dict[str, Any]:
    row = {"kind": "deployment", "id": id, "channel": "c", "source": source, "output": OUTPUT}
    return {**row, "factory": factory} if factory else row


def rows(*tables: dict[str, Any]) -> list[FactRow]:
    return [FactRow(fact_of(table), "", "", "f.toml", n, {}) for n, table in enumerate(tables, 1)]


def known(*tables: dict[str, Any]) -> Knowledge:
    return Knowledge.of((EntryId(1, n), table) for n, table in enumerate(tables, 1))


def needed(new: list[FactRow], knowledge: Knowledge) -> list[str]:
    return [pin.id for pin in pins_needed(new, knowledge, SOURCES, MODELS)]


def test_a_pin_says_what_the_sheet_says_and_is_accepted_as_a_fact():
    assert PIN.id == "factory:meter.teros12:water_content_counts:mineral"
    assert replace(PIN.as_on_a_sheet(), parameters=MINERAL.parameters) == MINERAL
    assert PIN.parameters == {"c0": -0.6956, "c1": 3.879e-4}, "written out: the sheet has none"
    assert fact_of(table_of(PIN)) == PIN
    assert knowledge_conflicts(rows(table_of(PIN)), Knowledge()) == []


def test_two_deployments_that_name_a_curve_keep_it_once():
    assert needed(rows(deployment("d1"), deployment("d2", "s/b")), Knowledge()) == [PIN.id]


def test_only_new_deployments_that_name_a_curve_which_is_there_need_one():
    assert needed(rows(deployment("d1", factory=None)), Knowledge()) == []
    assert needed(rows(deployment("d1", factory="moss")), Knowledge()) == []
    assert needed(rows(deployment("d1", "s/c")), Knowledge()) == []
    assert needed(rows(deployment("d1")), known(deployment("d1"))) == []


def test_a_curve_that_is_kept_already_or_written_next_to_it_needs_none():
    own = {**table_of(PIN), "id": "mine", "parameters": {"c0": -0.7, "c1": 4e-4}}
    assert needed(rows(deployment("d1")), known(table_of(PIN))) == []
    assert needed(rows(own, deployment("d1")), Knowledge()) == []


def test_a_curve_that_was_taken_back_is_kept_again_under_a_new_id():
    back = {"kind": "revocation", "id": "r", "of": PIN.id, "why": "of another probe"}
    assert needed(rows(deployment("d1")), known(table_of(PIN), back)) == [f"{PIN.id}-2"]


def test_the_curve_in_force_is_that_of_the_last_correction():
    newer = {**table_of(PIN), "id": "newer", "supersedes": PIN.id, "parameters": {"c0": -0.7}}
    knowledge = known(table_of(PIN), newer)
    found = knowledge.factory(MODEL, OUTPUT, "mineral")
    assert found is not None
    assert (found.id, dict(found.parameters)) == ("newer", {"c0": -0.7})
    assert knowledge.as_known_at(EntryId(1, 1)).factory(MODEL, OUTPUT, "mineral") == PIN
    assert knowledge.factory(MODEL, OUTPUT, "potting_soil") is None


def test_a_correction_may_be_of_a_curve_that_the_sheet_has_no_more():
    old = table_of(pin_of(MODEL, OUTPUT, replace(MINERAL, name="clay")))
    newer = {**old, "id": "newer", "supersedes": old["id"]}
    assert knowledge_conflicts(rows(newer), known(old)) == []
    assert knowledge_conflicts(rows({**old, "id": "other"}), Knowledge())


@given(st.lists(st.tuples(st.text(), st.text(), st.text()), min_size=2, max_size=2, unique=True))
def test_different_curves_have_different_ids_that_are_ids(names):
    ids = [pin_id(*one) for one in names]
    assert ids[0] != ids[1]
    assert [TypeAdapter(Id).validate_python(id) for id in ids] == ids
    assert all(len(id) <= 60 for id in ids)


def test_long_names_and_names_that_are_no_ids_end_in_a_hash():
    assert pin_id("m", "o", "mineral soil") == pin_id("m", "o", "mineral soil")
    assert pin_id("m", "o", "mineral soil").startswith("factory:m:o:mineral-soil-")
    assert len(pin_id("m" * 64, "o", "n")) == 60
    assert pin_id("a:b", "c", "n") != pin_id("a", "b:c", "n")
    assert pin_of("m", "o", Factory("n n", "identity", "q", "u")).name == "n n"
