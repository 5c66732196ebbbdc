"""Pairs of calibrations and checks in the field: what they say, and what is accepted."""

import pytest
from pydantic import ValidationError

from edaphon.facts import Calibration, FieldCheck, knowledge_conflicts, read_facts
from edaphon.facts.knowledge import Knowledge
from edaphon.model import EntryId
from edaphon.toml_input.lines import read_document

CHANNEL = '[[channel]]\nid = "t"\nquantity = "soil_temperature"\nunit = "degC"\n'
BEFORE = """[[calibration]]
id = "before"
channel = "t"
curve = "polynomial"
parameters = { c0 = 0.1, c1 = 1.0 }
to = 2026-01-01T00:00:00Z
"""
AFTER = BEFORE.replace("before", "after").replace("to =", "to = 2027-01-01T00:00:00Z\nfrom =")
CHECK = {"id": "k", "channel": "t", "reading": 11.5, "reference_value": 11.25, "u_reference": 0.1}
VISIT = {"as found": "to", "as left": "from"}


def config_errors(*texts: str, known: str = "") -> list[str]:
    before, _ = read_facts(read_document("known.toml", known))
    knowledge = Knowledge()
    for n, row in enumerate(before, 1):
        knowledge = knowledge.learn(EntryId(1, n), row.fact)
    rows, wrong = read_facts(read_document("f.toml", "".join(texts)))
    return [str(c) for c in (*wrong, *knowledge_conflicts(rows, knowledge, {}))]


def test_a_pair_may_be_written_together_in_any_order_or_after_a_year():
    pair = AFTER + 'drifts_from = "before"\n'
    assert config_errors(CHANNEL, BEFORE, pair) == []
    assert config_errors(CHANNEL, pair, BEFORE) == []
    assert config_errors(pair, known=CHANNEL + BEFORE) == []


def test_the_units_of_a_pair_may_be_spelt_differently():
    pair = AFTER + 'drifts_from = "before"\nto_unit = "°C"\n'
    assert config_errors(CHANNEL, BEFORE + 'to_unit = "degC"\n', pair) == []


def test_a_curve_of_the_calendar_needs_both_ends_and_no_second_input():
    points = "raw_zero = 0.2, raw_span = 30.1, raw_zero_2 = 0.3, raw_span_2 = 30.4, span_gas = 30"
    row = AFTER.replace("polynomial", "zero_span_drift").replace("c0 = 0.1, c1 = 1.0", points)
    assert config_errors(CHANNEL, row) == []
    whole = Calibration.model_validate({"id": "c", "channel": "t", "curve": "zero_span_drift"})
    assert whole.by_calendar
    assert not whole.model_copy(update={"curve": "conductivity_at_25"}).by_calendar


@pytest.mark.parametrize(("state", "key"), VISIT.items())
def test_a_check_knows_its_visit_and_its_deviation(state, key):
    row = {**CHECK, "state": state, key: "2026-09-30T08:00:00Z"}
    check = FieldCheck.model_validate(row)
    assert check.deviation == 0.25
    assert check.visit_ns == 1_790_755_200_000_000_000
    with pytest.raises(ValidationError):
        FieldCheck.model_validate({**CHECK, "state": state})


def test_checks_in_force_are_known_apart_from_calibrations():
    row = {"kind": "check", **CHECK, "state": "as found", "to": "2026-09-30T08:00:00Z"}
    again = {**row, "id": "k2", "supersedes": "k", "reading": 11.3}
    knowledge = Knowledge.of([(EntryId(1, 1), row), (EntryId(1, 2), again)])
    assert [check.id for check in knowledge.field_checks] == ["k2"]
    assert knowledge.calibrations == ()
