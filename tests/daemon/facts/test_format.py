"""The TOML and JSON forms of facts are frozen: files written today are read in twenty years.

A change of `golden/` needs a decision record and a migration.
"""

import hashlib
from pathlib import Path

import pytest

from edaphon.facts import FactRow, fact_of, from_payload, read_facts, table_of, to_payload
from edaphon.facts.files import KINDS
from edaphon.toml_input.lines import FACT_TABLES, read_document
from edaphon.toml_input.models import keys_of

GOLDEN = Path(__file__).parent / "golden"
TEXT = (GOLDEN / "facts.toml").read_text("utf-8")
PAIRS = {
    "facts.toml": "payloads.jsonl",
    "calibrations.toml": "calibrations.jsonl",
    "replacements.toml": "replacements.jsonl",
    "visits.toml": "visits.jsonl",
    "horizons.toml": "horizons.jsonl",
}


def rows(file: str = "facts.toml") -> tuple[FactRow, ...]:
    document = read_document(file, (GOLDEN / file).read_text("utf-8"))
    found, config_errors = read_facts(document)
    assert config_errors == []
    return found


def payload(row: FactRow) -> bytes:
    return to_payload(row.fact, row.text, row.sha256, row.file, "K. Berg")


@pytest.mark.parametrize(("file", "payloads"), PAIRS.items())
def test_the_payloads_of_the_golden_facts_are_those_of_the_golden_file(
    file: str, payloads: str
) -> None:
    wanted = (GOLDEN / payloads).read_bytes().splitlines()
    assert [payload(row) for row in rows(file)] == wanted


@pytest.mark.parametrize(("file", "payloads"), PAIRS.items())
def test_the_golden_payloads_give_the_golden_facts(file: str, payloads: str) -> None:
    lines = (GOLDEN / payloads).read_bytes().splitlines()
    assert [from_payload(line).fact for line in lines] == [row.fact for row in rows(file)]


def test_every_kind_of_fact_has_a_golden_one() -> None:
    golden = {row.fact.table for file in PAIRS for row in rows(file)}
    assert golden == set(KINDS) == FACT_TABLES


@pytest.mark.parametrize("table", ["factory", "calibration", "check", "horizon"])
def test_every_key_has_a_golden_value(table: str) -> None:
    of_table = [row for file in PAIRS for row in rows(file) if row.fact.table == table]
    assert {key for row in of_table for key in row.lines} == set(keys_of(KINDS[table]))


def test_a_row_carries_its_own_lines_and_the_hash_of_its_file() -> None:
    calibration = next(row for row in rows() if row.fact.table == "calibration")
    assert calibration.text.startswith("[[calibration]]\n")
    assert calibration.text.endswith('certificate = "2026-0815.pdf"\n')
    assert calibration.sha256 == hashlib.sha256(TEXT.encode()).hexdigest()
    assert TEXT.splitlines()[calibration.line_of("curve") - 1].startswith("curve")


def test_a_tables_text_holds_its_sub_tables() -> None:
    text = '[[calibration]]\nid = "c"\nchannel = "x"\ncurve = "polynomial"\n'
    inner = "[calibration.parameters]\nc1 = 1\n"
    found, _ = read_facts(read_document("f.toml", text + inner + '[[plot]]\nid = "P1"\n'))
    assert [row.text for row in found] == [text + inner, '[[plot]]\nid = "P1"\n']


def test_parameters_come_back_in_the_order_that_a_covariance_follows() -> None:
    table = {
        "kind": "calibration",
        "id": "c",
        "channel": "x",
        "curve": "polynomial",
        "parameters": {"c0": 0.0, "c1": 1.0},
    }
    mixed = {**table, "parameters": {"c1": 1.0, "c0": 0.0}}
    assert list(table_of(fact_of(mixed))["parameters"]) == ["c0", "c1"]


@pytest.mark.parametrize("wrong", [b"", b"[]", b"{}", b'{"fact":{"kind":"x"}}', b"\xff"])
def test_what_no_fact_wrote_is_refused(wrong: bytes) -> None:
    with pytest.raises((KeyError, ValueError)):
        from_payload(wrong)
